// Tables as text, read as Python does (rnnnlp/text/delimited.py): csv and tsv, or one text on each line.

import { say } from "./texts.js";

// The usual names of columns, as in rnnnlp/text/tables.py.
export const TEXT_COLUMNS = ["text", "sentence", "review", "content", "comment", "body", "review_body", "reviewtext"];
export const LABEL_COLUMNS = ["label", "labels", "sentiment", "class", "category", "target", "stars", "rating", "polarity"];
export const CHINESE_TEXTS = ["文字", "內容", "評論"]; // in pasted tables, and preselected
const CHINESE_COLUMNS = [...CHINESE_TEXTS, "標籤"];
const SEPARATORS = { ",": "commas", "\t": "tabs", ";": "semicolons", "|": "verticalBars" };
const SEPARATOR_LINE = /^"?sep=([,;|:\t^~])"?$/; // the first line that Excel understands
const MARKS = { "utf-8": [0xef, 0xbb, 0xbf], "utf-16le": [0xff, 0xfe], "utf-16be": [0xfe, 0xff] };
const JSON_NAME = /\.(json|jsonl|ndjson)$/i;
const TSV_NAME = /\.(tsv|tab)$/i;

// The text of a file: UTF-8, or UTF-16 where it begins with its byte order mark.
export function decode(buffer, name) {
  const bytes = new Uint8Array(buffer);
  const encoding = Object.keys(MARKS).find((key) => MARKS[key].every((byte, k) => bytes[k] === byte)) ?? "utf-8";
  try {
    const text = new TextDecoder(encoding, { fatal: true }).decode(bytes);
    if (!text.includes("\0")) return text;
  } catch {
    // said below
  }
  throw new Error(say("notUtf8", name));
}

// The head (null without one) and the rows of a file, or of what was pasted if it has no name.
export function parseTable(text, name) {
  text = text.replace(/^\ufeff/, "");
  if (JSON_NAME.test(name) || (!TSV_NAME.test(name) && beginsAsJson(text))) throw new Error(say("noJson"));
  if (!text.includes("\n")) text = text.replaceAll("\r", "\n");
  const lines = text.split(/\r?\n|\r$/), isFile = /\.(csv|tsv|tab)$/i.test(name);
  const { before, separator, quoted, blanks } = dialectOf(lines, name, isFile);
  // Blank lines of a file are rows without a text, so that its rows are its lines; nothing follows the last line end.
  const plain = (from) => lines.slice(from, lines.at(-1) ? undefined : -1)
    .filter((line) => name || line.trim()).map((line) => [line.trim() ? line : ""]);
  if (!separator) return { head: null, rows: plain(0) };
  const header = lines[before] ?? "";
  if (!name && !header.includes(separator)) return { head: [header.replaceAll('"', "").trim()], rows: plain(before + 1) };
  const found = quoted ? records(text, before, separator, blanks) : bareRecords(lines, before, separator);
  const head = found.next().value?.row.map((cell) => (quoted ? cell.trim() : cell.trim().replace(/^"+|"+$/g, ""))) ?? [];
  const rows = [];
  for (const { row, line } of found) {
    if (quoted && separator === "\t" && swallows(row)) throw new Error(say("swallowedRows", line));
    if (row.length === head.length) rows.push(row);
    else if (row.some((cell) => cell.trim())) {
      if (!name && !rows.length) return { head: null, rows: plain(0) }; // the first line was a sentence
      rows.push(completed(row, head, line, separator));
    }
  }
  return { head, rows };
}

