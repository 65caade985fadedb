// Runs an exported model: text to ids by its tokenizer.json, ids through model.onnx, logits to probabilities or text.
//
//     import { open } from "./rnnnlp.js";
//     const model = await open(new URL("./", import.meta.url));
//     await model.classify(["a text"]);                 // of a classifier: [{ label, probabilities, unknownWords }]
//     await model.generate("It was", { length: 200 });  // of a language model

import * as ort from "./vendor/ort.wasm.min.mjs";
import { Tokenizer } from "./vendor/tokenizers.min.mjs";

ort.env.wasm.numThreads = 1; // more need a server that sends the headers of cross-origin isolation
ort.env.wasm.wasmPaths = new URL("./vendor/", import.meta.url).href;

const PYTHON_SPACES = /[\t-\r\x1c-\x20\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/u;
const PART = 256; // tokens of a prompt that are read at a time
const LABELS = { // from names of classes
  int: (name) => (Number.isSafeInteger(Number(name)) ? Number(name) : name), // a longer one would lose digits
  float: Number,
  bool: (name) => name.toLowerCase() === "true",
};

/** Opens the model in a folder.
 *
 * @param {URL} folder - Where the exported files are.
 * @param {(name: string) => Promise<Uint8Array>} read - Reads one of them; fetches it by default.
 * @returns {Promise<Classifier | LanguageModel>}
 */
export async function open(folder, read = (name) => download(new URL(name, folder))) {
  const json = async (name) => JSON.parse(new TextDecoder().decode(await read(name)));
  const description = await json("model.json");
  const session = await ort.InferenceSession.create(await read("model.onnx"));
  if (description.kind === "classifier") {
    const readers = description.inputs.map(async (input) => new Reader(await json(input.tokenizer)));
    return new Classifier(description, session, await Promise.all(readers));
  }
  return new LanguageModel(description, session, new Reader(await json(description.tokenizer)));
}

async function download(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url.pathname} cannot be read (${response.status})`);
  return new Uint8Array(await response.arrayBuffer());
}

/** Text to ids. */
class Reader {
  constructor(content) {
    this.vocabulary = content.model.vocab;
    this.unknown = content.model.unk_token === null ? null : this.vocabulary[content.model.unk_token];
    this.words = new Set([this.unknown]); // ids with a letter or a digit; an unknown word counts as one
    for (const [token, id] of Object.entries(this.vocabulary)) if (/[\p{L}\p{N}]/u.test(token)) this.words.add(id);
    const steps = content.normalizer?.normalizers ?? [];
    this.lowercase = steps.some((step) => step.type === "Lowercase");
    content.pre_tokenizer.pretokenizers?.forEach(keepLineEnds);
    this.tokenizer = new Tokenizer(content, {});
  }

  encode(text) {
    let whole = text.toWellFormed ? text.toWellFormed() : text;
    // Character by character: the library would take a sigma at the end of a word for another letter.
    if (this.lowercase) whole = Array.from(whole, (character) => character.toLowerCase()).join("");
    const { ids } = this.tokenizer.encode(whole, { add_special_tokens: false });
    return ids.map((id) => id ?? this.unknown); // the library has no id for an unknown word
  }

  /** The share of the words among ids that the vocabulary lacks. */
  unknownShare(ids) {
    if (this.unknown === null) return 0;
    const unknown = ids.filter((id) => id === this.unknown).length;
    return unknown / Math.max(1, ids.filter((id) => this.words.has(id)).length);
  }
}

/** Lets a line keep its end, which the library would split off: it does not know "MergedWithPrevious". */
function keepLineEnds(step) {
  if (step.behavior !== "MergedWithPrevious") return;
  const end = step.pattern.String;
  step.pattern = { Regex: `[^${end}]*${end}|[^${end}]+` };
  step.behavior = "Isolated";
}

/** A classifier of texts. */
export class Classifier {
  constructor(description, session, readers) {
    Object.assign(this, { description, session, readers, labels: description.labels });
  }

  /** The answer to each text.
   *
   * `label` is the most probable one, with the type that it had in training. `probabilities` have the order of `labels`.
   * `unknownWords` is the share of the words that the model does not know: above 0.3, do not rely on the prediction.
   */
  async classify(texts) {
    if (texts.length === 0) return [];
    const feeds = {};
    const whole = texts.map(stripped);
    const unknown = whole.map((text) => (text ? 1 : 0)); // by the member of an ensemble that knows most
    this.description.inputs.forEach((input, k) => {
      const rows = whole.map((text) => clip(this.readers[k].encode(text), input.max_length));
      const filled = rows.map((row) => (row.length ? row : [input.blank]));
      filled.forEach((ids, n) => (unknown[n] = Math.min(unknown[n], this.readers[k].unknownShare(ids))));
      [feeds[input.ids], feeds[input.lengths]] = padded(filled);
    });
    if (this.description.characters) {
      [feeds.characters, feeds.character_lengths] = padded(texts.map(codePoints));
    }
    const { logits, probabilities } = await this.session.run(feeds);
    const K = this.labels.length;
    const valueOf = LABELS[this.description.label_type] ?? String;
    return texts.map((_, k) => {
      const of_text = Array.from(probabilities.data.slice(k * K, (k + 1) * K));
      const label = valueOf(this.labels[of_text.indexOf(Math.max(...of_text))]);
      const of_logits = Array.from(logits.data.slice(k * K, (k + 1) * K));
      return { label, probabilities: of_text, logits: of_logits, unknownWords: unknown[k] };
    });
  }
}

/** Half of the ids from the beginning, and the rest from the end. */
function clip(ids, length) {
  if (ids.length <= length) return ids;
  const head = Math.floor(length / 2);
  return [...ids.slice(0, head), ...ids.slice(ids.length - (length - head))];
}

/** A text without the white space around it. */
function stripped(text) {
  let [start, end] = [0, text.length];
  while (start < end && PYTHON_SPACES.test(text[start])) start++;
  while (start < end && PYTHON_SPACES.test(text[end - 1])) end--;
  return text.slice(start, end);
}

/** The code points of a text in lower case, with one space between words and at both ends. */
function codePoints(text) {
  const words = text.toLowerCase().split(PYTHON_SPACES).filter(Boolean);
  return Array.from(` ${words.join(" ")} `, (character) => character.codePointAt(0));
}

/** Ids `(batch, time)` with zeros behind each row, and the lengths of the rows. */
function padded(rows) {
  const longest = Math.max(...rows.map((row) => row.length));
  const ids = new BigInt64Array(rows.length * longest);
  rows.forEach((row, k) => row.forEach((id, t) => (ids[k * longest + t] = BigInt(id))));
  const lengths = BigInt64Array.from(rows, (row) => BigInt(row.length));
  return [new ort.Tensor("int64", ids, [rows.length, longest]), new ort.Tensor("int64", lengths, [rows.length])];
}

/** A language model that writes. */
export class LanguageModel {
  constructor(description, session, reader) {
    Object.assign(this, { description, session, reader });
    this.tokens = tokenBytes(reader.vocabulary, description.tokenizer_kind);
  }

  /** Writes text behind a prompt.
   *
   * @param {string} prompt
   * @param {object} options - `length` in tokens (500 by default), `temperature` (0.8; 0: always the most probable),
   *     `topK` (0: all), `random` (a function as Math.random), `onText` (called with each new part of the text),
   *     `signal` (to stop).
   * @returns {Promise<string>} The new text.
   * @throws {TypeError | RangeError} If an option is unknown or its value is invalid.
   */
  async generate(prompt, options = {}) {
    const { length, temperature, topK, random, onText, signal } = checked(options);
    const read = this.reader.encode(prompt || "\n");
    let state = this.zeroState();
    let ids = read.length ? read : [this.reader.unknown ?? 0];
    const continues = prompt && read.length && !PYTHON_SPACES.test(prompt.at(-1)); // a token of it comes before
    for (; ids.length > PART && !signal?.aborted; ids = ids.slice(PART)) {
      ({ state } = await this.step(ids.slice(0, PART), state));
      await new Promise((resolve) => setTimeout(resolve));
    }
    const decoder = new TextDecoder("utf-8", { ignoreBOM: true }); // a model may begin with U+FEFF
    const separator = new TextEncoder().encode(this.description.separator);
    let text = "";
    for (let made = 0; made < length && !signal?.aborted; made++) {
      const logits = await this.step(ids, state);
      state = logits.state;
      const id = sample(logits.last, { temperature, topK, random, unknown: this.reader.unknown });
      let part = (made || continues) && separator.length ? decoder.decode(separator, { stream: true }) : "";
      part += decoder.decode(this.tokens[id], { stream: true });
      text += part;
      if (part) onText(part);
      ids = [id];
      if (made % 8 === 7) await new Promise((resolve) => setTimeout(resolve)); // the page stays alive
    }
    const rest = decoder.decode();
    if (rest) onText(rest);
    return text + rest;
  }

  /** The state before any text. */
  zeroState() {
    const { layers, hidden_size, states } = this.description;
    const zeros = () => new ort.Tensor("float32", new Float32Array(layers * hidden_size), [layers, 1, hidden_size]);
    return Object.fromEntries(states.map((name) => [name.input, zeros()]));
  }

  /** Reads ids; returns the logits of the id that follows, and the state behind them. */
  async step(ids, state) {
    const input = new ort.Tensor("int64", BigInt64Array.from(ids, BigInt), [1, ids.length]);
    const found = await this.session.run({ ids: input, ...state });
    const V = this.description.vocab_size;
    const after = this.description.states.map((name) => [name.input, found[name.output]]);
    return { last: found.logits.data.slice((ids.length - 1) * V), state: Object.fromEntries(after) };
  }
}

/** The options of `generate` with their defaults. */
function checked(options) {
  const { signal, ...given } = options;
  const found = { length: 500, temperature: 0.8, topK: 0, random: Math.random, onText: () => {} };
  for (const [name, value] of Object.entries(given)) {
    if (!Object.hasOwn(found, name)) {
      throw new TypeError(`there is no option ${name}; there are ${Object.keys(found).join(", ")} and signal`);
    }
    if (value === undefined) continue;
    if (typeof value !== typeof found[name]) throw new TypeError(`${name} must be a ${typeof found[name]}`);
    found[name] = value;
  }
  for (const name of ["length", "topK"]) {
    if (!Number.isInteger(found[name]) || found[name] < 0) {
      throw new RangeError(`${name} is ${found[name]}; it must be an integer of at least 0`);
    }
  }
  if (!(found.temperature >= 0 && found.temperature < Infinity)) {
    throw new RangeError(`temperature is ${found.temperature}; it must be at least 0 and finite`);
  }
  return { ...found, signal };
}

/** The bytes of each id. */
function tokenBytes(vocabulary, kind) {
  const tokens = [];
  const bytes = kind === "byte" || kind === "bpe" ? byteSymbols() : null;
  const encoder = new TextEncoder();
  for (const [token, id] of Object.entries(vocabulary)) {
    tokens[id] = bytes ? Uint8Array.from(token, (symbol) => bytes.get(symbol)) : encoder.encode(token);
  }
  return tokens;
}

/** The byte that each printable character of a byte-level vocabulary stands for. */
function byteSymbols() {
  const symbols = new Map();
  let others = 0;
  for (let byte = 0; byte < 256; byte++) {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    symbols.set(String.fromCodePoint(printable ? byte : 256 + others++), byte);
  }
  return symbols;
}

/** An id drawn from the softmax of logits. */
function sample(logits, { temperature, topK, random, unknown }) {
  const candidates = [];
  logits.forEach((logit, id) => {
    if (id !== unknown && !Number.isNaN(logit)) candidates.push([logit, id]);
  });
  candidates.sort((a, b) => b[0] - a[0] || a[1] - b[1]);
  if (candidates.length === 0) return unknown === 0 ? Math.min(1, logits.length - 1) : 0;
  if (temperature === 0) return candidates[0][1];
  const kept = topK > 0 ? candidates.slice(0, topK) : candidates;
  const weights = kept.map(([logit]) => Math.exp((logit - kept[0][0]) / temperature));
  let place = random() * weights.reduce((total, weight) => total + weight, 0);
  for (let k = 0; k < kept.length; k++) {
    place -= weights[k];
    if (place < 0) return kept[k][1];
  }
  return kept[kept.length - 1][1];
}
