// The confusion matrix of the chosen subset: rows are true classes, columns predicted ones; a cell leads to its images.

const MOST_CONFUSED = 40; // classes that are shown at first where there are more than BY_THEMSELVES
const BY_THEMSELVES = 60;
const NARROWEST = 9; // pixels of a cell where classes are named: on a small screen the matrix scrolls

class Matrix {
  constructor(study, state) {
    Object.assign(this, { study, state, at: null });
    this.canvas = byId("matrix");
    this.pick = byId("matrix-classes");
    for (const { value, text } of matrixGroups(study)) this.pick.append(el("option", { value, text }));
    this.pick.addEventListener("change", () => this.fill());
    this.pick.parentElement.hidden = this.pick.options.length < 2;
    this.redraw = once(() => this.draw());
    state.on("mask", () => this.fill());
    this.canvas.addEventListener("pointermove", (event) => this.point(this.cellOf(event)));
    this.canvas.addEventListener("pointerleave", () => this.point(null));
    this.canvas.addEventListener("click", (event) => { this.point(this.cellOf(event)); this.open(); });
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.redraw()).observe(this.canvas.parentElement);
    this.fill();
  }

  /** The counts of the classes to show; the others stand together, as one more, at the end. */
  fill() {
    const { study } = this;
    this.whole = confusionOf(study, study.shown(this.state.mask));
    this.shown = matrixClasses(study, this.whole, this.pick.value);
    this.cells = foldedCounts(this.whole, this.shown, study.classes);
    this.point(null);
    this.redraw();
  }

  name(i) {
    return i < this.shown.length ? this.study.className(this.shown[i]) : `${this.study.classes - this.shown.length} others`;
  }

  draw() {
    const n = this.cells.length;
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.parentElement.getBoundingClientRect().width;
    if (!width) return;
    const named = n <= BY_THEMSELVES + 1;
    const context = this.canvas.getContext("2d");
    const font = (size) => { context.font = `${size * ratio}px ${colour("sans")}`; };
    font(11);
    const longest = named ? Math.min(width * 0.26, Math.max(...Array.from({ length: n }, (_, i) => context.measureText(this.name(i)).width / ratio)) + 8) : 8;
    const side = Math.max(Math.min(width - longest - 2, 720), named ? NARROWEST * n : 0);
    this.left = longest;
    this.cell = side / n;
    const turned = longest > this.cell; // the columns' names, where they are wider than a column
    const head = !named || this.cell <= 6 ? 0 : turned ? Math.min(longest, 110) : 20;
    this.head = head;
    Object.assign(this.canvas.dataset, { left: longest, head, cell: this.cell });
    [this.canvas.style.width, this.canvas.style.height] = [`${longest + side + 2}px`, `${head + side + 2}px`];
    [this.canvas.width, this.canvas.height] = [Math.round((longest + side + 2) * ratio), Math.round((head + side + 2) * ratio)];
    context.translate(0, head * ratio);
    const step = this.cell * ratio;
    const most = this.largestRate();
    const paper = channels(colour("card"));
    const inks = [channels(colour("soft")), channels(colour("point"))];
    this.grounds = this.cells.map((row) => row.map(() => paper));
    for (let i = 0; i < n; i += 1) {
      const samples = this.cells[i].reduce((a, b) => a + b, 0);
      for (let j = 0; j < n; j += 1) {
        const count = this.cells[i][j];
        const corner = i === n - 1 && j === n - 1 && n > this.shown.length;
        if (corner) this.hatch(context, longest * ratio + j * step, i * step, step, ratio);
        if (!count || corner) continue;
        const strength = i === j ? 0.12 + (0.5 * count) / samples : 0.18 + 0.82 * Math.sqrt(count / samples / most);
        const ground = paper.map((value, c) => Math.round(value + strength * (inks[+(i !== j)][c] - value)));
        this.grounds[i][j] = ground;
        context.fillStyle = `rgb(${ground.join(" ")})`;
        context.fillRect(longest * ratio + j * step, i * step, Math.ceil(step), Math.ceil(step));
      }
    }
    context.strokeStyle = colour("line");
    context.lineWidth = ratio;
    context.strokeRect(longest * ratio, 0.5, side * ratio, side * ratio);
    context.fillStyle = colour("ink");
    context.textBaseline = "middle";
    context.textAlign = "right";
    font(Math.min(11, this.cell * 0.85));
    if (named && this.cell > 6) for (let i = 0; i < n; i += 1) context.fillText(fitted(context, this.name(i), (longest - 6) * ratio), (longest - 5) * ratio, (i + 0.5) * step);
    if (head) this.writeColumns(context, step, ratio, turned);
    if (n <= 20) this.writeCounts(context, step, ratio);
    if (this.at) this.frame(context, step, ratio);
  }

  /** What all others are predicted as among themselves is not shown: hatched, since white means none. */
  hatch(context, x, y, step, ratio) {
    context.save();
    context.beginPath();
    context.rect(x, y, step, step);
    context.clip();
    context.fillStyle = colour("wash");
    context.fillRect(x, y, step, step);
    context.strokeStyle = colour("soft");
    context.lineWidth = ratio;
    context.beginPath();
    for (let at = -step; at < step; at += 4 * ratio) {
      context.moveTo(x + at, y + step);
      context.lineTo(x + at + step, y);
    }
    context.stroke();
    context.restore();
  }

  largestRate() {
    let most = 1e-9;
    this.cells.forEach((row, i) => {
      const samples = row.reduce((a, b) => a + b, 0);
      row.forEach((count, j) => { if (i !== j && samples) most = Math.max(most, count / samples); });
    });
    return most;
  }

  writeCounts(context, step, ratio) {
    context.textAlign = "center";
    context.font = `${Math.min(12, this.cell * 0.42) * ratio}px ${colour("sans")}`;
    const texts = ["ink", "card"].map((name) => ({ fill: colour(name), light: luminance(channels(colour(name))) }));
    this.cells.forEach((row, i) => row.forEach((count, j) => {
      const light = luminance(this.grounds[i][j]);
      context.fillStyle = texts.reduce((a, b) => (contrast(b.light, light) > contrast(a.light, light) ? b : a)).fill;
      if (count) context.fillText(whole(count), this.left * ratio + (j + 0.5) * step, (i + 0.5) * step);
    }));
  }

  /** The names of the columns, above them. */
  writeColumns(context, step, ratio, turned) {
    for (let j = 0; j < this.cells.length; j += 1) {
      context.save();
      context.translate(this.left * ratio + (j + 0.5) * step, -5 * ratio);
      if (turned) context.rotate(-Math.PI / 2);
      context.textAlign = turned ? "left" : "center";
      context.textBaseline = turned ? "middle" : "bottom";
      context.fillText(turned ? fitted(context, this.name(j), (this.head - 6) * ratio) : this.name(j), 0, 0);
      context.restore();
    }
  }

  frame(context, step, ratio) {
    const [i, j] = this.at;
    context.strokeStyle = colour("chosen");
    context.lineWidth = 2 * ratio;
    context.strokeRect(this.left * ratio + j * step, i * step, step, step);
  }

  cellOf(event) {
    const { left, top } = this.canvas.getBoundingClientRect();
    const [i, j] = [Math.floor((event.clientY - top - this.head) / this.cell), Math.floor((event.clientX - left - this.left) / this.cell)];
    const n = this.cells.length;
    return i >= 0 && j >= 0 && i < n && j < n ? [i, j] : null;
  }

  point(at) {
    if (String(at) === String(this.at)) return;
    this.at = at;
    fill(byId("matrix-words"), ...[...new Set(at || [])].map((i) => (i < this.shown.length ? thumbnail(this.study, this.shown[i]) : null)),
      at ? this.words(...at) : MATRIX_HINT);
    this.redraw();
  }

  /** What a cell says in a sentence. */
  words(i, j) {
    const samples = this.cells[i].reduce((a, b) => a + b, 0);
    const count = this.cells[i][j];
    if (i === this.shown.length && j === i) return `${this.name(i)}: not shown among themselves.`;
    if (!samples) return `${this.name(i)}: no images on this split.`;
    const what = i === j ? "predicted rightly" : `predicted as ${this.name(j)}`;
    return `${this.name(i)}: ${count} of ${samples} ${what} (${shareText(count / samples, 0)}).`;
  }

  /** Show the true class of the cell, its images predicted as the cell's column first. */
  open() {
    if (!this.at || this.at[0] >= this.shown.length) return;
    const [i, j] = this.at;
    this.state.first = i !== j && j < this.shown.length ? this.shown[j] : null;
    openClass(this.study, this.state, this.shown[i]);
  }

  key(event) {
    const arrow = ARROWS[event.key];
    const n = this.cells.length;
    if (arrow) {
      const [i, j] = this.at || [0, 0];
      this.point(this.at ? [Math.max(0, Math.min(n - 1, i + arrow[1])), Math.max(0, Math.min(n - 1, j + arrow[0]))] : [0, 0]);
      announce(this.words(...this.at));
    } else if (event.key === "Enter" || event.key === " ") this.open();
    else return;
    event.preventDefault();
  }
}

