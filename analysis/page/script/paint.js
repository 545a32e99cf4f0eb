// Drawing on the chart's two canvases: points and axes below, what is pointed at above.

const FEW = 3000; // points that are drawn as discs; more are counted pixel by pixel
const ALONE = 40; // subsets of one size that are discs in any case

/** Draw the points: as discs where they are few, or few of their size; else as a picture of how many there are. */
function paintPoints(context, chart) {
  const many = chart.visible > FEW;
  if (many) paintCloud(context, chart);
  const small = !many && chart.visible > 600;
  context.fillStyle = colour("point");
  context.globalAlpha = small ? 0.4 : 0.62;
  for (let i = 0; i < chart.xs.length; i += 1) {
    if ((!many || chart.few[i]) && inside(chart.box, chart.xs[i], chart.ys[i])) disc(context, chart, i, small ? 2 : 3.4);
  }
  context.globalAlpha = 1;
}

function disc(context, { xs, ys, ratio }, i, radius) {
  context.beginPath();
  context.arc(xs[i] * ratio, ys[i] * ratio, radius * ratio, 0, 7);
  context.fill();
}

const inside = (box, x, y) => x >= box.left - 4 && x <= box.right + 4 && y >= box.top - 4 && y <= box.bottom + 4;

/** How many points lie on each pixel, the more the denser: one pass over the points, one over the pixels. */
function paintCloud(context, chart) {
  const { xs, ys, box, ratio } = chart;
  const [left, top] = [Math.floor(box.left * ratio), Math.floor(box.top * ratio)];
  const width = Math.ceil(box.right * ratio) - left;
  const height = Math.ceil(box.bottom * ratio) - top;
  const counts = new Uint16Array(width * height);
  const side = Math.max(2, Math.round(1.6 * ratio));
  for (let i = 0; i < xs.length; i += 1) {
    const x = Math.round(xs[i] * ratio) - left;
    const y = Math.round(ys[i] * ratio) - top;
    if (!(x >= 0 && y >= 0 && x < width - side && y < height - side)) continue;
    for (let line = 0, at = y * width + x; line < side; line += 1, at += width) {
      for (let column = 0; column < side; column += 1) counts[at + column] += 1;
    }
  }
  blend(context, counts, width, height, left, top);
}

function blend(context, counts, width, height, left, top) {
  const ink = channels(colour("point"));
  const picture = context.getImageData(left, top, width, height);
  const pixels = picture.data;
  const paper = channels(colour("card"));
  const most = Math.log2(1 + counts.reduce((a, b) => Math.max(a, b), 1));
  for (let i = 0, at = 0; i < counts.length; i += 1, at += 4) {
    if (!counts[i]) continue;
    const strength = 0.3 + (0.65 * Math.log2(counts[i])) / most;
    const under = pixels[at + 3] / 255;
    for (let c = 0; c < 3; c += 1) {
      const there = paper[c] + (pixels[at + c] - paper[c]) * under;
      pixels[at + c] = there + (ink[c] - there) * strength;
    }
    pixels[at + 3] = 255;
  }
  context.putImageData(picture, left, top);
}

/** How light a colour is, and how well one can be read on another, as WCAG 2 defines them. */
const luminance = (rgb) => rgb.map((value) => (value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4))
  .reduce((sum, value, c) => sum + value * [0.2126, 0.7152, 0.0722][c], 0);
const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);

/** [red, green, blue] of a colour written as #rrggbb. */
const channels = (hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16));

/** Bands for every subset by size, where there are too many for points: the darker the more. */
function paintStrips(context, chart, strips) {
  const { ratio, x, y } = chart;
  const bins = strips.counts.length / chart.study.members.length;
  const step = (strips.high - strips.low) / bins;
  context.fillStyle = colour("point");
  for (let k = 1; k <= chart.study.members.length; k += 1) {
    const line = strips.counts.subarray((k - 1) * bins, k * bins);
    const most = line.reduce((a, b) => Math.max(a, b), 1);
    const [left, right] = [x.pixel(k - 0.42), x.pixel(k + 0.42)];
    for (let bin = 0; bin < bins; bin += 1) {
      if (!line[bin]) continue;
      const [low, high] = [y.pixel(strips.low + bin * step), y.pixel(strips.low + (bin + 1) * step)];
      context.globalAlpha = 0.08 + 0.42 * Math.sqrt(line[bin] / most);
      context.fillRect(left * ratio, high * ratio, (right - left) * ratio, Math.max(1, (low - high) * ratio));
    }
  }
  context.globalAlpha = 1;
}

/** Grid lines, numbers and titles of both axes. */
function paintAxes(context, chart) {
  const { box, ratio, x, y } = chart;
  context.font = `${12 * ratio}px ${colour("sans")}`;
  context.fillStyle = colour("soft");
  context.strokeStyle = colour("line");
  context.lineWidth = ratio;
  context.textBaseline = "middle";
  context.textAlign = "right";
  const up = chart.ticks("y");
  for (const { value, text } of up) {
    const at = Math.round(y.pixel(value) * ratio) + 0.5;
    line(context, box.left * ratio, at, box.right * ratio, at);
    context.fillText(text, (box.left - 8) * ratio, at);
  }
  context.textAlign = "center";
  context.textBaseline = "top";
  for (const { value, text } of chart.ticks("x")) context.fillText(text, x.pixel(value) * ratio, (box.bottom + 8) * ratio);
  line(context, box.left * ratio, box.bottom * ratio + 0.5, box.right * ratio, box.bottom * ratio + 0.5);
  context.fillStyle = colour("ink");
  context.fillText(chart.axisTitle("x"), ((box.left + box.right) / 2) * ratio, (box.bottom + 28) * ratio);
  context.textAlign = "left";
  context.fillText(chart.axisTitle("y"), 2 * ratio, 2 * ratio);
}

