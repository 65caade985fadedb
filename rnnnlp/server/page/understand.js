// Understand: three cells over the same text, and the error that comes back through time.

import { $, ask, later, latest, make, slider, table } from "./tools.js";
import { say } from "./texts.js";
import { lineChart, svg } from "./chart.js";

const SLIDERS = {
  spectral_radius: { key: "spectralRadius", min: 0, max: 3, step: 0.05, value: 1 },
  hidden_size: { key: "hiddenSize", min: 1, max: 16, step: 1, value: 8 },
  bptt: { key: "bptt", min: 0, max: 30, step: 1, value: 0 },
  seed: { key: "seed", min: 1, max: 20, step: 1, value: 1 },
};
const NAMES = { elman_tanh: "Elman (tanh)", gru: "GRU", lstm: "LSTM" };
const CELL = 18, ROW = 12, GAP = 26; // of a picture

let sliders = {};
let found = null;
let back = 0; // steps that the error has come back

export function begin() {
  for (const [name, { key, ...range }] of Object.entries(SLIDERS)) sliders[name] = slider($("understand-sliders"), name, key, range);
  const soon = later(load, 150);
  $("understand-form").addEventListener("input", soon);
  $("understand-form").addEventListener("submit", (event) => event.preventDefault());
  $("understand-first").addEventListener("click", () => move(0));
  $("understand-back").addEventListener("click", () => move(back + 1));
  $("understand-all").addEventListener("click", () => move(1e9));
  document.addEventListener("language", () => found && show());
  load();
}

const load = latest(async () => {
  const given = $("understand-text").value;
  if (Array.from(given).length < 2) return;
  const values = Object.fromEntries(Object.entries(sliders).map(([name, input]) => [name, Number(input.value)]));
  if (!values.bptt) delete values.bptt;
  found = await ask("/v1/unroll", { text: given, cells: Object.keys(NAMES), ...values });
  move(1e9);
});

function move(to) {
  if (!found) return;
  const steps = Array.from(found.text).length - 1;
  back = Math.max(0, Math.min(to, steps - 1));
  show();
}

function show() {
  const characters = Array.from(found.text), steps = characters.length - 1;
  const at = steps - 1 - back; // the step that the error has reached, from 0
  const cells = Object.entries(found.cells);
  const first = cells[0][1].first;
  $("understand-cells").replaceChildren(...cells.map(([name, cell]) => figure(NAMES[name] ?? name, cell, characters, at)));
  const cut = at < first ? ` ${say("cutAt", first + 1)}` : "";
  $("understand-status").textContent = say("backAt", at + 1, steps) + cut;
  $("understand-back").disabled = back >= steps - 1;
  const x = Array.from({ length: steps }, (_, k) => k + 1);
  const lines = cells.map(([name, cell], colour) => ({
    name: NAMES[name] ?? name, x, colour, y: cell.norms.map((norm, t) => (t >= at && t >= cell.first && norm > 0 ? norm : null)) }));
  $("understand-chart").replaceChildren(lineChart(lines, {
    title: say("norms"), xLabel: say("step"), yLabel: say("norm"), log: true, range: [1, steps], cut: first > 0 ? first + 0.5 : null }));
}

// Pictures of h and of the gradient, and the numbers of the step that the error has reached.
function figure(name, cell, characters, at) {
  const steps = characters.length - 1, units = cell.gradients[0].length;
  const high = units * ROW, width = steps * CELL + 4, height = 2 * (high + GAP) + 22;
  const picture = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img",
    "aria-label": `${name}: ${say("stateOf")}; ${say("gradientOf")}. ${say("lossOf", cell.loss.toFixed(3))}` });
  const grid = (values, top, seen) => {
    const most = Math.max(...values.flat().filter((v) => v !== null).map(Math.abs), 1e-300);
    values.forEach((row, t) => row.forEach((value, k) => {
      const share = value === null ? 1 : Math.abs(value) / most;
      const colour = value === null || value >= 0 ? "f0" : "f1";
      picture.append(svg("rect", { class: colour, x: 2 + t * CELL, y: top + k * ROW, width: CELL - 1, height: ROW - 1,
        "fill-opacity": seen(t) ? (0.06 + 0.94 * Math.sqrt(share)).toFixed(3) : 0.04 }));
    }));
  };
  picture.append(svg("text", { x: 2, y: 14 }, say("stateOf")), svg("text", { x: 2, y: high + GAP + 36 }, say("gradientOf")));
  grid(cell.values.h, 20, () => true);
  for (let t = 0; t < steps; t++) {
    picture.append(svg("text", { x: 2 + t * CELL + CELL / 2, y: high + 34, "text-anchor": "middle" }, characters[t] === " " ? "␣" : characters[t]));
  }
  const top = high + GAP + 42;
  grid(cell.gradients, top, (t) => t >= at && t >= cell.first);
  picture.append(svg("rect", { class: "here", x: 2 + at * CELL, y: top - 1, width: CELL, height: high + 1 }));
  if (cell.first > 0) picture.append(svg("line", { class: "cut", x1: 2 + cell.first * CELL, x2: 2 + cell.first * CELL, y1: 18, y2: top + high }));
  picture.setAttribute("viewBox", `0 0 ${width} ${top + high + 4}`);
  const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
  const rows = Object.entries(cell.values).map(([gate, values]) => [gate, mean(values[at]).toFixed(3)]);
  const norm = at < cell.first ? "0" : cell.norms[at] === null ? "∞" : cell.norms[at].toExponential(2);
  rows.push([`‖d${Object.keys(cell.values).includes("c") ? "(h, c)" : "h"}‖`, norm]);
  return make("figure", {}, make("figcaption", {}, `${name} – ${say("lossOf", cell.loss.toFixed(3))}`), picture,
    make("p", { class: "quiet" }, say("cellTable", at + 1, characters[at])), table([say("name"), say("mean")], rows, [1]));
}