const MATRIX_HINT = "Point at a cell, or go to it with the arrows; a press shows the class and its images.";

/** What one can choose to see of many classes. */
function matrixGroups(study) {
  if (study.classes <= BY_THEMSELVES) return [{ value: "all", text: "all classes" }];
  const groups = study.data.groups.map(({ from, to, typical }, nth) => ({
    value: nth, text: `${to - from} classes round ${typical.map((c) => study.className(c)).join(", ")}` }));
  return [{ value: "most", text: `the ${MOST_CONFUSED} most confused` }, { value: "all", text: `all ${whole(study.classes)} classes` }, ...groups];
}

/** The classes of a choice, in the order in which those that are confused stand together. */
function matrixClasses(study, counts, choice) {
  const { order, groups } = study.data;
  if (choice === "all") return Array.from(order);
  if (choice !== "most") return Array.from(order.slice(groups[choice].from, groups[choice].to));
  const kept = new Set(mostConfused(counts, study.classes, MOST_CONFUSED));
  return Array.from(order).filter((c) => kept.has(c));
}

/** The classes of the pairs that are confused most, pair by pair: as `folded` of analysis/classes/confusion.py has it. */
function mostConfused(counts, classes, most) {
  const samples = Array.from({ length: classes }, (_, c) => counts.slice(c * classes, (c + 1) * classes).reduce((x, y) => x + y, 0));
  const pairs = [];
  for (let a = 0; a < classes; a += 1) {
    for (let b = a + 1; b < classes; b += 1) {
      const [there, back] = [counts[a * classes + b], counts[b * classes + a]];
      if (there + back) pairs.push({ both: there + back, rate: (there + back) / (samples[a] + samples[b]), low: a, high: b, own: back > there ? [b, a] : [a, b] });
    }
  }
  pairs.sort((x, y) => y.both - x.both || y.rate - x.rate || x.low - y.low || x.high - y.high);
  const rest = samples.map((_, c) => c).sort((x, y) => samples[y] - samples[x] || x - y);
  return [...new Set([...pairs.flatMap(({ own }) => own), ...rest])].slice(0, most);
}

