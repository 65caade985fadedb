// Watch: the curves, samples and settings of runs, also while they train.

import { $, ask, latest, make, table } from "./tools.js";
import { say } from "./texts.js";
import { lineChart } from "./chart.js";

const EVERY = 4000; // milliseconds between two looks
const SHOWN = 6; // runs at a time: there is a colour for each

let runs = [];
let chosen = null; // names
let details = new Map(); // by name: what a run has, and the step at which it was read
let timer = 0;

export function begin() {
  $("watch-axis").addEventListener("change", show);
  $("watch-differing").addEventListener("change", show);
  document.addEventListener("language", () => runs.length && show());
}

export function opened() {
  clearInterval(timer);
  timer = setInterval(() => document.hidden || load(), EVERY);
  load();
}

export function closed() {
  clearInterval(timer);
}

const load = latest(async () => {
  runs = (await ask("/v1/runs")).runs;
  chosen ??= new Set([...runs].sort((a, b) => b.training - a.training).slice(0, 3).map((run) => run.name));
  await read();
  show();
});

async function read() {
  for (const run of runs.filter((r) => chosen.has(r.name))) {
    const at = JSON.stringify(run); // an evaluation may come at the step that was seen before
    if (details.get(run.name)?.at === at) continue;
    details.set(run.name, { at, ...(await ask(`/v1/run?name=${encodeURIComponent(run.name)}`)) });
  }
}

const choose = latest(async () => {
  await read();
  show();
});

const number = (value, digits) => (typeof value === "number" ? value.toFixed(digits) : "–");

function show() {
  const focused = document.activeElement?.dataset?.run;
  const rows = runs.map((run) => {
    const box = make("input", { type: "checkbox", checked: chosen.has(run.name), "aria-label": `${say("show")} ${run.name}`, "data-run": run.name });
    box.disabled = !box.checked && chosen.size >= SHOWN;
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(run.name);
      else chosen.delete(run.name);
      choose();
    });
    return [box, run.name, say(run.training ? "training" : "done"), run.progress === null ? "–" : `${Math.round(run.progress * 100)} %`,
      run.step === null ? "–" : String(run.step), run.seconds === null ? "–" : `${Math.round(run.seconds)} s`,
      number(run.loss, 4), number(run.validation_loss, 4), number(run.accuracy, 4)];
  });
  const heads = ["show", "run", "state", "progress", "step", "time", "loss", "validation", "accuracy"].map((key) => say(key));
  $("watch-runs").replaceChildren(table(heads, rows, [3, 4, 5, 6, 7, 8]));
  if (focused) [...$("watch-runs").querySelectorAll("input")].find((box) => box.dataset.run === focused)?.focus();
  const of = runs.filter((r) => chosen.has(r.name)).map((r) => details.get(r.name)).filter(Boolean);
  const axis = $("watch-axis").value, xLabel = say(axis === "steps" ? "axisSteps" : "axisSeconds");
  const lines = of.flatMap((run, colour) => [
    { name: run.name, x: run[axis], y: run.loss, colour, faint: true },
    { name: run.name, x: run[`validation_${axis}`], y: run.validation_loss, colour },
  ]);
  $("watch-loss").replaceChildren(lineChart(lines, { title: say("losses"), xLabel, yLabel: say("loss") }));
  const accuracies = of.map((run, colour) => ({ name: run.name, x: run[`validation_${axis}`].slice(-run.accuracy.length || undefined), y: run.accuracy, colour }));
  $("watch-accuracy-part").hidden = !accuracies.some((line) => line.y.length);
  $("watch-accuracy").replaceChildren(lineChart(accuracies, { title: say("accuracy"), xLabel, yLabel: say("accuracy") }));
  const samples = of.filter((run) => run.sample);
  $("watch-samples").replaceChildren(...(samples.length
    ? samples.flatMap((run) => [make("h4", {}, run.name), make("pre", { tabindex: "0", "aria-label": run.name }, run.sample)])
    : [make("p", { class: "quiet" }, say("noSamples"))]));
  const names = [...new Set(of.flatMap((run) => Object.keys(run.settings)))];
  const differing = $("watch-differing").checked && of.length > 1;
  const kept = names.filter((name) => !differing || new Set(of.map((run) => run.settings[name])).size > 1);
  $("watch-settings").replaceChildren(table([say("setting"), ...of.map((run) => run.name)], kept.map((name) => [name, ...of.map((run) => run.settings[name] ?? "–")])));
}
