// How well confidence agrees with accuracy, for the chosen subset.

const PLOT = { left: 40, right: 14, top: 10, bottom: 38, width: 340, height: 300 };

function buildReliability(study, state) {
  const show = () => showReliability(study, study.shown(state.mask));
  state.on("mask", show);
  show();
}

/** The bins of a subset: [{low, high, count, confidence, accuracy}], empty ones left out. */
function binsOf(study, mask) {
  const { panels } = study.data;
  const bins = panels.counts.length / panels.masks.length;
  const from = study.place.get(mask) * bins;
  return Array.from({ length: bins }, (_, b) => ({ low: b / bins, high: (b + 1) / bins, count: panels.counts[from + b],
    confidence: panels.confidence[from + b], accuracy: panels.accuracy[from + b] })).filter((bin) => bin.count);
}

function showReliability(study, mask) {
  const bins = binsOf(study, mask);
  const ece = study.data.panels.ece[study.place.get(mask)];
  const drawn = byId("reliability-plot");
  drawn.replaceChildren(svg("title", { text: "Accuracy by confidence, in bins" }), ...reliabilityParts(study, bins));
  byId("reliability-words").textContent = reliabilityWords(study, mask, bins, ece);
  byId("reliability-rows").replaceChildren(...bins.map((bin) => el("tr", {}, el("th", { scope: "row", text: range(bin.low, bin.high, 0) }),
    el("td", { text: whole(bin.count) }), el("td", { text: percent(bin.confidence) }), el("td", { text: percent(bin.accuracy) }))));
}

function reliabilityParts(study, bins) {
  const x = new Scale(0, 1, PLOT.left, PLOT.width - PLOT.right);
  const y = new Scale(0, 1, PLOT.height - PLOT.bottom, PLOT.top);
  const parts = [0, 0.25, 0.5, 0.75, 1].flatMap((v) => [
    svg("line", { class: "grid", x1: x.from, x2: x.to, y1: y.pixel(v), y2: y.pixel(v) }),
    svg("text", { class: "tick", x: x.from - 6, y: y.pixel(v) + 4, "text-anchor": "end", text: percent(v, 0) }),
    svg("text", { class: "tick", x: x.pixel(v), y: y.from + 16, "text-anchor": "middle", text: percent(v, 0) }),
  ]);
  parts.push(svg("line", { class: "diagonal", x1: x.from, y1: y.from, x2: x.to, y2: y.to }));
  for (const bin of bins) {
    const [left, right] = [x.pixel(bin.low) + 1, x.pixel(bin.high) - 1];
    parts.push(svg("rect", { class: "bin", x: left, width: right - left, y: y.pixel(bin.accuracy), height: y.from - y.pixel(bin.accuracy) }));
    const [low, high] = wilson(bin.accuracy * bin.count, bin.count, study.data.z);
    parts.push(svg("line", { class: "whisker", x1: x.pixel(bin.confidence), x2: x.pixel(bin.confidence), y1: y.pixel(low), y2: y.pixel(high) }));
    parts.push(svg("circle", { class: "dot", cx: x.pixel(bin.confidence), cy: y.pixel(bin.accuracy), r: 3.5 }));
  }
  parts.push(svg("text", { class: "axis", x: (x.from + x.to) / 2, y: PLOT.height - 4, "text-anchor": "middle", text: "Confidence (%)" }));
  parts.push(svg("text", { class: "axis", x: -(y.from + y.to) / 2, y: 11, transform: "rotate(-90)", "text-anchor": "middle", text: "Accuracy (%)" }));
  return parts;
}

function reliabilityWords(study, mask, bins, ece) {
  const accuracy = study.score(mask, "accuracy");
  const confidence = bins.reduce((sum, bin) => sum + bin.confidence * bin.count, 0) / study.data.samples;
  const gap = 100 * (confidence - accuracy);
  const lean = Math.abs(gap) < 1 ? "within a point of calibrated" : gap > 0 ? "overconfident" : "underconfident";
  return `On average it is ${lean}: mean confidence ${shareText(confidence)}, accuracy ${shareText(accuracy)}. `
    + `Expected calibration error ${percent(ece)} points, in ${study.data.panels.counts.length / study.data.panels.masks.length} bins.`;
}