/** How often each class (row) is predicted as each (column), Uint32Array (C * C). */
function confusionOf(study, mask) {
  const counts = new Uint32Array(study.classes ** 2);
  for (let c = 0; c < study.classes; c += 1) {
    const [from, to] = study.samplesOf(c);
    for (let sample = from; sample < to; sample += 1) counts[c * study.classes + study.predicted(mask, sample)] += 1;
  }
  return counts;
}

/** Rows of counts of some classes, all others together as one more where there are any. */
function foldedCounts(counts, shown, classes) {
  const place = new Int32Array(classes).fill(shown.length);
  shown.forEach((c, i) => { place[c] = i; });
  const n = shown.length + (shown.length < classes);
  const rows = Array.from({ length: n }, () => new Array(n).fill(0));
  for (let a = 0; a < classes; a += 1) for (let b = 0; b < classes; b += 1) rows[place[a]][place[b]] += counts[a * classes + b];
  return rows;
}

/** Text that fits into so many pixels, with an ellipsis where it is cut. */
function fitted(context, text, room) {
  if (context.measureText(text).width <= room) return text;
  let kept = text;
  while (kept.length > 1 && context.measureText(`${kept}…`).width > room) kept = kept.slice(0, -1);
  return `${kept}…`;
}

/** Text that fits into so many pixels, cut in its middle: names of members often differ in their last letters. */
function fittedMiddle(context, text, room) {
  for (let kept = text.length; kept > 2; kept -= 1) {
    const head = Math.floor(kept / 3);
    const short = kept === text.length ? text : `${text.slice(0, head)}…${text.slice(text.length - kept + head)}`;
    if (context.measureText(short).width <= room) return short;
  }
  return "…";
}
