// One class: its images with what is predicted of them, and what it is confused with.

function buildClass(study, state) {
  const show = () => {
    if (state.class === null) state.class = hardestOf(study, state);
    showClass(study, state);
  };
  state.on(["class", "mask"], show);
  show();
}

function hardestOf(study, state) {
  const seen = study.perClass(study.shown(state.mask)).filter((value) => value.samples);
  return seen.reduce((worst, value) => (value.accuracy < worst.accuracy ? value : worst)).c;
}

function showClass(study, state) {
  const c = state.class;
  const mask = study.shown(state.mask);
  const value = study.perClass(mask)[c];
  byId("class-title").textContent = study.className(c);
  const id = study.data.classes.ids[c];
  byId("class-id").textContent = [id === study.className(c) ? "" : id, study.data.classes.also[c]].filter(Boolean).join(" · ");
  byId("class-words").textContent = classWords(study, value, c);
  byId("class-predicted").replaceChildren(...answerList(study, state, study.answers(mask, c), value.samples, c));
  byId("class-mistaken").replaceChildren(...answerList(study, state, study.predictedAs(mask, c), null, c));
  showCurves(study, mask, c);
  byId("gallery-title").hidden = byId("class-gallery").hidden = !study.data.pictures;
  byId("class-gallery").replaceChildren(...gallery(study, mask, c, state.first));
}

function classWords(study, value, c) {
  if (!value.samples) return "No image of this class is in the split.";
  const { hardest } = study.data;
  const right = `${value.correct} of ${value.samples} right, ${shareText(value.accuracy, 0)} (95\u00a0% interval ${range(value.low, value.high, 0)}).`;
  const share = hardest ? hardest.share[c] : 0;
  if (!hardest || share < 0.05) return right;
  return `${right} ${study.members.length > 1 ? "For all members together it" : "It"} is ${hardest.k > 1 ? `among the ${hardest.k} hardest` : "the hardest"} with a probability of ${shareText(share, 0)}.`;
}

const MOST_ANSWERS = 8;

/** Classes with bars of how often they were predicted. */
function answerList(study, state, answers, samples, own) {
  if (!answers.length) return [el("li", { class: "none", text: "none" })];
  const most = Math.max(...answers.map((answer) => answer.count));
  const rows = answers.slice(0, MOST_ANSWERS).map(({ c, count }) => {
    const bar = el("span", { class: "count-bar", "aria-hidden": "true" });
    bar.style.width = `${(100 * count) / most}%`;
    const label = c === own ? el("span", { class: "name", text: `${study.className(c)} (right)` })
      : el("button", { type: "button", class: "link name", "data-peek": c, text: study.className(c), click: () => openClass(study, state, c) });
    return el("li", { class: c === own ? "right" : "" }, label,
      el("span", { class: "count", text: samples ? `${count} of ${samples}` : count }), bar);
  });
  const rest = answers.slice(MOST_ANSWERS);
  const left = rest.reduce((sum, answer) => sum + answer.count, 0);
  if (rest.length) rows.push(el("li", { class: "none", text: `${many(rest.length, "further class", "further classes")}, ${many(left, "image")}${rest.length > 1 ? " together" : ""}` }));
  return rows;
}

/** The images of a class that the page carries, right ones first, but before them those predicted as `first`. */
function gallery(study, mask, c, first) {
  const { pictures } = study.data;
  if (!pictures) return [];
  const [from, to] = study.samplesOf(c);
  const shown = [];
  pictures.samples.forEach((sample, nth) => { if (sample >= from && sample < to) shown.push(nth); });
  const place = study.place.get(mask);
  const width = study.data.panels.masks.length;
  const figures = shown.map((nth) => ({ nth, predicted: study.predicted(mask, pictures.samples[nth]),
    confidence: pictures.confidence[nth * width + place] / 60000, truth: pictures.truth[nth * width + place] / 60000 }));
  figures.sort((a, b) => (b.predicted === first) - (a.predicted === first) || (b.predicted === c) - (a.predicted === c) || b.truth - a.truth);
  return figures.length ? figures.map((figure) => picture(study, c, figure)) : [el("p", { class: "none", text: "No image." })];
}

function picture(study, c, { nth, predicted, confidence, truth }) {
  const { pictures } = study.data;
  const right = predicted === c;
  const words = right ? shareText(confidence, 0) : `${study.className(predicted)} ${shareText(confidence, 0)}`;
  const alt = `${study.className(c)}, image ${pictures.ids[nth]}`;
  const image = el("img", { src: pictures.files[pictures.file[nth]], alt, title: pictures.ids[nth], width: pictures.width,
    height: pictures.height, class: pictures.width < 48 ? "crisp" : "" });
  return el("figure", { class: right ? "right" : "wrong" }, image, el("figcaption", {},
    el("span", { class: "verdict", text: right ? "✓ right" : "✕ predicted" }), " ", el("span", { class: "name", text: words }),
    right ? null : el("small", { text: `truth ${shareText(truth, 0)}` })));
}
