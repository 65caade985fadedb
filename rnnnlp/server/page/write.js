// Write: text from a character model as it is made, coloured by surprise or by one hidden unit.

import { $, ask, bars, colourOf, events, latest, make, showError, slider } from "./tools.js";
import { say } from "./texts.js";

const SLIDERS = {
  temperature: { min: 0, max: 2, step: 0.05, value: 0.8 },
  top_k: { min: 0, max: 100, step: 1, value: 0 },
  top_p: { min: 0.05, max: 1, step: 0.01, value: 1 },
  repetition_penalty: { min: 1, max: 2, step: 0.05, value: 1 },
  length: { min: 50, max: 2000, step: 50, value: 500 },
};
const MOST_NATS = 6; // of surprise: the darkest colour
const OFTEN = 700; // milliseconds between two looks at a text that is being written

let sliders = {};
let shown = 3000; // characters that are coloured
let given = 0; // characters of the text that a person wrote
let text = ""; // as an array of code points it has the places that the server counts
let marked = [];
let found = null; // what the server says of the end of the text
let foundFrom = 0; // where that end begins
let writing = null; // aborts the request
let here = -1; // the token that is pointed at
let chosen = null; // the unit: { layer, index }
let lookedAt = 0;
let strongest = 1; // value of the unit in the text that is shown

export function begin({ limits }) {
  shown = Math.min(shown, limits.max_inspected);
  const most = Math.min(SLIDERS.length.max, limits.max_length), { min, value } = SLIDERS.length;
  const ranges = { ...SLIDERS, length: { ...SLIDERS.length, min: Math.min(min, most), max: most, value: Math.min(value, most) } };
  for (const [name, range] of Object.entries(ranges)) sliders[name] = slider($("write-sliders"), name, name, range);
  $("write-form").addEventListener("submit", (event) => {
    event.preventDefault();
    start($("write-prompt").value);
  });
  $("write-continue").addEventListener("click", () => start(text));
  $("write-stop").addEventListener("click", () => writing?.abort());
  $("write-colour").addEventListener("change", () => {
    $("write-unit").hidden = $("write-colour").value !== "unit";
    look();
  });
  $("write-feature").addEventListener("change", fillRanked);
  $("write-ranked").addEventListener("change", () => {
    const [layer, index] = $("write-ranked").value.split(",").map(Number);
    chosen = { layer, index };
    look();
  });
  $("write-value").addEventListener("change", () => look());
  $("write-mark").addEventListener("mousedown", (event) => event.preventDefault()); // the selection stays
  $("write-mark").addEventListener("click", mark);
  $("write-unmark").addEventListener("click", () => {
    marked = [];
    look();
  });
  const box = $("write-text");
  box.addEventListener("pointerover", (event) => event.target.dataset.token && point(Number(event.target.dataset.token)));
  box.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -40, ArrowDown: 40, Home: -1e9, End: 1e9 };
    if (!found || !(event.key in moves) || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    const to = here + moves[event.key], last = found.tokens.length - 1;
    if (event.shiftKey) select(Math.max(0, here), Math.max(0, to));
    else getSelection().removeAllRanges();
    point(Math.max(0, Math.min(last, to)));
  });
  for (const id of ["write-model"]) $(id).addEventListener("change", () => { chosen = null; look(); });
  document.addEventListener("language", () => show());
  show();
}

export function closed() {
  writing?.abort();
}

async function start(prompt) {
  writing?.abort();
  const own = new AbortController();
  writing = own;
  showError(null);
  text = prompt;
  if (prompt === $("write-prompt").value) {
    given = Array.from(prompt).length;
    marked = [];
  }
  found = null;
  here = -1;
  buttons(true);
  show();
  $("write-status").textContent = say("writing");
  const options = Object.fromEntries(Object.entries(sliders).map(([name, input]) => [name, Number(input.value)]));
  const seed = $("write-seed").value === "" ? {} : { seed: Math.max(0, Math.floor(Number($("write-seed").value))) };
  let last = { reason: "you" }, failed = null;
  try {
    for await (const event of events("/v1/generate", { model: $("write-model").value, prompt, stream: true, ...options, ...seed }, own.signal)) {
      if (event.done) last = event;
      else {
        text += event.text;
        $("write-text").append(event.text);
        if (colour() !== "none" && performance.now() - lookedAt > OFTEN) look();
      }
    }
  } catch (error) {
    if (error.name !== "AbortError") failed = error;
  }
  if (writing !== own) return; // another text has begun
  writing = null;
  buttons(false);
  const unknown = last.unknown?.length ? ` ${say("unknownCharacters", last.unknown.join(" "))}` : "";
  const wrote = say("wrote", Array.from(text).length, last.seed ?? "–", say(`reason${last.reason}`)) + unknown;
  $("write-status").textContent = failed ? "" : wrote;
  await look();
  if (failed) showError(failed);
}

