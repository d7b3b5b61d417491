// Bars and curves. Every text is set as text, never as HTML.

const SVG = "http://www.w3.org/2000/svg";
const UNITS = [["years", 31557600e3], ["days", 86400e3], ["h", 3600e3], ["min", 60e3], ["s", 1e3]];

/** An element with a text and a class. */
export function element(tag, text = "", name = "") {
  const made = document.createElement(tag);
  made.textContent = text;
  if (name) made.className = name;
  return made;
}

/** A number with up to `digits` digits that count. */
export const digits = (number, many = 4) =>
  number === null || number === undefined ? "–" : Number(number).toLocaleString("en", { maximumSignificantDigits: many });

/** Milliseconds as people say them. */
export function duration(ms) {
  const [unit, size] = UNITS.find(([, one]) => Math.abs(ms) >= one) ?? ["ms", 1];
  return `${digits(ms / size, 3)} ${unit}`;
}

/** A meter; `most` is its whole length. */
export function meter(value, most) {
  const made = document.createElement("meter");
  made.max = most > 0 ? most : 1;
  made.value = value;
  return made;
}

/** A line of a chart: what it is about, a bar, a number. */
export function bar(label, value, most) {
  const made = element("div", "", "bar");
  made.append(label, meter(value, most), element("span", digits(value), "number"));
  return made;
}

function shape(tag, attributes, text = "") {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  if (text) made.textContent = text;
  return made;
}

/** The course of exp(-t / tau) until it falls below the threshold, and where it is now. */
export function drawDecay(tau, coherence, threshold) {
  const life = tau * Math.log(1 / threshold);
  const age = coherence > 0 ? -tau * Math.log(coherence) : Infinity;
  const whole = 1.15 * life;
  const [left, right, top, bottom] = [34, 396, 10, 104];
  const x = (t) => left + ((right - left) * Math.min(t, whole)) / whole;
  const y = (eta) => bottom - (bottom - top) * eta;
  const svg = shape("svg", { viewBox: "0 0 410 128", role: "img", "aria-label": `coherence ${digits(coherence)} of 1` });
  const points = Array.from({ length: 61 }, (_, k) => (whole * k) / 60);
  const path = points.map((t, k) => `${k ? "L" : "M"}${x(t).toFixed(1)} ${y(Math.exp(-t / tau)).toFixed(1)}`).join("");
  svg.append(
    shape("path", { class: "axis", d: `M${left} ${top}V${bottom}H${right}` }),
    shape("path", { class: "edge", d: `M${x(life)} ${top}V${bottom}` }),
    shape("path", { class: "curve", d: path }),
    shape("circle", { class: "now", cx: x(age), cy: y(Math.exp(-Math.min(age, whole) / tau)), r: 5 }),
    shape("text", { class: "end", x: left - 6, y: top + 5 }, "1"),
    shape("text", { class: "end", x: left - 6, y: bottom }, "0"),
    shape("text", { x: left, y: bottom + 17 }, "written"),
    shape("text", { class: "end", x: right, y: bottom + 17 }, `decohered after ${duration(life)}`),
  );
  return svg;
}
