// Every class: its recall with its interval, and what it is confused with.

class ClassTable {
  constructor(study, state) {
    Object.assign(this, { study, state, column: 1, rising: true });
    this.table = byId("class-table");
    this.search = byId("class-search");
    this.hardest = study.data.hardest;
    makeSortable(this.table, (column, rising) => { Object.assign(this, { column, rising }); this.order(); }, 1);
    this.search.addEventListener("input", () => this.order());
    state.on("mask", () => this.fill());
    state.on("class", () => this.markChosen());
    this.fill();
  }

  fill() {
    const alone = this.study.shown(this.state.mask) === this.study.everyone;
    this.table.classList.toggle("alone", alone);
    byId("to-all").hidden = alone;
    const mask = this.study.shown(this.state.mask);
    this.values = this.study.perClass(mask);
    const reference = mask === this.study.everyone ? null : this.study.perClass(this.study.everyone);
    this.rows = this.values.map((value) => classRow(this.study, this.state, value, reference && reference[value.c]));
    this.order();
    this.markChosen();
  }

  /** Put the rows that the search finds in order; classes without samples stand last. */
  order() {
    const wanted = fold(this.search.value);
    const { ids, names, also } = this.study.data.classes;
    const key = this.key();
    const shown = this.values.filter(({ c }) => fold(`${names[c]} ${also[c]} ${ids[c]}`).includes(wanted));
    shown.sort((a, b) => (b.samples > 0) - (a.samples > 0) || (this.rising ? 1 : -1) * key(a, b) || a.c - b.c);
    this.table.tBodies[0].replaceChildren(...shown.map(({ c }) => this.rows[c]));
    byId("class-count").textContent = wanted ? `${shown.length} of ${many(this.study.classes, "class", "classes")} found` : "";
  }

  key() {
    const { study } = this;
    const difference = (value) => Number(this.rows[value.c].dataset.difference);
    return [
      (a, b) => study.className(a.c).localeCompare(study.className(b.c), "en", { numeric: true }),
      (a, b) => a.accuracy - b.accuracy,
      (a, b) => a.correct - b.correct,
      (a, b) => difference(a) - difference(b),
      (a, b) => (a.confusedWith ? a.confusedWith.count : 0) - (b.confusedWith ? b.confusedWith.count : 0),
    ][this.column];
  }

  markChosen() {
    this.rows.forEach((row, c) => row.classList.toggle("current", c === this.state.class));
    for (const [c, row] of this.rows.entries()) {
      const button = row.querySelector("button");
      if (c === this.state.class) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
  }
}

/** Letters without case and accents, as one types them into a search. */
const fold = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().trim();

function classRow(study, state, value, reference) {
  const { c, samples, correct, accuracy, low, high, confusedWith } = value;
  const difference = reference && samples ? 100 * (accuracy - reference.accuracy) : 0;
  const name = el("button", { type: "button", class: "link name", "data-peek": c, text: study.className(c), click: () => { state.first = null; openClass(study, state, c); } });
  const id = study.data.classes.ids[c];
  const label = el("span", { class: "label" }, name,
    id === study.className(c) ? null : el("small", { class: "name", text: id }));
  const head = el("th", { scope: "row" }, el("div", {}, thumbnail(study, c), label));
  const row = el("tr", { "data-class": c, "data-difference": difference }, head);
  if (!samples) row.append(el("td", { colspan: 4, class: "none", text: "no images on this split" }));
  else {
    row.append(
      el("td", { class: "accuracy" }, shareBar(accuracy, low, high), el("div", {},
        el("span", { text: shareText(accuracy, 0) }), el("small", { text: range(low, high, 0) }))),
      el("td", { text: `${correct}/${samples}` }),
      el("td", { text: reference ? signed(difference, 0) : "–", class: difference > 0 ? "better" : difference < 0 ? "worse" : "" }),
      el("td", { class: "name confused-with", "data-peek": confusedWith && confusedWith.c, text: confusedWith ? `${study.className(confusedWith.c)} (${confusedWith.count})` : "–" }),
    );
  }
  return row;
}

/** A bar up to the share, and a line over its interval. */
function shareBar(share, low, high) {
  const bar = el("span", { class: "bar", "aria-hidden": "true" }, el("i"), el("b"));
  bar.firstChild.style.width = `${100 * share}%`;
  bar.lastChild.style.left = `${100 * low}%`;
  bar.lastChild.style.width = `${100 * (high - low)}%`;
  return bar;
}

function thumbnail(study, c) {
  const { pictures } = study.data;
  if (!pictures) return null;
  const nth = pictures.thumbnails[c];
  if (nth < 0) return el("span", { class: "thumbnail" });
  return el("img", { class: "thumbnail", "data-peek": c, src: pictures.files[pictures.file[nth]], alt: "" });
}

/** Show a class and go there. */
function openClass(study, state, c) {
  state.chooseClass(c);
  const title = byId("class-title");
  title.focus({ preventScroll: true });
  const box = byId("class-panel").getBoundingClientRect();
  if (box.top < 0 || box.top > window.innerHeight * 0.7) byId("class-panel").scrollIntoView({ block: "start" });
}