function buttons(busy) {
  $("write-stop").disabled = !busy;
  $("write-continue").disabled = busy || !text;
}

const colour = () => $("write-colour").value;

// Asks what the model makes of the end of the text, and colours it.
const look = latest(async () => {
  if (!text || !$("write-model").value) return;
  lookedAt = performance.now();
  const characters = Array.from(text);
  const from = Math.max(0, characters.length - shown), of = text;
  const wantsUnit = colour() === "unit";
  const body = { model: $("write-model").value, text: characters.slice(from).join(""), rank: wantsUnit };
  const own = marked.map(([a, b]) => [a - from, b - from]).filter(([a, b]) => b > 0).map(([a, b]) => [Math.max(0, a), b]);
  if (wantsUnit) body.marked = own;
  if (wantsUnit && chosen) body.unit = { ...chosen, value: $("write-value").value || "h" };
  const answer = await ask("/v1/inspect", body);
  if (!text.startsWith(of) || body.model !== $("write-model").value) return; // another text or model
  found = answer;
  foundFrom = from;
  if (wantsUnit) {
    fillUnits();
    if (!chosen) fillRanked();
  }
  show();
});

function fillUnits() {
  const features = Object.keys(found.ranked);
  if (marked.length && !features.includes("marked")) features.push("marked"); // the answer was asked for before the mark
  const feature = $("write-feature"), value = $("write-value");
  const [before, beforeValue] = [feature.value, value.value];
  feature.replaceChildren(...features.map((name) => make("option", { value: name }, say(name))));
  feature.value = features.includes(before) ? before : features[0] ?? "";
  value.replaceChildren(...found.values.map((name) => make("option", { value: name }, name)));
  value.value = found.values.includes(beforeValue) ? beforeValue : "h";
  fillNames();
}

function fillNames() {
  const units = found.ranked[$("write-feature").value] ?? [];
  const select = $("write-ranked");
  select.replaceChildren(...units.map((u) => make("option", { value: `${u.layer},${u.index}` }, say("unitName", u.layer + 1, u.index, u.correlation.toFixed(2)))));
  if (chosen) {
    const own = `${chosen.layer},${chosen.index}`;
    if (![...select.options].some((o) => o.value === own)) select.append(make("option", { value: own }, say("unitName", chosen.layer + 1, chosen.index, "–")));
    select.value = own;
  }
}

// The best unit of the feature that was chosen.
function fillRanked() {
  const best = found?.ranked?.[$("write-feature").value]?.[0];
  if (!best) return;
  chosen = { layer: best.layer, index: best.index };
  fillNames();
  look();
}

// Extends the selection to before a token, or to the end. A new one begins before the token `from`.
function select(from, to) {
  const box = $("write-text"), selection = getSelection();
  const placeOf = (k) => (k < found.tokens.length ? [box.querySelector(`[data-token="${k}"]`), 0] : [box, box.childNodes.length]);
  const [start, end] = [placeOf(from), placeOf(to)];
  if (!start[0] || !end[0]) return;
  if (selection.isCollapsed || !box.contains(selection.anchorNode)) selection.collapse(...start);
  selection.extend(...end);
}

function mark() {
  const selection = getSelection(), box = $("write-text");
  if (!found || !selection.rangeCount || selection.isCollapsed || !box.contains(selection.anchorNode) || !box.contains(selection.focusNode)) return;
  const range = selection.getRangeAt(0), before = document.createRange();
  before.setStart(box, 0);
  before.setEnd(range.startContainer, range.startOffset);
  const start = Array.from(before.toString()).length;
  marked.push([start, start + Array.from(range.toString()).length]);
  $("write-feature").append(make("option", { value: "marked" }, say("marked")));
  $("write-feature").value = "marked";
  chosen = null;
  look();
}

