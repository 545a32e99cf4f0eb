// Everything is put together once the numbers are unpacked.

async function begin() {
  const study = new Study(await readData());
  const state = new State(study);
  document.documentElement.classList.replace("plain", "live");
  const chart = new Scatter(study, state);
  listenToPointer(chart);
  listenToKeys(chart);
  buildAxes(chart);
  buildFront(study, chart);
  buildFilter(study, state);
  buildChosen(study, state);
  buildRanking(chart, state);
  const table = new ClassTable(study, state);
  buildClass(study, state);
  table.markChosen();
  const matrix = new Matrix(study, state);
  buildErrors(study, state);
  buildVersus(study, state);
  buildTakes(study, state, chart);
  buildReliability(study, state);
  buildPeek(study, state);
  for (const one of document.querySelectorAll("table[data-sort]")) sortInPlace(one);
  followLight(chart, matrix);
  performance.mark("ready");
  document.documentElement.dataset.ready = "yes";
}

/** Draw the chart anew where the page turns dark or light. On paper it stays as it was drawn, on its own ground. */
function followLight(chart, matrix) {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const follow = () => {
    byId("chart").classList.toggle("dark", dark.matches);
    chart.redraw();
    matrix.redraw();
  };
  dark.addEventListener("change", follow);
  follow();
}

begin().catch((error) => {
  const note = byId("broken");
  note.hidden = false;
  note.textContent = `The interactive parts could not start (${error.message}). A browser of 2023 or later shows them; what stands here is still true.`;
});
