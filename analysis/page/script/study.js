// What was measured: scores of every subset, decisions of those with panels.

const METRICS = {
  accuracy: { name: "Accuracy", unit: "%", text: (v) => percent(v, 1), higher: true },
  top5: { name: "Top-5 accuracy", unit: "%", text: (v) => percent(v, 1), higher: true },
  nll: { name: "Negative log-likelihood", unit: "nats", text: (v) => fixed(v, 4), higher: false },
  brier: { name: "Brier score", unit: "", text: (v) => fixed(v, 4), higher: false },
};

const COST = { name: "Cost", unit: "", text: (v) => costText(v), higher: false };
const BALANCED = { name: "Balanced accuracy", unit: "%", text: (v) => percent(v, 1), higher: true };

class Study {
  constructor(data) {
    this.data = data;
    // Where every class has as many samples it is the accuracy itself, and not carried.
    if (data.points.balanced_accuracy) METRICS.balanced_accuracy = BALANCED;
    if (data.cost && data.members.length > 1) METRICS.cost = COST;
    this.members = data.members;
    this.everyone = 2 ** data.members.length - 1;
    this.classes = data.classes.ids.length;
    this.count = data.points.correct.length;
    this.masks = data.points.masks || Uint32Array.from({ length: this.count }, (_, i) => i + 1);
    this.sizes = Uint8Array.from(this.masks, bits);
    this.rows = data.points.masks ? new Map(Array.from(this.masks, (mask, row) => [mask, row])) : null;
    this.best = data.best;
    this.metrics = Object.keys(METRICS).filter((name) => name !== "top5" || this.classes > 5);
    this.costs = METRICS.cost && Float64Array.from(this.masks, (mask) => sumOf(data.cost.members, mask));
    this.counted = data.classes.starts[this.classes]; // samples whose decisions are carried: all, or of very many some
    this.place = new Map(data.panels.masks.map((mask, i) => [mask, i]));
  }

  /** The row of a subset among the points; undefined where it is not carried. */
  row(mask) {
    return this.rows ? this.rows.get(mask) : mask - 1;
  }

  has(mask) {
    return mask > 0 && mask <= this.everyone && this.row(mask) !== undefined;
  }

  /** A score of a subset, as it was computed where it has panels. */
  score(mask, metric) {
    const { exact } = this.data.points;
    if (mask in exact && (metric === "nll" || metric === "brier")) return exact[mask][metric === "nll" ? 0 : 1];
    return this.column(metric)(this.row(mask));
  }

  /** A function from a row to its score. */
  column(metric) {
    if (metric === "cost") return (row) => this.costs[row];
    const values = this.data.points[metric === "accuracy" ? "correct" : metric];
    if (metric === "accuracy" || metric === "top5") return (row) => values[row] / this.data.samples;
    return (row) => values[row];
  }

  correct(mask) {
    return this.data.points.correct[this.row(mask)];
  }

  names(mask) {
    return this.members.filter((_, i) => (mask >> i) & 1);
  }

  /** A subset in short, as `name_set` of analysis/table.py has it. */
  title(mask) {
    const chosen = this.names(mask);
    const left = this.members.filter((name) => !chosen.includes(name));
    if (!left.length && this.members.length > 1) return `all ${this.members.length} members`;
    if (left.length === 1 && this.members.length > 3) return `all but ${left[0]}`;
    const stems = new Set(chosen.map((name) => name.slice(0, Math.max(0, name.lastIndexOf("-")))));
    if (chosen.length > 2 && stems.size === 1 && !stems.has("")) {
      return `${[...stems][0]}-{${chosen.map((name) => name.slice(name.lastIndexOf("-") + 1)).join(", ")}}`;
    }
    return chosen.join(" + ");
  }

  /** The subset whose panels stand for this one: itself, or the best of its size where it has none. */
  shown(mask) {
    if (this.place.has(mask)) return mask;
    return this.data.bySize.find((size) => size.k === bits(mask)).best;
  }

  /** The best member of a subset, by accuracy, as a subset. */
  bestMember(mask) {
    const alone = this.members.map((_, i) => 2 ** i).filter((one) => mask & one);
    return alone.reduce((best, one) => (this.correct(one) > this.correct(best) ? one : best));
  }

  samplesOf(c) {
    return [this.data.classes.starts[c], this.data.classes.starts[c + 1]];
  }

  /** The class that a subset with panels predicts for a sample. */
  predicted(mask, sample) {
    return this.data.panels.preds[sample * this.data.panels.masks.length + this.place.get(mask)];
  }

  /** Every class as {c, samples, correct, accuracy, low, high, confusedWith}: confusedWith is the most frequent wrong answer. */
  perClass(mask) {
    return Array.from({ length: this.classes }, (_, c) => {
      const [from, to] = this.samplesOf(c);
      const answers = this.answers(mask, c);
      const samples = to - from;
      const correct = (answers.find((answer) => answer.c === c) || { count: 0 }).count;
      const [low, high] = wilson(correct, samples, this.data.z);
      const confusedWith = answers.find((answer) => answer.c !== c) || null;
      return { c, samples, correct, accuracy: samples ? correct / samples : NaN, low, high, confusedWith };
    });
  }

  /** What the samples of a class are predicted as: [{c, count}], the most frequent first, then by column. */
  answers(mask, c) {
    const [from, to] = this.samplesOf(c);
    const counts = new Map();
    for (let sample = from; sample < to; sample += 1) {
      const predicted = this.predicted(mask, sample);
      counts.set(predicted, (counts.get(predicted) || 0) + 1);
    }
    return ranked(counts);
  }

  /** The classes whose samples are predicted as this one: [{c, count}]. */
  predictedAs(mask, c) {
    const counts = new Map();
    for (let other = 0; other < this.classes; other += 1) {
      if (other === c) continue;
      const [from, to] = this.samplesOf(other);
      let count = 0;
      for (let sample = from; sample < to; sample += 1) count += this.predicted(mask, sample) === c;
      if (count) counts.set(other, count);
    }
    return ranked(counts);
  }

  /** A class's first synonym, with its id where two share it. */
  className(c) {
    return this.data.classes.names[c];
  }
}

const sumOf = (costs, mask) => costs.reduce((sum, cost, i) => sum + ((mask >> i) & 1 ? cost : 0), 0);

function ranked(counts) {
  return [...counts].map(([c, count]) => ({ c, count })).sort((a, b) => b.count - a.count || a.c - b.c);
}
