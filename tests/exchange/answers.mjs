// Prints what an exported folder answers in node: node answers.mjs FOLDER < request.json
//     {"texts": [...]}                        -> logits and ids of each text
//     {"prompt": "...", "length": n}          -> what a language model writes at temperature 0

import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const folder = pathToFileURL(`${process.argv[2]}/`);
const { open } = await import(new URL("rnnnlp.js", folder));
const model = await open(folder, (name) => readFile(new URL(name, folder)));
const request = JSON.parse(await text(process.stdin));
if (request.texts) {
  const found = await model.classify(request.texts);
  const ids = request.texts.map((one) => model.readers.map((reader) => reader.encode(one)));
  console.log(JSON.stringify({ found, ids }));
} else {
  const options = { length: request.length, temperature: 0 };
  console.log(JSON.stringify({ text: await model.generate(request.prompt, options) }));
}
