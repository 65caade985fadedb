// The page: what is typed goes to the model, and its answer is shown. Nothing leaves this computer.

import { Classifier, open } from "./rnnnlp.js";

const element = (id) => document.getElementById(id);
const status = element("status");
const READY = "Ready. What you type stays on this computer.";
const HARDLY_KNOWN = 0.3; // share of unknown words, as for the warning of `rnnnlp predict`

try {
  const model = await open(new URL("./", import.meta.url));
  document.body.dataset.kind = model instanceof Classifier ? "classifier" : "writer";
  if (model instanceof Classifier) showClassifier(model);
  else showWriter(model);
  showReady();
  document.body.dataset.ready = "yes";
} catch (error) {
  status.textContent = `The model cannot be opened: ${error.message}`;
  status.classList.add("error");
}

function showClassifier(model) {
  document.title = element("title").textContent = "Classify a text";
  element("classifier").hidden = false;
  const rows = model.labels.map((label) => {
    const row = element("row").content.cloneNode(true).firstElementChild;
    row.querySelector(".label").textContent = label;
    element("classes").append(row);
    return row;
  });
  let latest = 0;
  const input = element("text");
  const classify = async () => {
    const number = ++latest;
    const text = input.value;
    let found = null, failed = null;
    try {
      if (text.trim()) [found] = await model.classify([text]);
    } catch (error) {
      failed = error;
    }
    if (number !== latest) return; // more was typed meanwhile
    if (failed) showError(failed);
    else showReady();
    element("result").hidden = !found;
    if (!found) return;
    const best = found.probabilities.indexOf(Math.max(...found.probabilities));
    element("label").textContent = model.labels[best];
    const unknown = `The model does not know ${Math.round(100 * found.unknownWords)} % of the words. Do not rely on its prediction.`;
    element("unknown").textContent = found.unknownWords > HARDLY_KNOWN ? unknown : "";
    rows.forEach((row, k) => {
      const share = `${(100 * found.probabilities[k]).toFixed(1)} %`;
      row.querySelector(".share").textContent = share;
      row.querySelector(".bar > span").style.width = share.replace(" ", "");
      row.classList.toggle("best", k === best);
    });
  };
  input.addEventListener("input", classify);
  classify();
  input.focus();
}

function showWriter(model) {
  document.title = element("title").textContent = "Let the model write";
  element("writer").hidden = false;
  const button = element("write");
  const temperature = element("temperature");
  const shown = () => (element("temperature-value").textContent = Number(temperature.value).toFixed(1));
  temperature.addEventListener("input", shown);
  shown();
  let running = null;
  button.addEventListener("click", async () => {
    if (running) {
      running.abort();
      return;
    }
    running = new AbortController();
    button.textContent = "Stop";
    showReady();
    const prompt = element("prompt").value;
    const output = element("output");
    output.replaceChildren(Object.assign(document.createElement("b"), { textContent: prompt }));
    const written = document.createTextNode("");
    output.append(written);
    output.hidden = false;
    try {
      await model.generate(prompt, {
        length: Math.max(1, Math.min(10000, Math.round(Number(element("length").value)) || 1)),
        temperature: Number(temperature.value),
        onText: (part) => written.appendData(part),
        signal: running.signal,
      });
    } catch (error) {
      showError(error);
    } finally {
      running = null;
      button.textContent = "Write";
      output.dataset.done = "yes";
    }
  });
}

function showReady() {
  status.textContent = READY;
  status.classList.remove("error");
}

function showError(error) {
  status.textContent = `Something went wrong: ${error.message}`;
  status.classList.add("error");
}
