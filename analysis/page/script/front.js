// What score can be had for what cost: the front over the chart's points, with honest scores along it.

const WIDE = 20; // times the least cost: from there on the axis is logarithmic, as in analysis/figures/cost.py

/** A cost as people read it: as `cost_text` of analysis/selection/costs.py has it. */
const costText = (cost) => (cost >= 1000 ? whole(Number(fixed(cost, 0))) : String(Number(cost.toPrecision(4))));

/** The axis of costs: their logarithm where they differ much. */
function costScale(costs) {
  const [low, high] = costs.reduce(([a, b], cost) => [Math.min(a, cost), Math.max(b, cost)], [Infinity, 0]);
  const log = low > 0 && high / low > WIDE;
  return { log, at: log ? Math.log10 : (cost) => cost };
}

/** Round costs on an axis from `low` to `high`, where 1, 2 and 5 times a power of ten are round; at most `most`. */
function logTicks(low, high, most) {
  for (const steps of [[1, 2, 5], [1, 3], [1]]) {
    const found = [];
    for (let power = Math.floor(low); power <= high; power += 1) {
      for (const step of steps) {
        const value = power + Math.log10(step);
        if (value >= low && value <= high) found.push({ value, text: costText(step * 10 ** power) });
      }
    }
    if (found.length <= most || steps.length === 1) return found.filter((_, i) => i % Math.ceil(found.length / most) === 0);
  }
  return [];
}

/** The front as steps with its points, honest scores and their intervals beside it. */
function paintFront(context, chart) {
  const { x, y, ratio, study } = chart;
  const points = study.data.cost.front.map((point) => ({ ...point, left: x.pixel(chart.cost.at(point.cost)) * ratio }));
  context.strokeStyle = context.fillStyle = colour("ink");
  context.lineWidth = 1.4 * ratio;
  context.beginPath();
  points.forEach(({ left, score }, i) => {
    if (i) context.lineTo(left, y.pixel(points[i - 1].score) * ratio);
    context[i ? "lineTo" : "moveTo"](left, y.pixel(score) * ratio);
  });
  context.lineTo(chart.box.right * ratio, y.pixel(points.at(-1).score) * ratio);
  context.stroke();
  for (const { left, score } of points) {
    context.beginPath();
    context.arc(left, y.pixel(score) * ratio, 3.4 * ratio, 0, 7);
    context.fill();
  }
  context.strokeStyle = context.fillStyle = colour("chosen");
  for (const { left, honest, low, high } of points) {
    if (honest === null) continue;
    line(context, left, y.pixel(low) * ratio, left, y.pixel(high) * ratio);
    const [middle, side] = [y.pixel(honest) * ratio, 4 * ratio];
    context.beginPath();
    for (const [dx, dy] of [[0, -side], [side, 0], [0, side], [-side, 0]]) context.lineTo(left + dx, middle + dy);
    context.fill();
  }
}

function buildFront(study, chart) {
  if (!study.data.cost || !byId("show-cost")) return;
  byId("show-cost").addEventListener("click", () => {
    for (const [axis, metric] of [["x", "cost"], ["y", "accuracy"]]) {
      byId(`axis-${axis}`).value = metric;
      chart.use(axis, metric);
    }
    byId("subsets").scrollIntoView();
    chart.marks.focus({ preventScroll: true });
  });
}

function frontCsv(study) {
  const rows = [["cost", "members", "accuracy", "honest", "honest_low", "honest_high"]];
  for (const { mask, cost, score, honest, low, high } of study.data.cost.front) {
    rows.push([cost, study.names(mask).join("+"), score, honest ?? "", low ?? "", high ?? ""]);
  }
  return csvOf(rows);
}
