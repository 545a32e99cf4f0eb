// The chart by keyboard: arrows go from point to point, Enter chooses, + - 0 zoom, Shift with an arrow moves.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

function listenToKeys(chart) {
  chart.marks.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (act(chart, event)) event.preventDefault();
  });
}

/** Do what a key asks for; say whether it was one of ours. */
function act(chart, event) {
  const arrow = ARROWS[event.key];
  if (arrow && event.shiftKey) chart.pan(-60 * arrow[0], -60 * arrow[1]);
  else if (arrow) step(chart, ...arrow);
  else if (event.key === "Enter" || event.key === " ") chart.choosePointed();
  else if (event.key === "+" || event.key === "=") chart.zoom(1 / 1.5);
  else if (event.key === "-") chart.zoom(1.5);
  else if (event.key === "0") chart.whole();
  else if (event.key === "Escape") chart.point(-1);
  else return false;
  return true;
}

/** Go to the nearest point in a direction, from the one that is pointed at or from the chosen one. */
function step(chart, dx, dy) {
  const from = chart.pointed >= 0 ? chart.pointed : chart.study.row(chart.state.mask);
  const row = neighbour(chart, from, dx, dy);
  if (row < 0) return;
  chart.point(row);
  announce(`${chart.study.title(chart.study.masks[row])}: ${tipLine(chart.study, chart.study.masks[row])}`);
}

/** The point that lies most nearly in a direction: distance counts, and what lies aside counts more. */
function neighbour(chart, from, dx, dy) {
  const { xs, ys } = chart;
  const [x, y] = Number.isNaN(xs[from]) ? [chart.size.width / 2, chart.size.height / 2] : [xs[from], ys[from]];
  let [best, least] = [-1, Infinity];
  for (let i = 0; i < xs.length; i += 1) {
    const [along, aside] = [(xs[i] - x) * dx + (ys[i] - y) * dy, (xs[i] - x) * dy + (ys[i] - y) * dx];
    if (i === from || !(along > 0.5) || !inside(chart.box, xs[i], ys[i])) continue;
    const cost = along + 2.5 * Math.abs(aside);
    if (cost < least) [best, least] = [i, cost];
  }
  return best;
}
