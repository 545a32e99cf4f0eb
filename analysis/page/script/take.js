// What a reader takes along: tables as CSV, pictures as PNG or SVG, a caption.

function buildTakes(study, state, chart) {
  const name = (what, ending) => `${study.data.split}-${what}.${ending}`;
  const listen = (id, work) => byId(id).addEventListener("click", work);
  listen("take-chart", () => byId("points").toBlob((blob) => blob && hand(blob, name("subsets", "png"))));
  listen("take-subsets", () => handText(subsetsCsv(study), name("subsets", "csv")));
  if (byId("take-front")) listen("take-front", () => handText(frontCsv(study), name("cost", "csv")));
  listen("take-classes", () => handText(classesCsv(study, study.shown(state.mask)), name("classes", "csv")));
  listen("take-matrix", () => byId("matrix").toBlob((blob) => blob && hand(blob, name("confusion", "png"))));
  listen("take-reliability", () => handText(svgFile(byId("reliability-plot")), name("calibration", "svg")));
  listen("take-caption", () => copyCaption(captionOf(study, chart)));
}

const handText = (text, file) => hand(new Blob([text], { type: "text/plain;charset=utf-8" }), file);

/** Save a blob as a file, as a link that is pressed once. */
function hand(blob, file) {
  const href = URL.createObjectURL(blob);
  const link = el("a", { href, download: file });
  link.click();
  setTimeout(() => URL.revokeObjectURL(href), 1000);
}

/** A cell of a CSV file; what a spreadsheet would run as a formula begins with an apostrophe. */
function csvCell(value) {
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

const csvOf = (rows) => `${rows.map((row) => row.map(csvCell).join(",")).join("\r\n")}\r\n`;

function subsetsCsv(study) {
  const rows = [["mask", "members", "size", "correct", ...Object.keys(METRICS)]];
  for (let row = 0; row < study.count; row += 1) {
    const mask = study.masks[row];
    rows.push([mask, study.names(mask).join("+"), study.sizes[row], study.correct(mask), ...Object.keys(METRICS).map((name) => study.score(mask, name))]);
  }
  return csvOf(rows);
}

function classesCsv(study, mask) {
  const rows = [["id", "name", "samples", "correct", "recall", "low", "high", "confused_with", "confused_count"]];
  for (const { c, samples, correct, accuracy, low, high, confusedWith } of study.perClass(mask)) {
    const numbers = samples ? [accuracy, low, high] : ["", "", ""];
    rows.push([study.data.classes.ids[c], study.className(c), samples, correct, ...numbers, confusedWith ? study.className(confusedWith.c) : "", confusedWith ? confusedWith.count : ""]);
  }
  return csvOf(rows);
}

/** A drawing of the page as a file of its own: the styles that it has here stand in it. */
function svgFile(drawing) {
  const copy = drawing.cloneNode(true);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const [from, to] = [drawing.querySelectorAll("*"), copy.querySelectorAll("*")];
  from.forEach((node, i) => {
    const style = getComputedStyle(node);
    for (const key of ["fill", "stroke", "stroke-width", "stroke-dasharray", "opacity", "font-family", "font-size"]) to[i].setAttribute(key, style.getPropertyValue(key));
    to[i].removeAttribute("class");
  });
  return new XMLSerializer().serializeToString(copy);
}

function captionOf(study, chart) {
  const all = study.data.points.all;
  const [x, y] = [chart.axisTitle("x"), chart.axisTitle("y")].map((title) => title.replace(/, lower is better/, ""));
  const front = chart.fronted() ? " Steps: the front, no other subset as accurate at that cost or below; diamonds: honest scores with 95 % intervals." : "";
  return `${y} against ${inSentence(x)} of ${all === study.count ? `all ${whole(all)}` : `${whole(study.count)} of the ${whole(all)}`} subsets of `
    + `${many(study.members.length, "member")} on ${whole(study.data.samples)} images of ${study.data.split}. Star: the most accurate subset; ring: ${study.title(chart.state.mask)}.${front}`;
}

async function copyCaption(text) {
  byId("caption").textContent = text;
  byId("caption").hidden = false;
  try {
    await navigator.clipboard.writeText(text);
    announce("The caption is copied.");
  } catch {
    announce("The caption stands below the chart.");
  }
}
