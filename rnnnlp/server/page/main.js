// The page: which view is open, the language, the theme, and the models.

import { $, ask, fillModels, showError, takeToken } from "./tools.js";
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

function remember(select, name, usual, apply) {
  select.value = localStorage.getItem(name) ?? usual;
  if (!select.value) select.value = usual;
  apply(select.value);
  select.addEventListener("change", () => {
    localStorage.setItem(name, select.value);
    apply(select.value);
  });
}

remember($("theme"), "theme", "auto", (theme) => {
  if (theme === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
});
remember($("language"), "language", preferredLanguage(), useLanguage);
document.addEventListener("language", open);
addEventListener("hashchange", () => (takeToken() || !models ? load() : open()));
document.querySelector(".skip").addEventListener("click", (event) => {
  event.preventDefault();
  $("main").focus();
});

async function load() {
  open();
  try {
    models = await ask("/v1/models");
    fillModels($("write-model"), models.models, "language model");
    fillModels($("classify-model"), models.models, "classifier");
    open();
  } catch (error) {
    showError(error);
  }
}

await load();
document.documentElement.dataset.ready = "yes";
