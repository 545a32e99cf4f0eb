// From a score to a place on the canvas and back, and the round numbers beside the axis.

class Scale {
  /** low..high of the data lie at from..to in pixels. */
  constructor(low, high, from, to) {
    Object.assign(this, { low, high, from, to });
  }

  pixel(value) {
    return this.from + ((value - this.low) / (this.high - this.low)) * (this.to - this.from);
  }

  value(pixel) {
    return this.low + ((pixel - this.from) / (this.to - this.from)) * (this.high - this.low);
  }

  /** Round values, at most `most` of them. */
  ticks(most) {
    const rough = (this.high - this.low) / most;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
    const digits = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
    const found = [];
    for (let i = Math.ceil(this.low / step - 1e-9); i * step <= this.high + step * 1e-9; i += 1) found.push(i * step);
    return { values: found, digits };
  }
}

/** The smallest and the largest of some lists of values, with some air around them. */
function airy(...lists) {
  let [low, high] = [Infinity, -Infinity];
  for (const values of lists) {
    for (const value of values) {
      if (value < low) low = value;
      if (value > high) high = value;
    }
  }
  const air = (high - low) * 0.06 || Math.abs(high) * 0.05 || 1;
  return [low - air, high + air];
}
