// The chart of every subset: where its points lie, what part of it is seen, which of them is pointed at.

const AXES = ["size", "accuracy", "top5", "nll", "brier"];
const SPREAD = 0.62; // of the distance between two sizes, over which subsets of one size are set apart
const REACH = 24; // pixels around the pointer in which a point is looked for

class Scatter {
  constructor(study, state) {
    Object.assign(this, { study, state, axes: { x: "size", y: "accuracy" }, pointed: -1 });
    this.points = byId("points");
    this.marks = byId("marks");
    this.points.getContext("2d", { willReadFrequently: study.count > FEW }); // the cloud is blended with what is there
    this.jitter = jitter(study.sizes);
    this.cost = METRICS.cost && costScale(study.costs);
    this.few = fewOfTheirSize(study.sizes);
    this.redraw = once(() => this.draw());
    this.remark = once(() => this.mark());
    this.measure();
    new ResizeObserver(() => this.resize()).observe(byId("chart"));
    state.on("filter", () => { this.point(-1); this.redraw(); });
    state.on("mask", this.remark);
  }

  /** Take the axes' values and show all of them. */
  measure() {
    this.values = { x: this.valuesOf("x"), y: this.valuesOf("y") };
    this.home = { x: this.domain("x"), y: this.domain("y") };
    this.view = { x: [...this.home.x], y: [...this.home.y] };
    this.redraw();
  }

  valuesOf(axis) {
    const metric = this.axes[axis];
    const found = new Float64Array(this.study.count);
    if (metric === "size") {
      for (let i = 0; i < found.length; i += 1) found[i] = this.study.sizes[i] + SPREAD * this.jitter[i];
      return found;
    }
    const score = this.study.column(metric);
    for (let i = 0; i < found.length; i += 1) found[i] = metric === "cost" ? this.cost.at(score(i)) : score(i);
    return found;
  }

  domain(axis) {
    if (this.axes[axis] !== "size") return airy([...this.honestEnds(axis), ...this.stripEnds(axis)], this.values[axis]);
    const high = this.study.members.length + 0.55;
    const part = this.roomForNames();
    return [Math.min(0.45, (1 - part * high) / (1 - part)), high];
  }

  /** Whether the front of accuracy against cost is drawn. */
  fronted() {
    return this.axes.x === "cost" && this.axes.y === "accuracy" && !this.filtered();
  }

  /** How many of all subsets have which score, where not all are points. */
  strips() {
    return this.axes.x === "size" && this.study.data.points.strips[this.axes.y];
  }

  /** The ends of what the bands behind the points reach. */
  stripEnds(axis) {
    return axis === "y" && this.strips() ? [this.strips().low, this.strips().high] : [];
  }

  /** The ends of the honest scores' intervals along the front, which are seen in full. */
  honestEnds(axis) {
    const front = axis === "y" && this.axes.x === "cost" && this.axes.y === "accuracy" ? this.study.data.cost.front : [];
    return front.flatMap(({ honest, low, high }) => (honest === null ? [] : [low, high]));
  }

  /** Whether the names of single members stand beside their points. */
  named() {
    return this.axes.x === "size" && this.study.members.length > 1;
  }

  /** The part of the width that the names of single members take, left of their points. */
  roomForNames() {
    if (!this.box || !this.named()) return 0;
    const context = this.points.getContext("2d");
    context.font = `11px ${colour("sans")}`;
    const longest = Math.max(...this.study.members.map((name) => context.measureText(name).width));
    return Math.min(0.3, (longest + 18) / (this.box.right - this.box.left));
  }

  use(axis, metric) {
    this.axes[axis] = metric;
    this.point(-1);
    this.measure();
    this.resize();
  }

