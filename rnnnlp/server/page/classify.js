// Classify: what a classifier says of one text, and of a table of texts.

import { $, ask, bars, colourOf, later, latest, make, showError, table, takeBack } from "./tools.js";
import { say } from "./texts.js";
import { CHINESE_TEXTS, TEXT_COLUMNS, decode, parseTable, writeTable } from "./csv.js";
import { histogram } from "./chart.js";

const STRONGEST = 10; // words in the table below a text
const ROWS = 200; // rows that are shown
const PART = 100; // texts of a request
const LARGEST = 20; // MB of a file
const FORMULA = /^(?:[=@]|[+\-](?![\d.]*$))/; // what a spreadsheet may take for a formula, as in rnnnlp/cli/to_label.py
export const HARDLY_KNOWN = 0.3; // share of unknown words, as in rnnnlp/cli/predict.py

let limits = {};
let rows = []; // of the table, the first one its head if it has one
let head = null;
let classified = []; // what the model says of each row so far; null for a row without a text
let classifiedColumn = 0; // that `classified` is of
let tables = 0; // that were read
let refused = null; // why the last of those that could not be read was refused
let last = null;

export function begin({ limits: given, models }) {
  limits = given;
  const soon = later(classifyText, 400);
  $("classify-input").addEventListener("input", soon);
  $("classify-input").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) classifyText();
  });
  $("classify-form").addEventListener("submit", (event) => {
    event.preventDefault();
    classifyText();
  });
  $("classify-model").addEventListener("change", () => {
    fillLabels([]);
    askLabels();
    classifyText();
  });
  for (const id of ["classify-label", "classify-p"]) $(id).addEventListener("input", () => { showP(); soon(); });
  showP();
  fillLabels(labelsOf(models));
  beginTable();
  document.addEventListener("language", () => {
    fillLabels(labels());
    if (last) showText(last);
    if (classified.length) showTable();
  });
}

function showP() {
  $("classify-p-shown").textContent = Number($("classify-p").value).toFixed(2);
}

function fillLabels(labels) {
  const select = $("classify-label"), before = select.value;
  const usual = make("option", { value: "" }, say("thresholdNone"));
  select.replaceChildren(usual, ...labels.map((label) => make("option", { value: label }, label)));
  select.value = labels.includes(before) ? before : "";
}

const labels = () => [...$("classify-label").options].slice(1).map((option) => option.value);

const chosen = () => $("classify-model").value || null; // null: the script of each text chooses

// The labels of the chosen model; those that all models have if the script of each text chooses.
function labelsOf(models) {
  const name = chosen();
  const found = models.filter((m) => m.kind === "classifier" && (!name || m.name === name)).map((m) => m.labels ?? []);
  return (found[0] ?? []).filter((label) => found.every((own) => own.includes(label)));
}

const askLabels = latest(async () => {
  const model = chosen(), { models } = await ask("/v1/models");
  if (model === chosen()) fillLabels(labelsOf(models));
});

// The model of an answer may have other labels than the one that was there when it was chosen.
function checkLabels(model, { probabilities }) {
  if (!model || model !== chosen()) return; // another one was chosen
  const found = Object.keys(probabilities), known = labels();
  if (found.length !== known.length || found.some((label) => !known.includes(label))) fillLabels(found);
}

function asked(texts, explain) {
  const label = $("classify-label").value;
  const threshold = label ? { threshold: { label, probability: Number($("classify-p").value) } } : {};
  return { model: chosen(), texts, explain, ...threshold };
}

const classifyText = latest(async () => {
  const text = $("classify-input").value;
  if (!text.trim()) {
    last = null;
    $("classify-result").replaceChildren(make("p", { class: "quiet" }, say("classifyNothing")));
    return;
  }
  const options = asked([text], true), { predictions } = await ask("/v1/predict", options);
  if (options.model !== chosen()) return; // another one was chosen
  last = { text, threshold: options.threshold, ...predictions[0] };
  checkLabels(options.model, last);
  showText(last);
});

// The name of the label that was predicted, which may be a number or a truth value; and its probability.
// Large integers lose digits: of those that are the same here, it is the one that the model chooses.
function nameOf({ label, probabilities, threshold }) {
  const ofThreshold = probabilities[threshold?.label] >= threshold?.probability ? 2 : -1; // before all others, or after them
  const rank = (name) => (name === threshold?.label ? ofThreshold : probabilities[name]);
  const names = Object.keys(probabilities).sort((a, b) => rank(b) - rank(a));
  return names.find((name) => name === label) ?? names.find((name) => name.toLowerCase() === String(label) || Number(name) === label);
}

