// The chart as a table: the subsets that pass the filter, best first by the chart's y axis.

const LISTED = 50;

function buildRanking(chart, state) {
  const details = byId("ranking");
  if (!chart.study.metrics.includes("top5")) details.querySelector("th:nth-child(4)").remove();
  if (METRICS.balanced_accuracy) {
    details.querySelector("thead tr").append(el("th", { scope: "col", text: "balanced %" }));
  }
  if (METRICS.cost) details.querySelector("thead tr").append(el("th", { scope: "col", text: "cost" }));
  const fill = () => { if (details.open) fillRanking(chart, state); };
  details.addEventListener("toggle", fill);
  state.on(["filter", "mask"], fill);
  byId("axis-y").addEventListener("change", fill);
}

function fillRanking(chart, state) {
  const { study } = chart;
  const metric = chart.axes.y;
  const score = study.column(metric);
  const sign = METRICS[metric].higher ? -1 : 1;
  const rows = [];
  for (let i = 0; i < study.count; i += 1) if (state.passes(study.masks[i], study.sizes[i])) rows.push(i);
  rows.sort((a, b) => sign * (score(a) - score(b)) || study.sizes[a] - study.sizes[b] || study.masks[a] - study.masks[b]);
  const cells = rows.slice(0, LISTED).map((row) => rankingRow(study, state, study.masks[row]));
  byId("ranking-rows").replaceChildren(...cells);
  byId("ranking-note").textContent = rows.length > LISTED
    ? `The first ${LISTED} of ${whole(rows.length)}, by ${inSentence(METRICS[metric].name)}.`
    : `${many(rows.length, "subset")}, by ${inSentence(METRICS[metric].name)}.`;
}

function rankingRow(study, state, mask) {
  const button = el("button", { type: "button", class: "link name", text: study.title(mask), click: () => state.choose(mask) });
  if (mask === state.mask) button.setAttribute("aria-current", "true");
  return el("tr", {}, el("th", { scope: "row" }, button), el("td", { text: bits(mask) }),
    ...study.metrics.map((name) => el("td", { text: METRICS[name].text(study.score(mask, name)) })));
}
