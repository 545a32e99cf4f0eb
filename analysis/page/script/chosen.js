// The subset that was chosen: its members, its scores, and what they are worth.

function buildChosen(study, state) {
  const pick = byId("pick");
  for (const { value, text } of shortcuts(study)) pick.append(el("option", { value, text }));
  pick.addEventListener("change", () => { if (pick.value) state.choose(Number(pick.value)); });
  const boxes = study.members.map((name, i) => {
    const box = el("input", { type: "checkbox", value: i });
    box.addEventListener("change", () => toggle(study, state, i, box));
    byId("chosen-members").append(el("label", { class: "member-box" }, box, el("span", { class: "name", text: name })));
    return box;
  });
  const show = () => showChosen(study, state, pick, boxes);
  state.on("mask", () => { show(); announce(announcement(study, state.mask)); });
  show();
}

/** The subsets one asks for first. */
function shortcuts(study) {
  const found = [{ value: "", text: "one of your own" }, { value: study.everyone, text: "All members" }];
  const best = study.data.choices.find((choice) => choice.name === "best");
  if (best && best.mask !== null) found.push({ value: best.mask, text: "The best of all" });
  for (const { k, best: mask } of study.data.bySize) {
    if (k < study.members.length) found.push({ value: mask, text: k === 1 ? "The best member" : `The best ${k} members` });
  }
  return found;
}

/** Put a member in or take it out; the last one stays. */
function toggle(study, state, i, box) {
  const mask = (state.mask ^ (1 << i)) >>> 0; // of 32 members the last bit is no sign
  if (study.has(mask)) return state.choose(mask);
  box.checked = Boolean((state.mask >> i) & 1);
  if (mask) tellMissing(study, mask);
  return undefined;
}

/** Of very many subsets the page carries a sample; say how to ask for another one. */
function tellMissing(study, mask) {
  const members = study.names(mask).map((name) => ` --members ${name}`).join("");
  const text = `Of ${whole(study.data.points.all)} subsets this page carries ${whole(study.count)}, and not ${study.title(mask)}. Score it with: ens-combine --k ${bits(mask)}${members}`;
  byId("missing").hidden = false;
  byId("missing").textContent = text;
  announce(text);
}

function showChosen(study, state, pick, boxes) {
  const { mask } = state;
  byId("missing").hidden = true;
  fill(byId("chosen-title"), ...wholeNames(heading(study.title(mask))));
  pick.value = [...pick.options].some((option) => option.value === String(mask)) ? String(mask) : "";
  boxes.forEach((box, i) => { box.checked = Boolean((mask >> i) & 1); });
  byId("scores").replaceChildren(...scoreRows(study, mask));
  showHonest(study, mask);
  showWhose(study, mask);
}

/** A title in parts that break between names, and not inside one that has room. */
const wholeNames = (title) => title.split(/(?<= \+ )|(?<=, )/).map((part) => el("span", { class: "whole", text: part }));

/** A title at the head of the card: our words begin with a capital, members' names stay as they are. */
const heading = (title) => (title.startsWith("all ") ? capital(title) : title);
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

function scoreRows(study, mask) {
  const { samples, z } = study.data;
  const right = study.correct(mask);
  const alone = study.bestMember(mask);
  const gain = 100 * (study.score(mask, "accuracy") - study.score(alone, "accuracy"));
  const rows = [
    ["Accuracy", shareText(right / samples), `${whole(right)} of ${whole(samples)} right; 95\u00a0% interval ${range(...wilson(right, samples, z))}`],
    ...(study.metrics.includes("top5") ? [["Top-5 accuracy", shareText(study.score(mask, "top5")), "the truth is among the five likeliest"]] : []),
    ["NLL", METRICS.nll.text(study.score(mask, "nll")), "nats, lower is better"],
    ["Brier score", METRICS.brier.text(study.score(mask, "brier")), "0 to 2, lower is better"],
  ];
  if (METRICS.balanced_accuracy) {
    rows.push(["Balanced accuracy", shareText(study.score(mask, "balanced_accuracy")), "the mean recall of the classes"]);
  }
  if (METRICS.cost) rows.push(["Cost", costText(study.score(mask, "cost")), `sum of ${study.data.cost.of}`]);
  if (bits(mask) > 1) rows.push(["Gain", `${signed(gain)} points`, ["over its best member, ", el("span", { class: "whole name", text: study.names(alone)[0] })]]);
  return rows.map(([name, value, note]) => el("div", {}, el("dt", { text: name }),
    el("dd", {}, el("strong", { text: value, "data-score": name }), el("span", { class: "note" }, ...[].concat(note)))));
}

