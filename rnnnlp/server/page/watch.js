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
const drawn = new Map(); // by the id of a box: what it shows

export function begin() {
  $("watch-axis").addEventListener("change", show);
  $("watch-differing").addEventListener("change", show);
  document.addEventListener("language", () => {
    drawn.clear();
    if (runs.length) show();
  });
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
  for (const name of chosen) if (!runs.some((run) => run.name === name)) chosen.delete(name); // its folder is gone
  let failed = null; // a run that cannot be read does not hide the others
  for (const run of runs.filter((r) => chosen.has(r.name))) {
    const at = JSON.stringify(run); // an evaluation may come at the step that was seen before
    if (details.get(run.name)?.at === at) continue;
    try {
      details.set(run.name, { at, ...(await ask(`/v1/run?name=${encodeURIComponent(run.name)}`)) });
    } catch (error) {
      failed ??= error;
    }
  }
  show();
  if (failed) throw failed;
});

const number = (value, digits) => (typeof value === "number" ? value.toFixed(digits) : "–");

const stateOf = (run) => (run.training ? "training" : run.progress !== null && run.progress < 1 ? "endedEarly" : "done");

// Fills a box again if the data for it have changed; else what is selected or scrolled in it stays.
function fill(id, data, nodes) {
  const now = JSON.stringify(data);
  if (drawn.get(id) === now) return;
  $(id).replaceChildren(...nodes());
  drawn.set(id, now);
}

function show() {
  const focused = document.activeElement?.dataset?.run;
  fill("watch-runs", [runs, [...(chosen ?? [])]], () => [tableOfRuns()]);
  if (focused && !document.activeElement?.dataset?.run) [...$("watch-runs").querySelectorAll("input")].find((box) => box.dataset.run === focused)?.focus();
  const of = runs.filter((r) => chosen.has(r.name)).map((r) => details.get(r.name)).filter(Boolean);
  const axis = $("watch-axis").value, xLabel = say(axis === "steps" ? "axisSteps" : "axisSeconds");
  const lines = of.flatMap((run, colour) => [
    { name: run.name, x: run[axis], y: run.loss, colour, faint: true },
    { name: run.name, x: run[`validation_${axis}`], y: run.validation_loss, colour },
  ]);
  fill("watch-loss", [axis, lines], () => [lineChart(lines, { title: say("losses"), xLabel, yLabel: say("loss") })]);
  const accuracies = of.map((run, colour) => ({ name: run.name, x: run[`validation_${axis}`].slice(-run.accuracy.length || undefined), y: run.accuracy, colour }));
  $("watch-accuracy-part").hidden = !accuracies.some((line) => line.y.length);
  fill("watch-accuracy", [axis, accuracies], () => [lineChart(accuracies, { title: say("accuracy"), xLabel, yLabel: say("accuracy") })]);
  const samples = of.filter((run) => run.sample).map((run) => [run.name, run.sample]);
  fill("watch-samples", samples, () => (samples.length
    ? samples.flatMap(([name, sample]) => [make("h4", {}, name), make("pre", { tabindex: "0", "aria-label": name }, sample)])
    : [make("p", { class: "quiet" }, say("noSamples"))]));
  const names = [...new Set(of.flatMap((run) => Object.keys(run.settings)))];
  const differing = $("watch-differing").checked && of.length > 1;
  const kept = names.filter((name) => !differing || new Set(of.map((run) => run.settings[name])).size > 1);
  const settings = kept.map((name) => [name, ...of.map((run) => run.settings[name] ?? "–")]);
  const heads = of.map((run) => run.name);
  fill("watch-settings", [heads, settings], () => [table([say("setting"), ...heads], settings)]);
}

function tableOfRuns() {
  const rows = runs.map((run) => {
    const box = make("input", { type: "checkbox", checked: chosen.has(run.name), "aria-label": `${say("show")} ${run.name}`, "data-run": run.name });
    box.disabled = !box.checked && chosen.size >= SHOWN;
    box.addEventListener("change", () => {
      if (box.checked) chosen.add(run.name);
      else chosen.delete(run.name);
      show();
      load();
    });
    return [box, run.name, say(stateOf(run)), run.progress === null ? "–" : `${Math.round(run.progress * 100)} %`,
      run.step === null ? "–" : String(run.step), run.seconds === null ? "–" : `${Math.round(run.seconds)} s`,
      number(run.loss, 4), number(run.validation_loss, 4), number(run.accuracy, 4)];
  });
  const heads = ["show", "run", "state", "progress", "step", "time", "loss", "validation", "accuracy"].map((key) => say(key));
  return table(heads, rows, [3, 4, 5, 6, 7, 8]);
}
