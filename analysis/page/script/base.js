// Small tools: elements, numbers as text, intervals. Names reach the page through textContent alone.

const byId = (id) => document.getElementById(id);

/** An element with attributes and children; `text` is its textContent, functions are listeners. */
function el(tag, attributes = {}, ...children) {
  return dress(document.createElement(tag), attributes, children);
}

/** The same in SVG. */
function svg(tag, attributes = {}, ...children) {
  return dress(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
}

function dress(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") node.textContent = value;
    else if (typeof value === "function") node.addEventListener(key, value);
    else if (value === true) node.setAttribute(key, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(key, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** Put children into an element in place of those it has. */
function fill(node, ...children) {
  node.replaceChildren(...children.filter((child) => child !== null));
}

/** Run once before the next picture, however often it is asked for. */
function once(work) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      work();
    });
  };
}

/** A number with so many digits; one half way between two goes to the even one, as in the other reports. */
function fixed(value, digits) {
  const scaled = Math.abs(value) * 10 ** digits;
  // Half way lies only a number of few binary places: 12.5, but not 0.35.
  const halfWay = scaled % 1 === 0.5 && Number.isInteger(value * 2 ** (digits + 1));
  if (!halfWay || Math.ceil(scaled) % 2 === 0) return value.toFixed(digits);
  return ((Math.sign(value) * Math.floor(scaled)) / 10 ** digits).toFixed(digits);
}

const percent = (share, digits = 1) => fixed(100 * share, digits);
/** A share in percent with its sign, which never stands alone at the start of a line. */
const shareText = (share, digits = 1) => `${percent(share, digits)}\u00a0%`;
const whole = (count) => count.toLocaleString("en-GB");
const many = (count, noun, plural = `${noun}s`) => `${whole(count)} ${count === 1 ? noun : plural}`;
/** A number with its sign; what rounds to zero is ±0, never −0. */
function signed(value, digits = 1) {
  const text = fixed(Math.abs(value), digits);
  return `${Number(text) === 0 ? "±" : value > 0 ? "+" : "−"}${text}`;
}
const range = (low, high, digits = 1) => `${percent(low, digits)}–${percent(high, digits)}\u00a0%`;
const bits = (mask) => {
  let count = 0;
  for (let rest = mask; rest; rest &= rest - 1) count += 1;
  return count;
};

/** Wilson's interval for x of n; see analysis/intervals.py. */
function wilson(x, n, z) {
  const z2 = z * z;
  const share = x / n;
  const centre = (share + z2 / (2 * n)) / (1 + z2 / n);
  const half = Math.sqrt(z2 * ((share * (1 - share)) / n + z2 / (4 * n * n))) / (1 + z2 / n);
  return [x === 0 ? 0 : centre - half, x === n ? 1 : centre + half];
}

/** A title within a sentence: only a person's name keeps its capital. */
const inSentence = (title) => (title.startsWith("Brier") || title.startsWith("NLL") ? title : title.charAt(0).toLowerCase() + title.slice(1));

/** Tell a screen reader what has changed. */
function announce(text) {
  byId("announcer").textContent = text;
}

/** A colour of the stylesheet, as it is in light, in dark or on paper. */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