const probabilityOf = (prediction) => prediction.probabilities[nameOf(prediction)];

function showText(prediction) {
  const { text, probabilities, words, unknown_words: unknown } = prediction, predicted = nameOf(prediction);
  const result = [make("p", { class: "chosen" }, say("prediction", predicted))];
  if (unknown > HARDLY_KNOWN) result.push(make("p", { class: "message" }, say("unknownWords", Math.round(unknown * 100))));
  result.push(make("h3", {}, say("probabilities")));
  const order = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  result.push(bars(order.map(([name, p]) => [name, p, `${(p * 100).toFixed(1)} %`, name === predicted])));
  result.push(make("h3", {}, say("contributions", predicted)), make("p", { class: "legend" }, say("forIt")), coloured(text, words));
  const strongest = [...words].sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight)).slice(0, STRONGEST);
  result.push(table([say("word"), say("weight")], strongest.map((w) => [w.text.trim(), w.weight.toFixed(3)]), [1]));
  $("classify-result").replaceChildren(...result);
}

function coloured(text, words) {
  const characters = Array.from(text); // code points, as the server counts
  const strongest = Math.max(...words.map((w) => Math.abs(w.weight)), 1e-9);
  const box = make("div", { class: "words" });
  let at = 0;
  for (const { start, end, weight } of words) {
    if (start > at) box.append(characters.slice(at, start).join(""));
    const span = make("span", { title: weight.toFixed(3) }, characters.slice(Math.max(at, start), end).join(""));
    span.style.backgroundColor = colourOf(weight / strongest);
    box.append(span);
    at = Math.max(at, end);
  }
  box.append(characters.slice(at).join(""));
  return box;
}

// ---------------------------------------------------------------------------------------------------------- a table

function beginTable() {
  const drop = $("classify-drop");
  const hasFiles = (event) => event.dataTransfer.types.includes("Files"); // text may be dragged into a field
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => event.dataTransfer.files.length && readFile(event.dataTransfer.files[0]));
  // A file beside the place does not open.
  for (const name of ["dragover", "drop"]) addEventListener(name, (event) => hasFiles(event) && event.preventDefault());
  $("classify-file").addEventListener("click", (event) => { event.target.value = ""; }); // the same file may have changed
  $("classify-file").addEventListener("change", (event) => event.target.files.length && readFile(event.target.files[0]));
  $("classify-paste").addEventListener("input", later(() => useTable(async () => $("classify-paste").value, ""), 300));
  $("classify-all").addEventListener("click", () => classifyTable());
  $("classify-save").addEventListener("click", save);
}

function readFile(file) {
  return useTable(async () => {
    if (file.size > LARGEST * 1e6) throw new Error(say("tooLarge", LARGEST));
    const bytes = await file.arrayBuffer().catch(() => { throw new Error(say("unreadable", file.name)); });
    return decode(bytes, file.name);
  }, file.name);
}

async function useTable(read, name) {
  const number = ++tables;
  let found = { head: null, rows: [] };
  try {
    found = parseTable(await read(), name);
    if (number === tables) takeBack(refused);
  } catch (error) {
    if (number === tables) showError(refused = error);
  }
  if (number !== tables) return; // another one has come
  head = found.head;
  rows = found.rows;
  const width = Math.max(0, ...rows.slice(0, 1000).map((row) => row.length));
  const names = head ?? Array.from({ length: width }, (_, k) => `${k + 1}`);
  $("classify-column").replaceChildren(...names.map((column, k) => make("option", { value: String(k) }, column)));
  const usual = names.findIndex((column) => [...TEXT_COLUMNS, ...CHINESE_TEXTS].includes(column.trim().toLowerCase()));
  $("classify-column").value = String(Math.max(0, usual));
  $("classify-column").disabled = $("classify-all").disabled = !rows.length;
  $("classify-status").textContent = say("rows", rows.length);
  showClassified([], 0);
}

