// Elements, requests and messages. Texts of others only ever become text nodes.

import { say } from "./texts.js";

export const $ = (id) => document.getElementById(id);

// An element with attributes and children; strings become text.
export function make(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "class") node.className = value;
    else if (name in node && typeof value !== "string") node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

let said = null; // the error that is shown

export function showError(error) {
  if (error?.name === "AbortError") return;
  said = error;
  const message = $("message");
  message.textContent = error ? error.message : "";
  message.hidden = !error;
}

// Hides an error, also where another action has said the same since; one that says something else stays.
export function takeBack(error) {
  if (error?.message === said?.message) showError(null);
}

const kept = new Map(); // what a storage of the browser did not keep: it throws where data of sites are blocked

// What is remembered in `localStorage` or `sessionStorage`; null if there is nothing.
export function recall(storage, key) {
  if (kept.has(key)) return kept.get(key);
  try {
    return globalThis[storage].getItem(key);
  } catch {
    return null;
  }
}

export function remember(storage, key, value) {
  try {
    globalThis[storage].setItem(key, value);
    kept.delete(key);
  } catch {
    kept.set(key, value);
  }
}

const TOKEN = /^[!-~]+$/; // what a header can have
let declined = false; // to give a token, since the user last did something

for (const name of ["click", "change", "input", "submit"]) addEventListener(name, () => { declined = false; }, true);

// Keeps the token of the address, which then leaves the address. Returns whether there was one.
export function takeToken() {
  const found = /^#token=(.*)$/.exec(location.hash);
  if (!found) return false;
  history.replaceState(null, "", location.pathname + location.search);
  let given = found[1];
  try {
    given = decodeURIComponent(given);
  } catch {
    // a percent sign is part of the token
  }
  if (TOKEN.test(given)) remember("sessionStorage", "token", given);
  return true;
}

takeToken();

// Asks for the token. Returns whether one was given.
function askToken() {
  const given = prompt(say("token"))?.trim();
  declined = !given || !TOKEN.test(given);
  if (given && declined) throw new Error(say("oddToken"));
  if (given) remember("sessionStorage", "token", given);
  return Boolean(given);
}

async function request(path, body, signal) {
  const headers = {};
  const secret = recall("sessionStorage", "token");
  if (secret) headers.authorization = `Bearer ${secret}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, { method: body === undefined ? "GET" : "POST", headers, body: body && JSON.stringify(body), signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error(say("offline"));
  }
  if (response.ok) return response;
  if (response.status === 401) {
    const isOld = recall("sessionStorage", "token") !== secret; // another request has asked for a token since
    if (isOld || (!declined && askToken())) return request(path, body, signal);
  }
  const { error } = await response.json().catch(() => ({}));
  throw new Error(error || response.statusText || `HTTP ${response.status}`);
}

export async function ask(path, body, signal) {
  return (await request(path, body, signal)).json();
}

// The events of a streamed answer.
export async function* events(path, body, signal) {
  const source = (await request(path, body, signal)).body.getReader();
  const decoder = new TextDecoder();
  let waiting = "";
  for (;;) {
    const { done, value } = await source.read();
    if (done) return;
    waiting += decoder.decode(value, { stream: true });
    const lines = waiting.split("\n\n");
    waiting = lines.pop();
    for (const line of lines) yield JSON.parse(line.slice("data: ".length));
  }
}

// Calls at most once at a time: while one call runs, only the last of the others waits. Each may be awaited to the end.
// A call without an error takes back what was shown of the one before.
export function latest(action) {
  let running = false, again = false, ended = null, failed = null;
  async function run() {
    do {
      again = false;
      try {
        await action();
        if (again) continue;
        takeBack(failed);
        failed = null;
      } catch (error) {
        failed = error;
        showError(error);
      }
    } while (again);
    running = false;
  }
  return function call() {
    if (running) again = true;
    else {
      running = true;
      ended = run();
    }
    return ended;
  };
}

export function later(action, milliseconds) {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(action, milliseconds);
  };
}

export function slider(parent, name, key, { min, max, step, value }) {
  const id = `${parent.id}-${name}`;
  const input = make("input", { type: "range", id, min: String(min), max: String(max), step: String(step), value: String(value) });
  const shown = make("output", { for: id }, input.value); // the nearest one that the slider has
  input.addEventListener("input", () => { shown.textContent = input.value; });
  parent.append(make("label", {}, make("span", { "data-text": key }, say(key)), input, shown));
  return input;
}

// The models of a kind as options; with the key of a text, one that names no model comes first. Another model is chosen
// where the one that was is gone.
export function fillModels(select, models, kind, first = null) {
  const before = select.value;
  const options = models.filter((m) => m.kind === kind).map((m) => make("option", { value: m.name }, m.name));
  if (first) options.unshift(make("option", { value: "", "data-text": first }, say(first)));
  select.replaceChildren(...options);
  if ([...select.options].some((o) => o.value === before)) select.value = before;
  $(`${select.id}-none`).hidden = options.length > 0;
  if (select.value !== before) select.dispatchEvent(new Event("change"));
}

// Bars: [name, share, text of the share, whether it is the chosen one].
export function bars(rows) {
  const box = make("div", { class: "bars" });
  for (const [name, share, shown, chosen] of rows) {
    const filled = make("i");
    filled.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
    const kind = chosen ? "chosen" : "";
    box.append(make("span", { class: kind }, name), make("div", { class: "bar", "aria-hidden": "true" }, filled), make("span", { class: kind }, shown));
  }
  return box;
}

// A background between orange (-1), none (0) and blue (1).
export function colourOf(value) {
  const strength = Math.min(1, Math.abs(value)) * 0.5;
  return value >= 0 ? `rgb(60 130 246 / ${strength})` : `rgb(240 130 20 / ${strength})`;
}

export function table(heads, rows, numbers = []) {
  const kind = (k) => (numbers.includes(k) ? "number" : "");
  return make("table", {},
    make("thead", {}, make("tr", {}, ...heads.map((head, k) => make("th", { scope: "col", class: kind(k) }, head)))),
    make("tbody", {}, ...rows.map((row) => make("tr", {}, ...row.map((cell, k) => make("td", { class: kind(k) }, cell))))));
}
