// Tables as text, read as Python does: csv and tsv, or one text on each line.

const SEPARATORS = [",", "\t", ";", "|"];
const NAMES = /^(text|texts|review|sentence|content|comment|label|labels|class|id|title|文字|內容|評論|標籤)$/i;

export function parseTable(text, name) {
  text = text.replace(/^\ufeff/, "");
  if (/\.txt$/i.test(name)) return { head: null, rows: lines(text) };
  const first = text.slice(0, text.search(/\r|\n|$/));
  const isFile = /\.(csv|tsv|tab)$/i.test(name);
  const separator = separatorOf(first, /\.(tsv|tab)$/i.test(name) ? "\t" : ",");
  if (!isFile && !hasName(first, separator)) return { head: null, rows: lines(text) };
  if (!first.includes(separator)) return { head: [first.replaceAll('"', "").trim()], rows: isFile ? cells(text, separator).slice(1) : lines(text).slice(1) };
  const [head, ...rows] = isQuoted(text, separator) ? cells(text, separator) : lines(text).map(([line]) => line.split(separator));
  if (!isFile && rows.length && rows[0].length !== head.length) return { head: null, rows: lines(text) }; // a sentence
  return { head, rows };
}

const hasName = (header, separator) => header.split(separator).some((cell) => NAMES.test(cell.replaceAll('"', "").trim()));

// What is in the header, and gives a known name if one does.
function separatorOf(header, usual) {
  const found = [usual, ...SEPARATORS].filter((separator) => header.includes(separator));
  return found.find((separator) => hasName(header, separator)) ?? found[0] ?? usual;
}

// In a tsv file, quotation marks are characters like others if all lines have the same number of fields without them.
function isQuoted(text, separator) {
  if (separator !== "\t") return true;
  const rows = lines(text).map(([line]) => line.split(separator));
  const begun = rows.flat().filter((cell) => cell.startsWith('"'));
  return rows.some((row) => row.length !== rows[0].length) || begun.every((cell) => /^"([^"]|"")*"$/.test(cell));
}

function lines(text) {
  return text.split(/\r\n|\n|\r/).filter((line) => line.trim()).map((line) => [line]);
}

function cells(text, separator) {
  const rows = [];
  let row = [], cell = "", quoted = false, isQuoted = false;
  const endRow = () => {
    row.push(cell);
    if (row.length > 1 || row[0].trim() || isQuoted) rows.push(row);
    row = [];
    cell = "";
    isQuoted = false;
  };
  for (let k = 0; k < text.length; k++) {
    const c = text[k];
    if (quoted) {
      if (c !== '"') cell += c;
      else if (text[k + 1] === '"') {
        cell += '"';
        k++;
      } else quoted = false;
    } else if (c === '"' && cell === "") quoted = isQuoted = true;
    else if (c === separator) {
      row.push(cell);
      cell = "";
    } else if (c === "\n" || c === "\r") {
      if (c === "\r" && text[k + 1] === "\n") k++;
      endRow();
    } else cell += c;
  }
  if (cell !== "" || row.length) endRow();
  return rows;
}

export function writeTable(rows) {
  const quoted = (cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  return rows.map((row) => row.map(quoted).join(",") + "\r\n").join("");
}
