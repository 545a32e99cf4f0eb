// Recall of a class on val after each epoch of training, a line a member.

const CURVES = { width: 340, height: 150, left: 34, right: 10, top: 8, bottom: 32 };

/** A class's lines: [{name, within, epochs, recall}], those of the members in `mask` last; empty where it has none. */
function recallLines(study, mask, c) {
  const { curves } = study.data;
  if (!curves || !curves.samples[c]) return [];
  let from = 0;
  const lines = curves.members.map((member, nth) => {
    const epochs = curves.epochs[nth];
    const recall = epochs.map((_, e) => curves.correct[(from + e) * study.classes + c] / curves.samples[c]);
    from += epochs.length;
    return { name: study.members[member], within: Boolean((mask >> member) & 1), epochs, recall };
  });
  return lines.sort((a, b) => a.within - b.within);
}

function curveScales(lines, box) {
  const ends = lines.flatMap(({ epochs }) => [epochs[0], epochs[epochs.length - 1]]);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const air = low === high ? 0.5 : 0;
  return { low, high, x: new Scale(low - air, high + air, box.left, box.width - box.right),
    y: new Scale(0, 1, box.height - box.bottom, box.top) };
}

/** The lines alone, as polylines; one epoch is a dot. */
function curveLines(lines, { x, y }) {
  return lines.map(({ within, epochs, recall }) => {
    const kind = `recall-curve${within ? " within" : ""}`;
    if (epochs.length === 1) return svg("circle", { class: `${kind} single`, cx: x.pixel(epochs[0]), cy: y.pixel(recall[0]), r: 3 });
    return svg("polyline", { class: kind, points: epochs.map((epoch, e) => `${x.pixel(epoch).toFixed(1)},${y.pixel(recall[e]).toFixed(1)}`).join(" ") });
  });
}

/** Show the curves of the chosen class, and what the pointer is at. */
function showCurves(study, mask, c) {
  const lines = recallLines(study, mask, c);
  byId("class-curves").hidden = !lines.length;
  if (!lines.length) return;
  const scales = curveScales(lines, CURVES);
  const { x, y, low, high } = scales;
  const cursor = svg("line", { class: "grid cursor", y1: y.from, y2: y.to });
  cursor.style.display = "none";
  const frame = [0, 0.5, 1].flatMap((v) => [
    svg("line", { class: "grid", x1: x.from, x2: x.to, y1: y.pixel(v), y2: y.pixel(v) }),
    svg("text", { class: "tick", x: x.from - 6, y: y.pixel(v) + 4, "text-anchor": "end", text: percent(v, 0) }),
  ]);
  const ends = [...new Set([low, high])].map((epoch) => svg("text", { class: "tick", x: x.pixel(epoch), y: y.from + 14, "text-anchor": "middle", text: epoch }));
  const axis = svg("text", { class: "axis", x: (x.from + x.to) / 2, y: CURVES.height - 4, "text-anchor": "middle", text: "Epoch" });
  const plot = byId("class-curves-plot");
  plot.replaceChildren(svg("title", { text: `Recall of ${study.className(c)} after each epoch` }), ...frame, ...ends, axis, cursor, ...curveLines(lines, scales));
  const say = (epoch) => { byId("class-curves-words").textContent = curveWords(study, lines, epoch, high); };
  say(high);
  plot.onpointermove = (event) => {
    const { left, width } = plot.getBoundingClientRect();
    const at = x.value(((event.clientX - left) / width) * CURVES.width);
    const known = lines.flatMap(({ epochs }) => epochs);
    const epoch = known.reduce((best, one) => (Math.abs(one - at) < Math.abs(best - at) ? one : best));
    cursor.style.display = "";
    for (const end of ["x1", "x2"]) cursor.setAttribute(end, x.pixel(epoch));
    say(epoch);
  };
  plot.onpointerleave = () => { cursor.style.display = "none"; say(high); };
}

/** What the members have at an epoch, those of the chosen subset first; of many the lowest and the highest. */
function curveWords(study, lines, epoch, last) {
  const there = lines.filter(({ epochs }) => epochs.includes(epoch)).sort((a, b) => b.within - a.within)
    .map(({ name, epochs, recall }) => ({ name, share: recall[epochs.indexOf(epoch)] }));
  const when = `After epoch ${epoch}${epoch === last ? ", the last" : ""}: `;
  if (there.length <= 8) return `${when}${there.map(({ name, share }) => `${name} ${shareText(share, 0)}`).join(", ")}.`;
  const ordered = [...there].sort((a, b) => a.share - b.share);
  const [low, high] = [ordered[0], ordered[ordered.length - 1]];
  return `${when}${there.length} members, from ${low.name} ${shareText(low.share, 0)} to ${high.name} ${shareText(high.share, 0)}.`;
}

/** A small drawing for beside a name; null where there is none. */
function smallCurves(study, mask, c) {
  const lines = recallLines(study, mask, c);
  if (!lines.length) return null;
  const box = { width: 128, height: 44, left: 3, right: 3, top: 3, bottom: 3 };
  const scales = curveScales(lines, box);
  return svg("svg", { viewBox: `0 0 ${box.width} ${box.height}` },
    svg("line", { class: "grid", x1: box.left, x2: box.width - box.right, y1: scales.y.from, y2: scales.y.from }), ...curveLines(lines, scales));
}
