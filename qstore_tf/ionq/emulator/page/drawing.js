// Circuits as SVG and outcomes as bars. Everything that came from outside becomes text nodes.

const SVG = "http://www.w3.org/2000/svg";
const ROW = 44, BOX = 30, GAP = 14, LEFT = 46;

function element(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

const width = (gate) =>
  gate.sign === "box"
    ? Math.max(BOX, 9 * gate.name.length + 12, 6 * gate.parameters.length + 10)
    : BOX;
const y = (qubit) => ROW / 2 + qubit * ROW;

function mark(gate, qubit, position, x) {
  if (gate.sign === "dot") return [element("circle", { class: "dot", cx: x, cy: y(qubit), r: 4 })];
  if (gate.sign === "swap") {
    const d = `M${x - 5} ${y(qubit) - 5}l10 10m0 -10l-10 10`;
    return [element("path", { class: "link", d })];
  }
  if (gate.sign === "flip") {
    const d = `M${x - 10} ${y(qubit)}h20m-10 -10v20`;
    return [
      element("circle", { class: "flip", cx: x, cy: y(qubit), r: 10 }),
      element("path", { class: "link", d }),
    ];
  }
  const w = width(gate);
  const numbers = position === 0 && gate.parameters;
  const box = { class: `box ${gate.colour}`, x: x - w / 2, y: y(qubit) - BOX / 2, width: w, height: BOX, rx: 4 };
  const shapes = [
    element("rect", box),
    element("text", { x, y: y(qubit) - (numbers ? 6 : 0) }, gate.name),
  ];
  if (numbers) {
    shapes.push(element("text", { class: "numbers", x, y: y(qubit) + 8 }, gate.parameters));
  }
  return shapes;
}

/** Draws what `picture` of page_data.py returned. */
export function drawCircuit(picture) {
  const centres = [];
  let x = LEFT;
  for (const column of picture.columns) {
    const w = Math.max(BOX, ...column.map(width));
    centres.push(x + GAP / 2 + w / 2);
    x += w + GAP;
  }
  const right = x + GAP, height = picture.qubits * ROW;
  const svg = element("svg", { width: right, height, viewBox: `0 0 ${right} ${height}`, role: "img" });
  svg.append(element("title", {}, `Circuit of ${picture.qubits} qubits`));
  for (let q = 0; q < picture.qubits; q++) {
    svg.append(element("text", { class: "qubit", x: LEFT - 12, y: y(q) }, `q${q}`));
    svg.append(element("path", { class: "wire", d: `M${LEFT - 6} ${y(q)}H${right - 4}` }));
  }
  picture.columns.forEach((column, number) => {
    for (const gate of column) {
      const at = centres[number];
      const qubits = [...gate.targets, ...gate.controls];
      const first = Math.min(...qubits), last = Math.max(...qubits);
      if (first < last) svg.append(element("path", { class: "link", d: `M${at} ${y(first)}V${y(last)}` }));
      for (const q of gate.controls) svg.append(element("circle", { class: "dot", cx: at, cy: y(q), r: 4 }));
      gate.targets.forEach((q, position) => svg.append(...mark(gate, q, position, at)));
    }
  });
  return svg;
}

/** Draws the outcomes as bars; the longest is the most likely one. */
export function drawOutcomes(outcomes) {
  const most = Math.max(...outcomes.shown.map((one) => one.probability), 1e-300);
  return outcomes.shown.map(({ bits, probability }) => {
    const bar = document.createElement("div");
    bar.className = "bar";
    const code = document.createElement("code");
    code.textContent = bits;
    const meter = document.createElement("meter");
    meter.max = most;
    meter.value = probability;
    const number = document.createElement("span");
    number.className = "number";
    number.textContent = probability.toLocaleString("en", { maximumSignificantDigits: 4 });
    bar.append(code, meter, number);
    return bar;
  });
}