  resize() {
    const { width, height } = byId("chart").getBoundingClientRect();
    this.ratio = window.devicePixelRatio || 1;
    this.size = { width, height };
    for (const canvas of [this.points, this.marks]) {
      canvas.width = Math.round(width * this.ratio);
      canvas.height = Math.round(height * this.ratio);
    }
    const whole = !this.zoomed;
    this.box = { left: 46, right: width - 10, top: 26, bottom: height - 48 };
    this.home.x = this.domain("x");
    this.view.x = whole ? [...this.home.x] : held(this.view.x, this.home.x);
    this.draw();
  }

  /** Everything anew: after a filter, a zoom, another axis, another width. */
  draw() {
    // While the page is laid out the chart may have no width yet.
    if (!this.size || this.box.right <= this.box.left || this.box.bottom <= this.box.top) return;
    this.x = new Scale(...this.view.x, this.box.left, this.box.right);
    this.y = new Scale(...this.view.y, this.box.bottom, this.box.top);
    this.place();
    const context = this.points.getContext("2d");
    context.clearRect(0, 0, this.points.width, this.points.height);
    paintAxes(context, this);
    this.within(context, () => {
      if (this.strips() && !this.filtered()) paintStrips(context, this, this.strips());
      paintPoints(context, this);
      if (this.axes.x === "size" && this.axes.y === "accuracy" && !this.filtered()) paintMeans(context, this);
      if (this.fronted()) paintFront(context, this);
      paintStar(context, this);
    });
    this.tellLegend();
    this.grid = null;
    // Sorted while nobody waits, so that the first point is found as fast as the others.
    clearTimeout(this.sorting);
    this.sorting = setTimeout(() => this.nearest(0, 0), 60);
    this.mark();
  }

  /** The legend names what is there to see. */
  tellLegend() {
    const there = (row) => row !== undefined && inside(this.box, this.xs[row], this.ys[row]);
    byId("legend-mean").hidden = !(this.axes.x === "size" && this.axes.y === "accuracy" && !this.filtered());
    byId("legend-strip").hidden = !this.strips() || this.filtered();
    byId("legend-front").hidden = byId("legend-honest").hidden = !this.fronted();
    byId("legend-star").hidden = !there(this.study.row(this.study.best));
    byId("legend-ring").hidden = !there(this.study.row(this.state.mask));
  }

  /** Draw within the axes only. */
  within(context, work) {
    const { box, ratio } = this;
    context.save();
    context.beginPath();
    context.rect(box.left * ratio, (box.top - 4) * ratio, (box.right - box.left) * ratio, (box.bottom - box.top + 8) * ratio);
    context.clip();
    work();
    context.restore();
  }

  filtered() {
    const { must, not, low, high } = this.state.filter;
    return must || not || low > 1 || high < this.study.members.length;
  }

  /** Each point's pixels; NaN for one that the filter leaves out. */
  place() {
    const { count, masks, sizes } = this.study;
    this.xs = new Float32Array(count);
    this.ys = new Float32Array(count);
    this.visible = 0;
    for (let i = 0; i < count; i += 1) {
      const passes = this.state.passes(masks[i], sizes[i]);
      this.xs[i] = passes ? this.x.pixel(this.values.x[i]) : NaN;
      this.ys[i] = passes ? this.y.pixel(this.values.y[i]) : NaN;
      this.visible += passes;
    }
  }

  /** The upper canvas: the best, the chosen one and the one that is pointed at. */
  mark() {
    if (!this.xs) return;
    const context = this.marks.getContext("2d");
    context.clearRect(0, 0, this.marks.width, this.marks.height);
    this.tellLegend();
    paintNames(context, this);
    paintRing(context, this, this.study.row(this.state.mask), "chosen", 6.5);
    if (this.pointed >= 0) paintRing(context, this, this.pointed, "ink", 5);
  }

  /** The row nearest to a place on the canvas, or -1. The cells are sorted when they are first needed. */
  nearest(x, y, reach = REACH) {
    if (!this.grid) this.grid = new Grid(this.xs, this.ys, this.size.width, this.size.height);
    return this.grid.nearest(x, y, reach);
  }

