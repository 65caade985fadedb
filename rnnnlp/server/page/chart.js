// Small charts as SVG: lines, bars, and a grid of values. Colours are those of the style sheet.

import { make } from "./tools.js";
import { say } from "./texts.js";

const SPACE = "http://www.w3.org/2000/svg";
const WIDTH = 760, HEIGHT = 300, LEFT = 70, RIGHT = 24, TOP = 12, BOTTOM = 40;

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SPACE, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

// Numbers of an axis, with the digits that tell them apart; `step` is the smallest difference of two of them.
export function labelsOf(values, step) {
  const placeOf = (value) => Math.floor(Math.log10(Math.abs(value)) + 1e-9); // of the first digit
  const last = placeOf(step);
  if (last >= -5 && values.every((value) => Math.abs(value) < 1e7)) return values.map((value) => value.toFixed(Math.max(0, -last)));
  return values.map((value) => (value === 0 ? "0" : value.toExponential(Math.max(0, placeOf(value) - last))));
}

export function ticks(low, high, number) {
  const rough = (high - low) / number || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((n) => n * power).find((s) => s >= rough);
  const values = [];
  for (let k = Math.ceil(low / step - 1e-6); k * step <= high + step / 1e6; k++) values.push(k * step);
  return { values, step };
}

// series: [{ name, x, y, colour (0 to 5), faint }]; log: a logarithmic y axis; cut: where a vertical line stands; range: of x.
export function lineChart(series, { title, xLabel, yLabel, log = false, cut = null, range = null }) {
  const scale = log ? Math.log10 : (y) => y;
  const usable = series.map((s) => ({ ...s, points: s.x.map((x, k) => [x, s.y[k]]).filter(([, y]) => y !== null && Number.isFinite(scale(y))).map(([x, y]) => [x, scale(y)]) })).filter((s) => s.points.length);
  if (!usable.length) return make("p", { class: "quiet" }, say("nothingToDraw"));
  const all = usable.flatMap((s) => s.points);
  const xs = all.map((p) => p[0]), ys = all.map((p) => p[1]);
  const least = (values) => values.reduce((a, b) => Math.min(a, b)), most = (values) => values.reduce((a, b) => Math.max(a, b));
  let [left, right, low, high] = [range ? range[0] : least(xs), range ? range[1] : most(xs), least(ys), most(ys)];
  if (right === left) right = left + 1;
  if (high - low < 1e-12) [low, high] = [low - 0.1, high + 0.1];
  const X = (x) => LEFT + ((x - left) / (right - left)) * (WIDTH - LEFT - RIGHT);
  const Y = (y) => HEIGHT - BOTTOM - ((y - low) / (high - low)) * (HEIGHT - TOP - BOTTOM);
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": title });
  const inDecade = log && high - low < 2; // too few powers of ten to show
  const xTicks = ticks(left, right, 7), xLabels = labelsOf(xTicks.values, xTicks.step);
  const yTicks = ticks(low, high, log && !inDecade ? 6 : 5), powers = yTicks.values.map((y) => 10 ** y);
  const yLabels = inDecade ? labelsOf(powers, (powers[1] - powers[0]) / 10) : labelsOf(yTicks.values, yTicks.step);
  yTicks.values.forEach((y, k) => {
    if (log && !inDecade && !Number.isInteger(y)) return;
    picture.append(svg("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: Y(y), y2: Y(y) }),
      svg("text", { x: LEFT - 6, y: Y(y) + 4, "text-anchor": "end" }, log && !inDecade ? `1e${y}` : yLabels[k]));
  });
  xTicks.values.forEach((x, k) => {
    picture.append(svg("line", { class: "grid", x1: X(x), x2: X(x), y1: TOP, y2: HEIGHT - BOTTOM }),
      svg("text", { x: X(x), y: HEIGHT - BOTTOM + 16, "text-anchor": "middle" }, xLabels[k]));
  });
  picture.append(svg("text", { x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 6, "text-anchor": "middle" }, xLabel),
    svg("text", { x: 12, y: HEIGHT / 2, "text-anchor": "middle", transform: `rotate(-90 12 ${HEIGHT / 2})` }, yLabel));
  if (cut !== null && cut > left) {
    picture.append(svg("line", { class: "cut", x1: X(cut), x2: X(cut), y1: TOP, y2: HEIGHT - BOTTOM }),
      svg("text", { x: X(cut) - 4, y: TOP + 12, "text-anchor": "end" }, say("cutLine")));
  }
  for (const { points, colour, faint } of usable) {
    if (points.length === 1 || !faint) {
      for (const [x, y] of points.length > 60 ? points.slice(-1) : points) picture.append(svg("circle", { class: `f${colour}`, cx: X(x), cy: Y(y), r: 3 }));
    }
    const d = points.map(([x, y], k) => `${k ? "L" : "M"}${X(x).toFixed(1)} ${Y(y).toFixed(1)}`).join("");
    picture.append(svg("path", { class: `line c${colour}${faint ? " faint" : ""}`, d }));
  }
  const names = new Map(usable.map((s) => [s.name, s.colour]));
  const legend = make("ul", { class: "legend-line" }, ...[...names].map(([name, colour]) => make("li", {},
    svg("svg", { viewBox: "0 0 26 12", "aria-hidden": "true" }, svg("line", { class: `line c${colour}`, x1: 0, x2: 26, y1: 6, y2: 6 })), name)));
  return make("div", {}, picture, legend);
}

export function histogram(counts, title, describe) {
  const most = Math.max(...counts, 1), width = WIDTH / counts.length;
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} 170`, role: "img", "aria-label": `${title}. ${counts.map((_, k) => describe(k)).join("; ")}` });
  counts.forEach((count, k) => {
    const height = (count / most) * 120;
    picture.append(svg("rect", { class: "f0", x: k * width + 4, y: 140 - height, width: width - 8, height }, svg("title", {}, describe(k))),
      svg("text", { x: k * width + width / 2, y: 134 - height, "text-anchor": "middle" }, count ? String(count) : ""),
      svg("text", { x: k * width + width / 2, y: 160, "text-anchor": "middle" }, `${k * 10}–${k * 10 + 10} %`));
  });
  return picture;
}
