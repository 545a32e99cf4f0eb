// Errors image by image: those that nobody gets right, rescued and spoiled ones, the most confident.

const MOST_ERRORS = 48; // at first, and more with every press

const ERROR_KINDS = {
  wrong: { text: "wrong for the chosen subset and every member", passes: (e) => !e.right && e.members === 0, order: (e) => -(e.confidence - e.truth), first: "those whose predicted class is furthest ahead of the true one" },
  rescued: { text: "rescued: right, though most members are wrong", passes: (e, m) => e.right && 2 * e.members < m, order: (e) => e.members, first: "those that the fewest members have right" },
  spoiled: { text: "spoiled: wrong, though most members are right", passes: (e, m) => !e.right && 2 * e.members > m, order: (e) => -e.members, first: "those that most members have right" },
  confident: { text: "the most confident errors", passes: (e) => !e.right, order: (e) => -e.confidence, first: "the most confident" },
};

function buildErrors(study, state) {
  const pick = byId("errors-kind");
  // Of one member alone an image is right or wrong, and there is one way to sort its errors.
  for (const [value, { text }] of Object.entries(ERROR_KINDS).slice(study.members.length > 1 ? 0 : -1)) pick.append(el("option", { value, text }));
  let most = MOST_ERRORS;
  const show = () => showErrors(study, state, pick.value, most);
  const anew = () => { most = MOST_ERRORS; show(); };
  pick.addEventListener("change", anew);
  byId("errors-more").addEventListener("click", () => { most += MOST_ERRORS; show(); });
  state.on("mask", anew);
  show();
}

/** Every sample as {sample, nth, right, members, confidence, truth}; nth: its picture, -1 for none, which has no confidence. */
function errorsOf(study, mask) {
  const { pictures } = study.data;
  const nth = new Map(pictures ? Array.from(pictures.samples, (sample, i) => [sample, i]) : []);
  const alone = study.members.map((_, i) => 2 ** i);
  const [place, width] = [study.place.get(mask), study.data.panels.masks.length];
  const found = [];
  for (let c = 0; c < study.classes; c += 1) {
    const [from, to] = study.samplesOf(c);
    for (let sample = from; sample < to; sample += 1) {
      const predicted = study.predicted(mask, sample);
      const members = alone.reduce((sum, one) => sum + (study.predicted(one, sample) === c), 0);
      const at = nth.has(sample) ? nth.get(sample) : -1;
      const [confidence, truth] = at < 0 ? [0, 0] : [pictures.confidence[at * width + place] / 60000, pictures.truth[at * width + place] / 60000];
      found.push({ sample, c, predicted, right: predicted === c, members, nth: at, confidence, truth });
    }
  }
  return found;
}

function showErrors(study, state, kind, most) {
  const { passes, order, first } = ERROR_KINDS[kind];
  const mask = study.shown(state.mask);
  const all = errorsOf(study, mask).filter((error) => passes(error, study.members.length));
  const carried = all.filter((error) => error.nth >= 0).sort((a, b) => order(a) - order(b) || a.sample - b.sample);
  const shown = carried.slice(0, most);
  byId("errors-words").textContent = errorWords(all.length, carried.length, shown.length, first, study);
  const left = carried.length - shown.length;
  byId("errors-more").hidden = left === 0;
  byId("errors-more").textContent = left > MOST_ERRORS ? `Show ${MOST_ERRORS} more of ${whole(left)}` : `Show the last ${whole(left)}`;
  fill(byId("errors-gallery"), ...shown.map((error) => {
    const figure = picture(study, error.c, error);
    const caption = figure.querySelector("figcaption");
    caption.append(el("small", { class: "name", text: study.data.pictures.ids[error.nth] }));
    caption.prepend(el("b", { class: "name", text: study.className(error.c) }), el("br"));
    if (study.members.length > 1) caption.append(el("small", { text: `${error.members} of ${study.members.length} members right` }));
    return figure;
  }));
}

function errorWords(all, carried, shown, first, study) {
  const of = study.counted < study.data.samples ? `the ${whole(study.counted)} that are counted here` : "the split";
  if (!all) return `No image of ${of} is of this kind.`;
  if (!study.data.pictures) return `${many(all, "image")} of ${of}; the page carries no images.`;
  const cut = shown < carried ? `, the first ${whole(shown)} of them below` : "";
  return `${many(all, "image")} of ${of}, ${whole(carried)} of them on this page${cut}${carried > 1 ? `; first ${first}` : ""}.`;
}
