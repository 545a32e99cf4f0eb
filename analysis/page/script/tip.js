// What stands beside the point that is pointed at.

function showTip(chart, row) {
  const tip = byId("tip");
  tip.hidden = row < 0;
  if (row < 0) return;
  const { study } = chart;
  const mask = study.masks[row];
  tip.replaceChildren(
    el("strong", { text: study.title(mask), class: "name" }),
    el("span", { text: tipLine(study, mask) }),
  );
  place(tip, chart, row);
}

/** A subset's scores in a line. */
function tipLine(study, mask) {
  const of = (metric) => METRICS[metric].text(study.score(mask, metric));
  const point = METRICS.cost && study.data.cost.front.find((one) => one.mask === mask);
  const honest = point && point.honest !== null ? `, honest ${shareText(point.honest)} (${range(point.low, point.high)})` : "";
  const cost = METRICS.cost ? ` · cost ${of("cost")}${point ? ` · on the front${honest}` : ""}` : "";
  return `${many(bits(mask), "member")} · ${of("accuracy")}\u00a0% · NLL ${of("nll")}${cost}`;
}

/** Beside the point, within the chart. */
function place(tip, chart, row) {
  const { width, height } = tip.getBoundingClientRect();
  const [x, y] = [chart.xs[row], chart.ys[row]];
  const left = x + 14 + width < chart.size.width ? x + 14 : Math.max(0, x - 14 - width);
  const top = Math.min(Math.max(0, y - height - 8), chart.size.height - height);
  tip.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
}
