// Prints what exported folders answer in node, a line for each: node answers.mjs FOLDER... < request.json
//     {"texts": [...]}                        -> logits, probabilities and label of each text
//     {"texts": [...], "only": "ids"}         -> the ids of each text
//     {"prompt": "...", "length": n}          -> what a language model writes at temperature 0

import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";

const folders = process.argv.slice(2).map((folder) => pathToFileURL(`${folder}/`));
const { open } = await import(new URL("rnnnlp.js", folders[0]));
const request = JSON.parse(await text(process.stdin));
for (const folder of folders) {
  const model = await open(folder, (name) => readFile(new URL(name, folder)));
  let answer;
  if (request.only === "ids") {
    const readers = model.readers ?? [model.reader];
    answer = { ids: request.texts.map((one) => readers.map((reader) => reader.encode(one))) };
  } else if (request.texts) {
    answer = { found: await model.classify(request.texts) };
  } else {
    answer = { text: await model.generate(request.prompt, { length: request.length, temperature: 0 }) };
  }
  console.log(JSON.stringify(answer));
  await model.session.release();
}