// Whether text begins as an array of objects, or as one object per line (rnnnlp/text/formats.py).
function beginsAsJson(text) {
  if (!/^\s*\{/.test(text)) return /^\s*\[\s*(\{|\]\s*$)/.test(text);
  try {
    return Boolean(JSON.parse(text.trimStart().split("\n", 1)[0]));
  } catch {
    return false;
  }
}

// How the fields are written: the number of lines before the header, what separates fields, whether quotation marks
// enclose them, and whether blanks after a separator are left out. Without a separator each line is a text.
function dialectOf(lines, name, isFile) {
  const blank = Math.max(0, lines.findIndex((line) => line.trim()));
  const given = SEPARATOR_LINE.exec(lines[blank] ?? "")?.[1];
  const before = blank + (given ? 1 : 0);
  const header = lines[before] ?? "", next = lines[before + 1] ?? "";
  const named = (separator, wanted) => fieldsOf(header, separator).some((field) => wanted.includes(field.toLowerCase()));
  const usual = [...TEXT_COLUMNS, ...LABEL_COLUMNS], candidates = Object.keys(SEPARATORS);
  if (TSV_NAME.test(name)) candidates.unshift("\t");
  const inHeader = candidates.filter((separator) => header.includes(separator));
  let separator = given ?? inHeader.find((s) => named(s, usual)) ?? inHeader[0] ?? candidates[0];
  if (name && !isFile) separator = inHeader.find((s) => named(s, TEXT_COLUMNS) && named(s, LABEL_COLUMNS));
  else if (!isFile && !given) separator = [...inHeader, candidates[0]].find((s) => named(s, [...usual, ...CHINESE_COLUMNS]));
  if (!separator || (name && !isFile && (before || lines.length < 2))) return {};
  const shape = separator.replace(/[|^]/, "\\$&");
  const blanks = separator !== "\t" && header.includes(separator)
    && (!new RegExp(`${shape}(?! )`).test(header.trimEnd()) || new RegExp(`${shape} +"`).test(next));
  return { before, separator, quoted: isQuoted(lines, separator), blanks };
}

const fieldsOf = (line, separator) => (records(line, 0, separator, true, false).next().value?.row ?? []).map((field) => field.trim());

// In a tsv file, quotation marks are characters like others if all lines have the same number of fields without them.
function isQuoted(lines, separator) {
  if (separator !== "\t") return true;
  const text = lines.join("\n"), count = (shape) => text.match(shape)?.length ?? 0;
  const begun = count(/(?<=^|[\t\n])"/g), whole = count(/(?<=^|[\t\n])"(?:[^"\n]|"")*"(?=[\t\n]|$)/g);
  const numbers = new Set(lines.filter((line) => /\t|\S/.test(line)).map((line) => line.split(separator).length));
  const agree = numbers.size === 1 && !numbers.has(1);
  return begun > 0 && (!agree || begun === whole);
}

// The row of a record that has more or fewer fields than the header, where the difference is of empty ones.
function completed(row, head, line, separator) {
  if (row.length > head.length && row.slice(head.length).every((cell) => !cell.trim())) return row.slice(0, head.length);
  const missing = head.slice(row.length);
  if (missing.length && missing.every((name) => !name)) return [...row, ...missing]; // the header ends in separators
  const kind = separator in SEPARATORS ? say(SEPARATORS[separator]) : separator;
  throw new Error(say(row.length > head.length ? "moreFields" : "fewerFields", line, row.length, head.length, kind));
}

// Whether the first and the last of the lines of a tsv record would be rows by themselves, without quoting.
function swallows(row) {
  const first = row.findIndex((cell) => cell.includes("\n")), last = row.findLastIndex((cell) => cell.includes("\n"));
  if (first < 0) return false;
  const tabsOfFirst = first + row[first].split("\n")[0].split("\t").length - 1;
  const tabsOfLast = row[last].split("\n").at(-1).split("\t").length - 1 + row.length - 1 - last;
  return tabsOfFirst === row.length - 1 && tabsOfLast === row.length - 1;
}

// The fields of each line, where quotation marks are characters like others.
function* bareRecords(lines, before, separator) {
  for (let k = before; k < lines.length; k++) if (lines[k]) yield { row: lines[k].split(separator), line: k + 1 };
}

// The records of a table whose quotation marks enclose fields, each with the number of its first line.
function* records(text, before, separator, blanks, strict = true) {
  let at = 0, line = before + 1;
  for (let k = 0; k < before; k++) at = text.indexOf("\n", at) + 1;
  while (at < text.length) {
    const row = [], first = line;
    while (row.length || !/[\r\n]/.test(text[at])) { // a field; an empty line has none
      let cell = "";
      while (blanks && text[at] === " ") at++;
      if (text[at] === '"') {
        const opened = line;
        for (at++; text[at] !== '"' || text[at + 1] === '"'; at++) {
          if (at >= text.length) {
            if (strict) throw new Error(say("openQuote", opened));
            break;
          }
          if (text[at] === '"') at++;
          if (text[at] === "\n") line++;
          cell += text[at];
        }
        at++;
        if (strict && at < text.length && text[at] !== separator && !/[\r\n]/.test(text[at])) throw new Error(say("afterQuote", line));
      }
      while (at < text.length && text[at] !== separator && text[at] !== "\n" && text[at] !== "\r") cell += text[at++];
      row.push(cell);
      if (text[at] !== separator) break;
      at++;
    }
    const bare = text[at] === "\r";
    while (text[at] === "\r") at++; // a table that was written with Windows line ends twice has \r\r\n
    if (bare && strict && at < text.length && text[at] !== "\n") throw new Error(say("carriageReturn", line));
    at++;
    line++;
    yield { row, line: first };
  }
}

// A table as csv. A spreadsheet reads UTF-8 if the file begins with a byte order mark.
export function writeTable(rows) {
  const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  const table = rows.map((row) => row.map(quoted).join(",") + "\r\n").join("");
  return /[^\0-\x7f]/.test(table) ? `\ufeff${table}` : table;
}