// ------------------------------------------------------------------------------------------------------ what is seen

function show() {
  if (found) strongest = strongestValue();
  const box = $("write-text"), characters = Array.from(text);
  const atEnd = box.scrollTop + box.clientHeight > box.scrollHeight - 40;
  const nodes = [];
  const span = (from, to, token) => {
    if (from >= to) return;
    const node = make("span", {}, characters.slice(from, to).join(""));
    if (from < given) node.classList.add("given");
    if (marked.some(([a, b]) => from < b && to > a)) node.classList.add("mark");
    if (token !== undefined) {
      node.dataset.token = String(token);
      const value = colourValue(found.tokens[token]);
      if (value) node.style.backgroundColor = colourOf(value);
    }
    nodes.push(node);
  };
  if (!found) {
    span(0, Math.min(given, characters.length));
    span(given, characters.length);
  } else {
    span(0, Math.min(given, foundFrom));
    span(Math.min(given, foundFrom), foundFrom);
    let at = foundFrom;
    found.tokens.forEach(({ start, end }, k) => {
      span(at, foundFrom + start);
      span(Math.max(at, foundFrom + start), foundFrom + end, k);
      at = Math.max(at, foundFrom + end);
    });
    span(at, characters.length);
  }
  draw(box, nodes);
  if (atEnd) box.scrollTop = box.scrollHeight;
  $("write-unmark").disabled = !marked.length;
  legend();
  point(here);
}

// Puts nodes into the box. If only their colours differ from what is there, that stays, with what is selected in it.
function draw(box, nodes) {
  const old = [...box.childNodes];
  if (old.length !== nodes.length || nodes.some((node, k) => node.textContent !== old[k].textContent || !old[k].dataset)) {
    box.replaceChildren(...nodes);
    return;
  }
  nodes.forEach((node, k) => {
    old[k].className = node.className;
    old[k].style.backgroundColor = node.style.backgroundColor;
    if (node.dataset.token) old[k].dataset.token = node.dataset.token;
    else delete old[k].dataset.token;
  });
}

function strongestValue() {
  return Math.max(...found.tokens.map((t) => Math.abs(t.value ?? 0)), 1e-6);
}

function colourValue(token) {
  if (colour() === "surprise") return token.surprise === null ? 0 : -Math.min(1, token.surprise / MOST_NATS);
  if (colour() === "unit" && token.value !== null) return token.value / strongest;
  return 0;
}

function legend() {
  const line = $("write-legend");
  line.hidden = colour() === "none" || !found;
  if (line.hidden) return;
  const parts = [colour() === "surprise" ? say("legendSurprise") : say("legendUnit", strongest.toFixed(2))];
  if (foundFrom > 0) parts.push(say("onlyEnd", shown));
  line.textContent = parts.join(" ");
}

const visible = (token) => `“${token.replaceAll("\n", "⏎").replaceAll(" ", "␣").replaceAll("\t", "⇥")}”`;

function point(k) {
  const box = $("write-text"), next = $("write-next");
  box.querySelector(".here")?.classList.remove("here");
  here = k;
  if (!found || k < 0 || k >= found.tokens.length) {
    next.replaceChildren(make("p", { class: "quiet" }, say("hover")));
    return;
  }
  const node = box.querySelector(`[data-token="${k}"]`);
  node?.classList.add("here");
  if (document.activeElement === box) node?.scrollIntoView({ block: "nearest" });
  const token = found.tokens[k], characters = Array.from(text);
  const own = (t) => characters.slice(foundFrom + t.start, foundFrom + t.end).join("");
  const came = found.tokens[k + 1] && own(found.tokens[k + 1]);
  const lines = [];
  if (token.surprise !== null) lines.push(say("surpriseOf", visible(own(token)), token.surprise.toFixed(2)));
  if (token.value !== null) lines.push(say("valueOf", token.value.toFixed(3)));
  const rows = token.likeliest.map(([name, p]) => [visible(name), p, `${(p * 100).toFixed(1)} %${name === came ? ` ← ${say("came")}` : ""}`, name === came]);
  next.replaceChildren(make("p", {}, lines.join(" ")), make("p", {}, say("expected", visible(own(token)))), bars(rows));
}
