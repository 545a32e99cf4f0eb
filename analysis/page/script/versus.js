// Two subsets side by side: one that was pinned, and the chosen one.

function buildVersus(study, state) {
  byId("pin").addEventListener("click", () => state.pin(state.pinned === state.mask ? null : state.mask));
  byId("unpin").addEventListener("click", () => state.pin(null));
  const show = () => showVersus(study, state);
  state.on(["mask", "pin"], show);
  show();
}

function showVersus(study, state) {
  const { mask, pinned } = state;
  byId("pin").textContent = pinned === mask ? "Unpin" : "Pin to compare";
  byId("versus").hidden = pinned === null || pinned === mask;
  if (byId("versus").hidden) return;
  const scores = study.metrics.map((name) => versusRow(study, name, mask, pinned));
  byId("versus-rows").replaceChildren(...scores);
  byId("versus-chosen").textContent = study.title(mask);
  byId("versus-pinned").textContent = study.title(pinned);
  const both = study.place.has(mask) && study.place.has(pinned);
  const found = both ? flips(study, mask, pinned) : null;
  byId("versus-words").textContent = found ? versusWords(study, found) : "Which images they differ on is not on the page: of so many subsets it carries only some in full.";
  const changes = found ? classChanges(study, mask, pinned) : [];
  const list = (rows) => rows.slice(0, 6).map(({ c, change }) => el("li", {}, el("button", { type: "button", class: "link name", "data-peek": c, text: study.className(c), click: () => openClass(study, state, c) }),
    el("span", { class: "count", text: `${signed(change, 0)} ${Math.abs(change) === 1 ? "image" : "images"}` })));
  fill(byId("versus-gained"), ...none(list(changes.filter(({ change }) => change > 0))));
  fill(byId("versus-lost"), ...none(list(changes.filter(({ change }) => change < 0).reverse())));
}

const none = (rows) => (rows.length ? rows : [el("li", { class: "none", text: "none" })]);

function versusRow(study, name, mask, pinned) {
  const [one, other] = [study.score(mask, name), study.score(pinned, name)];
  const { text, unit, higher } = METRICS[name];
  const difference = unit === "%" ? `${signed(100 * (one - other), 2)} points`
    : name === "cost" ? `${one === other ? "±" : one > other ? "+" : "−"}${costText(Math.abs(one - other))}` : signed(one - other, 4);
  const better = one === other ? "" : (one > other) === higher ? "better" : "worse";
  return el("tr", {}, el("th", { scope: "row", text: METRICS[name].name }), el("td", { text: text(one) }), el("td", { text: text(other) }),
    el("td", { text: difference, class: better }));
}

/** On how many samples only the one, and only the other, is right, and on how many they predict differently. */
function flips(study, mask, pinned) {
  const found = { won: 0, lost: 0, differ: 0 };
  for (let c = 0; c < study.classes; c += 1) {
    const [from, to] = study.samplesOf(c);
    for (let sample = from; sample < to; sample += 1) {
      const [one, other] = [study.predicted(mask, sample), study.predicted(pinned, sample)];
      found.differ += one !== other;
      found.won += one === c && other !== c;
      found.lost += other === c && one !== c;
    }
  }
  return found;
}

/** Each class with how many more of its images the one has right, the most first; those without a change left out. */
function classChanges(study, mask, pinned) {
  const [one, other] = [study.perClass(mask), study.perClass(pinned)];
  return one.map(({ c, correct }) => ({ c, change: correct - other[c].correct })).filter(({ change }) => change)
    .sort((a, b) => b.change - a.change || a.c - b.c);
}

function versusWords(study, { won, lost, differ }) {
  const [samples, z] = [study.counted, study.data.z];
  const [low, high] = tango(won, lost, samples, z);
  const points = (share) => signed(100 * share, 2);
  const chance = low <= 0 && high >= 0 ? " That may be chance." : "";
  return `They predict differently on ${many(differ, "image")}: ${whole(won)} only the chosen one has right, ${whole(lost)} only the pinned one. `
    + `Difference in accuracy ${points((won - lost) / samples)} points, 95\u00a0% interval ${points(low)} to ${points(high)}.${chance} `
    + "The interval holds for two subsets that were named before their scores were seen.";
}

/** Tango's score interval of (won - lost) / n; see analysis/statistics.py. */
function tango(won, lost, n, z) {
  return [tangoEnd(won, lost, n, z), -tangoEnd(lost, won, n, z)];
}

function tangoEnd(won, lost, n, z) {
  const statistic = (d) => {
    const b = (2 * n - won + lost) * d - won - lost;
    const c = -lost * d * (1 - d);
    const q = (Math.sqrt(Math.max(b * b - 8 * n * c, 0)) - b) / (4 * n);
    const spread = n * (2 * q + d * (1 - d));
    const above = won - lost - n * d;
    return spread > 0 ? above / Math.sqrt(spread) : above ? Infinity * above : 0;
  };
  let [low, high] = [-1, (won - lost) / n];
  for (let i = 0; i < 60; i += 1) {
    const middle = (low + high) / 2;
    if (statistic(middle) > z) low = middle;
    else high = middle;
  }
  return low;
}