const classifyTable = latest(async () => {
  const column = Number($("classify-column").value), of = rows, found = [];
  const texts = of.map((row) => row[column] ?? "");
  const long = texts.findIndex((text) => text.length > limits.max_characters && Array.from(text).length > limits.max_characters);
  if (long >= 0) throw new Error(say("longText", long + 1, limits.max_characters));
  const options = asked([], false); // the same for all parts
  const parts = partsOf(texts, limits.max_body - bytesOf(options), Math.min(PART, limits.max_texts));
  $("classify-save").disabled = true;
  $("classify-status").textContent = say("classified", 0, of.length);
  try {
    for (const part of parts) {
      const given = part.filter(Boolean); // a row without a text has no prediction
      const predictions = given.length ? (await ask("/v1/predict", { ...options, texts: given })).predictions : [];
      if (of !== rows) return; // another table has come
      if (given.length) checkLabels(options.model, predictions[0]);
      found.push(...part.map((text) => (text ? { threshold: options.threshold, ...predictions.shift() } : null)));
      $("classify-status").textContent = say("classified", found.length, of.length);
    }
  } finally { // also if a part was refused: what is classified stays
    if (of === rows) showClassified(found, column);
  }
});

const bytesOf = (value) => new TextEncoder().encode(JSON.stringify(value)).length;

// Texts in parts for one request each: at most `most` texts, whose JSON fits into `room` bytes.
export function* partsOf(texts, room, most) {
  let part = [], size = 0;
  for (const text of texts) {
    const own = bytesOf(text) + 1; // with the comma
    if (part.length && (part.length === most || size + own > room)) {
      yield part;
      part = [];
      size = 0;
    }
    part.push(text);
    size += own;
  }
  if (part.length) yield part;
}

function showClassified(found, column) {
  classified = found;
  classifiedColumn = column;
  $("classify-rows").hidden = $("classify-save").disabled = !classified.length;
  $("classify-histogram").replaceChildren();
  if (classified.length) showTable();
}

function showTable() {
  $("classify-status").textContent = say("classified", classified.length, rows.length);
  const shown = classified.slice(0, ROWS).map((prediction, k) => (prediction
    ? [rows[k][classifiedColumn] ?? "", nameOf(prediction), probabilityOf(prediction).toFixed(3)]
    : [say("noText"), "", ""]));
  const box = $("classify-rows");
  box.replaceChildren(table([say("text"), say("label"), say("probability")], shown, [2]));
  if (classified.length > ROWS) box.prepend(make("p", { class: "quiet" }, say("firstRows", ROWS, classified.length)));
  const predictions = classified.filter(Boolean);
  const unknown = predictions.filter((prediction) => prediction.unknown_words > HARDLY_KNOWN).length;
  if (unknown) box.prepend(make("p", { class: "message" }, say("unknownRows", unknown, predictions.length)));
  const counts = new Array(10).fill(0);
  for (const prediction of predictions) counts[Math.min(9, Math.floor(probabilityOf(prediction) * 10))] += 1;
  $("classify-histogram").replaceChildren(make("h3", {}, say("confidence")), histogram(counts, say("confidence"), (k) =>
    say("confidenceBar", k * 10, k * 10 + 10, counts[k])));
}

// The table with what the model says of its first rows: those that are classified.
export function withPredictions(names, rows, classified) {
  const fields = (p) => [nameOf(p), probabilityOf(p).toFixed(6), String(p.unknown_words)];
  const added = classified.map((prediction) => (prediction ? fields(prediction) : ["", "", ""]));
  const lines = added.map((cells, k) => [...names.map((_, at) => rows[k][at] ?? ""), ...cells]);
  return [[...names, "predicted_label", "probability", "unknown_words"], ...lines];
}

// The texts and predicted labels that a spreadsheet may take for formulas.
export function formulasIn(texts, classified) {
  return [...texts, ...classified.filter(Boolean).map(nameOf)].filter((cell) => FORMULA.test(cell));
}

function save() {
  const names = head ?? rows[0].map((_, k) => `${k + 1}`), texts = classified.map((_, k) => rows[k][classifiedColumn] ?? "");
  const formulas = formulasIn(texts, classified).length;
  if (formulas) $("classify-status").textContent = say("formulas", formulas);
  const table = writeTable(withPredictions(names, rows, classified));
  const place = URL.createObjectURL(new Blob([table], { type: "text/csv" }));
  const link = make("a", { href: place, download: "predictions.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(place), 10_000);
}
