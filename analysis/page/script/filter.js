// Which subsets the chart shows: members that must or must not be in them, and their size.

const WANTED = [
  { mark: "", word: "with or without", next: 1 },
  { mark: "with", word: "always with", next: 2 },
  { mark: "without", word: "never with", next: 0 },
];

function buildFilter(study, state) {
  const box = byId("filter-members");
  const chips = study.members.map((name, i) => {
    const chip = el("button", { type: "button", class: "chip" }, el("span", { class: "mark", "aria-hidden": "true" }),
      el("span", { class: "name", text: name }), el("span", { class: "hidden" }));
    chip.addEventListener("click", () => turnMember(state, i));
    box.append(chip);
    return chip;
  });
  const [low, high] = [byId("filter-low"), byId("filter-high")];
  for (const select of [low, high]) {
    for (let k = 1; k <= study.members.length; k += 1) select.append(el("option", { value: k, text: k }));
  }
  low.addEventListener("change", () => state.narrow({ low: +low.value, high: Math.max(+low.value, state.filter.high) }));
  high.addEventListener("change", () => state.narrow({ high: +high.value, low: Math.min(+high.value, state.filter.low) }));
  byId("filter-reset").addEventListener("click", () => state.narrow(openFilter(study)));
  const show = () => showFilter(study, state, chips, low, high);
  state.on("filter", show);
  show();
}

/** From "with or without" to "always with", to "never with", and back. */
function turnMember(state, i) {
  const { must, not } = state.filter;
  const bit = 1 << i;
  const next = WANTED[wish(state, i)].next;
  state.narrow({ must: next === 1 ? must | bit : must & ~bit, not: next === 2 ? not | bit : not & ~bit });
}

const wish = (state, i) => ((state.filter.must >> i) & 1 ? 1 : (state.filter.not >> i) & 1 ? 2 : 0);

function showFilter(study, state, chips, low, high) {
  chips.forEach((chip, i) => {
    const { mark, word } = WANTED[wish(state, i)];
    chip.dataset.wish = wish(state, i);
    chip.querySelector(".mark").textContent = mark;
    chip.querySelector(".hidden").textContent = `, ${word}`;
  });
  low.value = state.filter.low;
  high.value = state.filter.high;
  let count = 0;
  for (let i = 0; i < study.count; i += 1) count += state.passes(study.masks[i], study.sizes[i]);
  const all = study.data.points.all;
  const sampled = study.count < all ? ` (${study.data.points.leading ? "the best" : "a sample"} of all ${whole(all)})` : "";
  byId("filter-count").textContent = `${whole(count)} of ${many(study.count, "subset")} shown${sampled}`;
}

/** The choice of the chart's axes, and the buttons beside it. */
function buildAxes(chart) {
  for (const axis of ["x", "y"]) {
    const select = byId(`axis-${axis}`);
    for (const name of [...AXES, ...Object.keys(METRICS).filter((key) => !AXES.includes(key))]) {
      if (axis === "y" && (name === "size" || name === "cost")) continue;
      if (name !== "size" && !chart.study.metrics.includes(name)) continue;
      if (name !== "size" && !Number.isFinite(chart.study.column(name)(0))) continue;
      select.append(el("option", { value: name, text: name === "size" ? "Size k" : METRICS[name].name }));
    }
    select.value = chart.axes[axis];
    select.addEventListener("change", () => chart.use(axis, select.value));
  }
  byId("zoom-in").addEventListener("click", () => chart.zoom(1 / 1.5));
  byId("zoom-out").addEventListener("click", () => chart.zoom(1.5));
  byId("zoom-whole").addEventListener("click", () => chart.whole());
}
