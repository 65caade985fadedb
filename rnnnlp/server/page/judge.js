// Judge: what a classifier says of one text, and of a table of texts.

import { $, ask, bars, colourOf, later, latest, make, showError, table } from "./tools.js";
import { say } from "./texts.js";
import { parseTable, writeTable } from "./csv.js";
import { histogram } from "./chart.js";

const STRONGEST = 10; // words in the table below a text
const ROWS = 200; // rows that are shown
const PART = 100; // texts of a request
const LARGEST = 20; // MB of a file

let limits = {};
let rows = []; // of the table, the first one its head if it has one
let head = null;
let judged = [];
let judgedColumn = 0; // that `judged` is of
let last = null;

export function begin({ limits: given, models }) {
  limits = given;
  if (!$("judge-model").options.length) showError(new Error(say("noModel")));
  const soon = later(judgeText, 400);
  $("judge-input").addEventListener("input", soon);
  $("judge-input").addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) judgeText();
  });
  $("judge-form").addEventListener("submit", (event) => {
    event.preventDefault();
    judgeText();
  });
  $("judge-model").addEventListener("change", () => {
    fillLabels([]);
    judgeText();
  });
  for (const id of ["judge-label", "judge-p"]) $(id).addEventListener("input", () => { showP(); soon(); });
  showP();
  fillLabels(models.find((m) => m.name === $("judge-model").value)?.labels ?? []);
  beginTable();
  document.addEventListener("language", () => {
    fillLabels([...$("judge-label").options].slice(1).map((o) => o.value));
    if (last) showText(last);
    if (judged.length && judged.length === rows.length) showTable(); // else they are being judged
  });
}

function showP() {
  $("judge-p-shown").textContent = Number($("judge-p").value).toFixed(2);
}

function fillLabels(labels) {
  const select = $("judge-label"), before = select.value;
  const usual = make("option", { value: "" }, say("thresholdNone"));
  select.replaceChildren(usual, ...labels.map((label) => make("option", { value: label }, label)));
  select.value = labels.includes(before) ? before : "";
}

function asked(texts, explain) {
  const label = $("judge-label").value;
  const threshold = label ? { threshold: { label, probability: Number($("judge-p").value) } } : {};
  return { model: $("judge-model").value, texts, explain, ...threshold };
}

const judgeText = latest(async () => {
  const text = $("judge-input").value;
  if (!text.trim()) {
    last = null;
    $("judge-result").replaceChildren(make("p", { class: "quiet" }, say("judgeNothing")));
    return;
  }
  const { model, predictions } = await ask("/v1/predict", asked([text], true));
  if (model !== $("judge-model").value) return; // another one was chosen
  last = { text, ...predictions[0] };
  if ($("judge-label").options.length < 2) fillLabels(Object.keys(last.probabilities));
  showText(last);
});

function showText({ text, label, probabilities, words, unknown_words: unknown }) {
  const result = [make("p", { class: "chosen" }, say("prediction", label))];
  if (unknown > 0.3) result.push(make("p", { class: "message" }, say("unknownWords", Math.round(unknown * 100))));
  result.push(make("h3", {}, say("probabilities")));
  const order = Object.entries(probabilities).sort((a, b) => b[1] - a[1]);
  result.push(bars(order.map(([name, p]) => [name, p, `${(p * 100).toFixed(1)} %`, name === String(label)])));
  result.push(make("h3", {}, say("contributions", label)), make("p", { class: "legend" }, say("forIt")), coloured(text, words));
  const strongest = [...words].sort((a, b) => Math.abs(b.weight) - Math.abs(a.weight)).slice(0, STRONGEST);
  result.push(table([say("word"), say("weight")], strongest.map((w) => [w.text.trim(), w.weight.toFixed(3)]), [1]));
  $("judge-result").replaceChildren(...result);
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
  const drop = $("judge-drop");
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
  $("judge-file").addEventListener("change", (event) => event.target.files.length && readFile(event.target.files[0]));
  $("judge-paste").addEventListener("input", later(() => useTable($("judge-paste").value, ""), 300));
  $("judge-all").addEventListener("click", () => judgeTable());
  $("judge-save").addEventListener("click", save);
}

async function readFile(file) {
  if (file.size > LARGEST * 1e6) {
    showError(new Error(say("tooLarge", LARGEST)));
    return;
  }
  useTable(await file.text(), file.name);
}

function useTable(text, name) {
  const found = parseTable(text, name);
  head = found.head;
  rows = found.rows;
  judged = [];
  const width = Math.max(0, ...rows.slice(0, 1000).map((row) => row.length));
  const names = head ?? Array.from({ length: width }, (_, k) => `${k + 1}`);
  $("judge-column").replaceChildren(...names.map((column, k) => make("option", { value: String(k) }, column)));
  const usual = names.findIndex((column) => /^(text|review|sentence|content|comment|文字|內容|評論)$/i.test(column.trim()));
  $("judge-column").value = String(Math.max(0, usual));
  $("judge-column").disabled = $("judge-all").disabled = !rows.length;
  $("judge-save").disabled = true;
  $("judge-status").textContent = say("rows", rows.length);
  $("judge-rows").hidden = true;
  $("judge-histogram").replaceChildren();
}

const judgeTable = latest(async () => {
  const column = Number($("judge-column").value), of = rows;
  judged = [];
  judgedColumn = column;
  $("judge-save").disabled = true;
  const part = Math.min(PART, limits.max_texts), options = asked([], false); // the same for all parts
  for (let start = 0; start < of.length; start += part) {
    const texts = of.slice(start, start + part).map((row) => row[column] ?? "");
    const { predictions } = await ask("/v1/predict", { ...options, texts });
    if (of !== rows) return; // another table has come
    judged.push(...predictions);
    $("judge-status").textContent = say("judged", judged.length, of.length);
  }
  showTable();
});

const probabilityOf = ({ label, probabilities }) => probabilities[String(label)] ?? Math.max(...Object.values(probabilities));

function showTable() {
  const shown = judged.slice(0, ROWS).map((prediction, k) => [
    rows[k][judgedColumn] ?? "", String(prediction.label), probabilityOf(prediction).toFixed(3)]);
  const box = $("judge-rows");
  box.replaceChildren(table([say("text"), say("label"), say("probability")], shown, [2]));
  if (judged.length > ROWS) box.prepend(make("p", { class: "quiet" }, say("firstRows", ROWS, judged.length)));
  box.hidden = false;
  const counts = new Array(10).fill(0);
  for (const { probabilities } of judged) {
    counts[Math.min(9, Math.floor(Math.max(...Object.values(probabilities)) * 10))] += 1;
  }
  $("judge-histogram").replaceChildren(make("h3", {}, say("confidence")), histogram(counts, say("confidence"), (k) =>
    say("confidenceBar", k * 10, k * 10 + 10, counts[k])));
  $("judge-save").disabled = false;
}

function save() {
  const names = head ?? rows[0].map((_, k) => `${k + 1}`);
  const lines = [[...names, "predicted_label", "probability"]];
  judged.forEach((prediction, k) => {
    const row = Array.from(names, (_, at) => rows[k][at] ?? "");
    lines.push([...row, String(prediction.label), probabilityOf(prediction).toFixed(6)]);
  });
  const place = URL.createObjectURL(new Blob([writeTable(lines)], { type: "text/csv" }));
  const link = make("a", { href: place, download: "predictions.csv" });
  link.click();
  setTimeout(() => URL.revokeObjectURL(place), 10_000);
}