  /** Point at a row; -1 at none. */
  point(row) {
    if (row === this.pointed) return;
    this.pointed = row;
    showTip(this, row);
    this.remark();
  }

  choosePointed() {
    if (this.pointed >= 0) this.state.choose(this.study.masks[this.pointed]);
  }

  /** Make what is seen `factor` times as wide, around a place on the canvas that stays where it is. */
  zoom(factor, atX = (this.box.left + this.box.right) / 2, atY = (this.box.top + this.box.bottom) / 2) {
    this.view.x = held(stretched(this.view.x, this.x.value(atX), factor), this.home.x);
    this.view.y = held(stretched(this.view.y, this.y.value(atY), factor), this.home.y);
    this.point(-1);
    this.redraw();
  }

  /** Move what is seen by pixels. */
  pan(byX, byY) {
    const move = (view, scale, by) => view.map((value) => value - by * (scale.value(1) - scale.value(0)));
    this.view.x = held(move(this.view.x, this.x, byX), this.home.x);
    this.view.y = held(move(this.view.y, this.y, byY), this.home.y);
    this.point(-1);
    this.redraw();
  }

  whole() {
    this.view = { x: [...this.home.x], y: [...this.home.y] };
    this.redraw();
  }

  get zoomed() {
    return this.view.x[1] - this.view.x[0] < (this.home.x[1] - this.home.x[0]) * 0.999;
  }

  ticks(axis) {
    const scale = this[axis];
    const metric = this.axes[axis];
    const factor = METRICS[metric]?.unit === "%" ? 100 : 1;
    const most = axis === "x" ? Math.max(2, Math.floor(this.size.width / 80)) : Math.max(3, Math.floor(this.size.height / 56));
    if (metric === "cost" && this.cost.log) return logTicks(scale.low, scale.high, most);
    const { values, digits } = new Scale(scale.low * factor, scale.high * factor, 0, 1).ticks(metric === "size" ? 21 : most);
    const shown = metric === "size" ? values.filter((v) => Number.isInteger(v) && v >= 1) : values;
    return shown.map((value) => ({ value: value / factor, text: metric === "cost" ? costText(Number(value.toFixed(digits))) : value.toFixed(metric === "size" ? 0 : digits) }));
  }

  axisTitle(axis) {
    const metric = METRICS[this.axes[axis]];
    if (!metric) return "Members averaged, k";
    if (metric === METRICS.cost) return `Cost: sum of ${this.study.data.cost.of}`;
    const unit = metric.unit ? ` (${metric.unit})` : "";
    const better = metric.higher ? "" : ", lower is better";
    return `${metric.name}${unit}${better}`;
  }
}

/** Where each subset stands beside its size, in -0.5..0.5: as `jitter` of analysis/figures/curve.py has it. */
function jitter(sizes) {
  const counts = new Uint32Array(256);
  for (const size of sizes) counts[size] += 1;
  const seen = new Uint32Array(256);
  return Float32Array.from(sizes, (k) => {
    if (k === 1 || counts[k] === 1) return 0;
    const nth = seen[k];
    seen[k] += 1;
    return ((0.5 + nth * 0.6180339887498949) % 1) - 0.5;
  });
}

/** 1 for each subset of a size that has few. */
function fewOfTheirSize(sizes) {
  const counts = new Uint32Array(256);
  for (const size of sizes) counts[size] += 1;
  return Uint8Array.from(sizes, (k) => counts[k] <= ALONE);
}

const stretched = ([low, high], fixed, factor) => [fixed + (low - fixed) * factor, fixed + (high - fixed) * factor];

/** A part of `home`: no wider than it, and not outside of it. */
function held([low, high], home) {
  const width = Math.max(Math.min(high - low, home[1] - home[0]), (home[1] - home[0]) / 400);
  const from = Math.min(Math.max(low, home[0]), home[1] - width);
  return [from, from + width];
}
