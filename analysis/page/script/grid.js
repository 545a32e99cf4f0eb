// Which point lies nearest: points are sorted into cells, and only the cells around the pointer are looked at.

const CELL = 16;

class Grid {
  /** xs, ys: Float32Array of pixels; NaN for a point that is not shown. */
  constructor(xs, ys, width, height) {
    Object.assign(this, { xs, ys });
    this.columns = Math.max(1, Math.ceil(width / CELL));
    this.lines = Math.max(1, Math.ceil(height / CELL));
    this.fill();
  }

  /** Sort by cell, counting: the points of cell i are order[starts[i]] to order[starts[i + 1]]. */
  fill() {
    const { xs, ys } = this;
    const cells = new Int32Array(xs.length);
    this.starts = new Int32Array(this.columns * this.lines + 1);
    for (let i = 0; i < xs.length; i += 1) {
      cells[i] = this.cell(xs[i], ys[i]);
      if (cells[i] >= 0) this.starts[cells[i] + 1] += 1;
    }
    for (let i = 1; i < this.starts.length; i += 1) this.starts[i] += this.starts[i - 1];
    this.order = new Int32Array(this.starts[this.starts.length - 1]);
    const next = this.starts.slice();
    for (let i = 0; i < xs.length; i += 1) if (cells[i] >= 0) this.order[next[cells[i]]++] = i;
  }

  cell(x, y) {
    const column = Math.floor(x / CELL);
    const line = Math.floor(y / CELL);
    return column >= 0 && column < this.columns && line >= 0 && line < this.lines ? line * this.columns + column : -1;
  }

  /** The point nearest to (x, y) within `reach` pixels, or -1. */
  nearest(x, y, reach) {
    let [best, closest] = [-1, reach * reach];
    const first = (v) => Math.floor((v - reach) / CELL);
    const last = (v) => Math.floor((v + reach) / CELL);
    for (let line = Math.max(0, first(y)); line <= Math.min(this.lines - 1, last(y)); line += 1) {
      for (let column = Math.max(0, first(x)); column <= Math.min(this.columns - 1, last(x)); column += 1) {
        const cell = line * this.columns + column;
        for (let at = this.starts[cell]; at < this.starts[cell + 1]; at += 1) {
          const i = this.order[at];
          const distance = (this.xs[i] - x) ** 2 + (this.ys[i] - y) ** 2;
          if (distance < closest) [best, closest] = [i, distance];
        }
      }
    }
    return best;
  }
}
