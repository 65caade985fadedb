// Classify: what a classifier says of one text, and of a table of texts.

import { $, ask, bars, colourOf, later, latest, make, showError, table } from "./tools.js";
import { say } from "./texts.js";
import { CHINESE_TEXTS, TEXT_COLUMNS, decode, parseTable, writeTable } from "./csv.js";
import { histogram } from "./chart.js";

const STRONGEST = 10; // words in the table below a text
const ROWS = 200; // rows that are shown
const PART = 100; // texts of a request
const LARGEST = 20; // MB of a file

let limits = {};
let rows = []; // of the table, the first one its head if it has one
let head = null;
let classified = []; // what the model says of each row so far; null for a row without a text
let classifiedColumn = 0; // that `classified` is of
let tables = 0; // that were read
let last = null;

export function begin({ limits: given, models }) {
  limits = given;
  if (!$("classify-model").options.length) showError(new Error(say("noModel")));
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
  fillLabels(models.find((m) => m.name === $("classify-model").value)?.labels ?? []);
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

const askLabels = latest(async () => {
  const model = $("classify-model").value, { models } = await ask("/v1/models");
  if (model === $("classify-model").value) fillLabels(models.find((m) => m.name === model)?.labels ?? []);
});

// The model of an answer may have other labels than the one that was there when it was chosen.
function checkLabels(model, { probabilities }) {
  if (model !== $("classify-model").value) return; // another one was chosen
  const found = Object.keys(probabilities), known = labels();
  if (found.length !== known.length || found.some((label) => !known.includes(label))) fillLabels(found);
}

function asked(texts, explain) {
  const label = $("classify-label").value;
  const threshold = label ? { threshold: { label, probability: Number($("classify-p").value) } } : {};
  return { model: $("classify-model").value, texts, explain, ...threshold };
}

const classifyText = latest(async () => {
  const text = $("classify-input").value;
  if (!text.trim()) {
    last = null;
    $("classify-result").replaceChildren(make("p", { class: "quiet" }, say("classifyNothing")));
    return;
  }
  const { model, predictions } = await ask("/v1/predict", asked([text], true));
  if (model !== $("classify-model").value) return; // another one was chosen
  last = { text, ...predictions[0] };
  checkLabels(model, last);
  showText(last);
});

// The name of the label that was predicted, which may be a number or a truth value; and its probability.
function nameOf({ label, probabilities }) {
  const names = Object.keys(probabilities);
  return names.find((name) => name === String(label)) ?? names.find((name) => name.toLowerCase() === String(label) || Number(name) === label);
}

const probabilityOf = (prediction) => prediction.probabilities[nameOf(prediction)];

function showText(prediction) {
  const { text, label, probabilities, words, unknown_words: unknown } = prediction, predicted = nameOf(prediction);
  const result = [make("p", { class: "chosen" }, say("prediction", label))];
  if (unknown > 0.3) result.push(make("p", { class: "message" }, say("unknownWords", Math.round(unknown * 100))));
  result.push(make("h3", {}, say("probabilities")));
  const order = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  result.push(bars(order.map(([name, p]) => [name, p, `${(p * 100).toFixed(1)} %`, name === predicted])));
  result.push(make("h3", {}, say("contributions", label)), make("p", { class: "legend" }, say("forIt")), coloured(text, words));
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
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => {
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) readFile(event.dataTransfer.files[0]);
  });
  addEventListener("dragover", (event) => event.preventDefault()); // a file beside the place does not open
  addEventListener("drop", (event) => event.preventDefault());
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
    if (number === tables) showError(null);
  } catch (error) {
    if (number === tables) showError(error);
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
      found.push(...part.map((text) => (text ? predictions.shift() : null)));
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
    ? [rows[k][classifiedColumn] ?? "", String(prediction.label), probabilityOf(prediction).toFixed(3)]
    : [say("noText"), "", ""]));
  const box = $("classify-rows");
  box.replaceChildren(table([say("text"), say("label"), say("probability")], shown, [2]));
  if (classified.length > ROWS) box.prepend(make("p", { class: "quiet" }, say("firstRows", ROWS, classified.length)));
  const counts = new Array(10).fill(0);
  for (const prediction of classified.filter(Boolean)) counts[Math.min(9, Math.floor(probabilityOf(prediction) * 10))] += 1;
  $("classify-histogram").replaceChildren(make("h3", {}, say("confidence")), histogram(counts, say("confidence"), (k) =>
    say("confidenceBar", k * 10, k * 10 + 10, counts[k])));
}

function save() {
  const names = head ?? rows[0].map((_, k) => `${k + 1}`);
  const lines = [[...names, "predicted_label", "probability"]];
  classified.forEach((prediction, k) => {
    const row = Array.from(names, (_, at) => rows[k][at] ?? "");
    lines.push([...row, ...(prediction ? [String(prediction.label), probabilityOf(prediction).toFixed(6)] : ["", ""])]);
  });
  const place = URL.createObjectURL(new Blob([writeTable(lines)], { type: "text/csv" }));
  const link = make("a", { href: place, download: "predictions.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(place), 10_000);
}
