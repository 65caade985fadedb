// The page: which view is open, the language, the theme, and the models.

import { $, ask, fillModels, recall, remember, showError, takeToken } from "./tools.js";
import { say, useLanguage, preferredLanguage } from "./texts.js";
import * as write from "./write.js";
import * as classify from "./classify.js";
import * as understand from "./understand.js";
import * as watch from "./watch.js";

const VIEWS = { write, classify, understand, watch };
const begun = new Set();
let models = null;

function open() {
  const wanted = location.hash.slice(1);
  const kinds = models?.models.map((m) => m.kind) ?? [];
  const usual = !kinds.includes("language model") && kinds.includes("classifier") ? "classify" : "write";
  const name = wanted in VIEWS ? wanted : usual;
  for (const view of Object.keys(VIEWS)) $(`view-${view}`).hidden = view !== name;
  for (const link of $("tabs").children) {
    if (link.hash === `#${name}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${say(name)} – rnnnlp`;
  if (!models) return;
  showError(null);
  if (!begun.has(name)) {
    begun.add(name);
    VIEWS[name].begin(models);
  }
  VIEWS[name].opened?.();
  for (const [view, module] of Object.entries(VIEWS)) if (view !== name && begun.has(view)) module.closed?.();
}

function choice(select, name, usual, apply) {
  select.value = recall("localStorage", name) ?? usual;
  if (!select.value) select.value = usual;
  apply(select.value);
  select.addEventListener("change", () => {
    remember("localStorage", name, select.value);
    apply(select.value);
  });
}

choice($("theme"), "theme", "auto", (theme) => {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
});
choice($("language"), "language", preferredLanguage(), useLanguage);
document.addEventListener("language", open);
addEventListener("hashchange", () => {
  if (takeToken() || !models) load();
  else {
    open();
    look().catch(() => {}); // the models that were there stay; what the view itself asks for says the error
  }
});
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});

// Looks which models there are now.
async function look() {
  models = await ask("/v1/models");
  fillModels($("write-model"), models.models, "language model");
  fillModels($("classify-model"), models.models, "classifier", models.by_script ? "byScript" : null);
}

async function load() {
  open();
  try {
    await look();
    open();
  } catch (error) {
    showError(error);
  }
}

await load();
document.documentElement.dataset.ready = "yes";
