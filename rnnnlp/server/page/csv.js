// Tables as text: csv and tsv with quotes, or one text on each line.

const NAMES = /^(text|texts|review|sentence|content|comment|label|labels|class|id|title|文字|內容|評論|標籤)$/i;

export function parseTable(text, name) {
  text = text.replace(/^\ufeff/, "");
  if (/\.txt$/i.test(name)) return { head: null, rows: lines(text) };
  const first = text.slice(0, text.search(/\r|\n|$/));
  const separator = /\.tsv$/i.test(name) || first.includes("\t") ? "\t" : ",";
  const isTable = /\.(csv|tsv)$/i.test(name) || first.split(separator).some((cell) => NAMES.test(cell.replaceAll('"', "").trim()));
  if (!isTable) return { head: null, rows: lines(text) };
  const rows = cells(text, separator);
  const hasHead = rows.length > 1 && rows[0].some((cell) => NAMES.test(cell.trim()));
  return { head: hasHead ? rows[0] : null, rows: hasHead ? rows.slice(1) : rows };
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