/** The honest score of what was chosen, or what its own score is worth. */
function showHonest(study, mask) {
  const { title, text, how } = verdict(study, mask);
  fill(
    byId("honest"),
    el("h4", { text: title }),
    el("p", { text }),
    how ? el("details", {}, el("summary", { text: "How it was estimated" }), el("p", { text: capital(how) })) : null,
  );
}

function verdict(study, mask) {
  const { choices, split } = study.data;
  const found = choices.filter((choice) => choice.mask === mask && choice.size !== study.members.length);
  const all = choices.find((choice) => choice.name === "all");
  if (mask === study.everyone) {
    return {
      title: `Honest score: ${shareText(all.score)} (${range(all.low, all.high)})`,
      text: `Nothing was chosen by its score here${study.members.length > 1 ? ": every member takes part" : ""}, so its accuracy is an honest one.${
        found.length ? " That it is also the best of all is a finding." : ""}`,
      how: all.how,
    };
  }
  if (!found.length) return unplanned(study, split);
  const choice = found[0];
  const whose = { best: `the most accurate of all ${whole(study.data.points.all)} subsets`, member: "the most accurate member",
    size: `the most accurate of those with ${choice.size} members` }[choice.name];
  if (choice.score === null) {
    return { title: "No honest score", text: `This is ${whose}, chosen and scored on ${split}, which is likely to flatter it.`, how: choice.how };
  }
  return {
    title: `Honest score: ${shareText(choice.score)} (${range(choice.low, choice.high)})`,
    text: `This is ${whose}, chosen on the same images that score it: ${flattery(choice)}`,
    how: choice.how,
  };
}

function flattery(choice) {
  const lost = 100 * (choice.apparent - choice.score);
  if (lost < 0.05) return `its honest score is no lower than the ${shareText(choice.apparent)} it has here.`;
  const redo = "the same choice made again on a part of the images, and scored on the others";
  const found = `${shareText(choice.apparent)} here, ${shareText(choice.score)} by ${redo}`;
  return `${found}, ${signed(-lost)} points. Expect about the latter on new images.`;
}

function unplanned(study, split) {
  const best = study.data.choices.find((choice) => choice.name === "best" && choice.score !== null);
  const lost = best ? ` Taking the best of all, ${shareText(best.apparent)} here, is worth ${shareText(best.score)} on images it was not chosen on.` : "";
  return {
    title: "Did you choose it for its score?",
    text: `Then its score is likely to flatter it, as it was chosen and scored on ${split}. If you named it before you saw any score, its accuracy is honest as it stands.${lost}`,
    how: null,
  };
}

/** Say whose decisions the panels below show. */
function showWhose(study, mask) {
  const shown = study.shown(mask);
  const own = shown === mask;
  for (const place of document.querySelectorAll(".subset-name")) {
    place.textContent = own ? study.title(mask) : `the best ${bits(mask)} members (${study.title(shown)})`;
  }
  const note = byId("carried");
  note.hidden = own;
  note.textContent = own ? "" : "With so many members the page carries the classes of single members, of the best of each size and of all. "
    + `Below are those of the best ${bits(mask)} members; for this subset run: ens-report per-class ${study.names(mask).map((name) => `--member ${name}`).join(" ")}`;
}

function announcement(study, mask) {
  return `Chosen: ${study.title(mask)}, ${shareText(study.score(mask, "accuracy"))} right.`;
}