function line(context, fromX, fromY, toX, toY) {
  context.beginPath();
  context.moveTo(fromX, fromY);
  context.lineTo(toX, toY);
  context.stroke();
}

/** A ring around a point, in the page's colour inside so that it shows among others. */
function paintRing(context, chart, row, name, radius) {
  const [x, y] = [chart.xs[row] * chart.ratio, chart.ys[row] * chart.ratio];
  if (!inside(chart.box, chart.xs[row], chart.ys[row])) return;
  for (const [width, stroke] of [[5, colour("card")], [2.5, colour(name)]]) {
    context.beginPath();
    context.arc(x, y, radius * chart.ratio, 0, 7);
    context.lineWidth = width * chart.ratio;
    context.strokeStyle = stroke;
    context.stroke();
  }
}

/** A star on the most accurate subset of all. */
function paintStar(context, chart) {
  const row = chart.study.row(chart.study.best);
  const [x, y] = [chart.xs[row] * chart.ratio, chart.ys[row] * chart.ratio];
  if (Number.isNaN(x)) return;
  context.beginPath();
  for (let i = 0; i < 10; i += 1) {
    const radius = (i % 2 ? 3.2 : 7.5) * chart.ratio;
    const angle = (i * Math.PI) / 5 - Math.PI / 2;
    context.lineTo(x + radius * Math.cos(angle), y + radius * Math.sin(angle));
  }
  context.closePath();
  context.fillStyle = colour("chosen");
  context.strokeStyle = colour("card");
  context.lineWidth = chart.ratio;
  context.fill();
  context.stroke();
}

/** The mean of each size, as short bars joined by a line. */
function paintMeans(context, chart) {
  const { ratio, x, y } = chart;
  context.strokeStyle = colour("ink");
  context.lineWidth = 1.4 * ratio;
  context.globalAlpha = 0.75;
  context.beginPath();
  chart.study.data.bySize.forEach((size, i) => {
    context[i ? "lineTo" : "moveTo"](x.pixel(size.k) * ratio, y.pixel(size.mean) * ratio);
  });
  context.stroke();
  context.globalAlpha = 1;
}

const NAME_LINE = 12; // pixels from one name to the next

/** The names of single members left of their points, set apart where these stand close, each joined to its point. */
function paintNames(context, chart) {
  if (!chart.named()) return;
  const { ratio, study, box, xs, ys } = chart;
  const rows = study.members.map((_, i) => study.row(2 ** i)).filter((row) => row !== undefined && inside(box, xs[row], ys[row]));
  const room = chart.x.pixel(1) - box.left - 14;
  if (!rows.length || room < 24) return;
  rows.sort((a, b) => ys[a] - ys[b]);
  const most = Math.floor((box.bottom - box.top) / NAME_LINE);
  const shown = rows.length > most ? rows.filter((_, i) => Math.floor((i * most) / rows.length) !== Math.floor(((i - 1) * most) / rows.length)) : rows;
  const places = apart(shown.map((row) => ys[row]), NAME_LINE, box.top, box.bottom);
  context.font = `${11 * ratio}px ${colour("sans")}`;
  context.textAlign = "right";
  context.textBaseline = "middle";
  shown.forEach((row, i) => {
    const x = xs[row];
    const name = fittedMiddle(context, study.title(study.masks[row]), room * ratio);
    context.strokeStyle = colour("card"); // so that no line of the grid runs through it
    context.lineWidth = 3 * ratio;
    context.strokeText(name, (x - 14) * ratio, places[i] * ratio);
    context.fillStyle = colour("ink");
    context.fillText(name, (x - 14) * ratio, places[i] * ratio);
    if (Math.abs(places[i] - ys[row]) < 2) return;
    context.strokeStyle = colour("soft");
    context.lineWidth = 0.7 * ratio;
    line(context, (x - 12) * ratio, places[i] * ratio, (x - 4) * ratio, ys[row] * ratio);
  });
}

/** Places near the rising `wanted` ones, at least `step` apart, within low..high: as `apart` of analysis/figures/style.py has it. */
function apart(wanted, step, low, high) {
  const start = (group) => {
    const middle = group.reduce((sum, place) => sum + place, 0) / group.length - (step * (group.length - 1)) / 2;
    return Math.max(low, Math.min(middle, high - step * (group.length - 1)));
  };
  const groups = [];
  for (const place of wanted) {
    groups.push([place]);
    while (groups.length > 1 && start(groups.at(-1)) < start(groups.at(-2)) + step * groups.at(-2).length) {
      const last = groups.pop();
      groups.at(-1).push(...last);
    }
  }
  return groups.flatMap((group) => group.map((_, i) => start(group) + step * i));
}
