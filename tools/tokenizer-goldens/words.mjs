// Makes test/Kvasir.Test/Fixtures/Tokenizers/words-*.ids: what llama.cpp gives for other ways of cutting words than the vocabularies were trained with.
// Usage: node words.mjs node_modules-folder fixtures-folder. See README.md.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import zlib from "node:zlib";
import { pathToFileURL } from "node:url";

const [modules, fixtures] = process.argv.slice(2);
const { getLlama } = await import(pathToFileURL(path.join(modules, "node-llama-cpp/dist/index.js")).href);
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });
const unpack = (name) => zlib.brotliDecompressSync(fs.readFileSync(path.join(fixtures, name + ".br")));
const corpus = unpack("corpus.jsonl").toString("utf8").trimEnd().split("\n").map((line) => JSON.parse(line));

// [vocabulary, its own pre-tokenizer, the one that takes its place]: both names are texts of a key, each behind its length.
const cuts = [["llama3", "llama-bpe", "gpt-4o"], ["qwen2", "qwen2", "seed-coder"], ["llama3", "llama-bpe", "hunyuan-dense"]];

function spelled(text) {
  const bytes = Buffer.alloc(8 + text.length);
  bytes.writeBigUInt64LE(BigInt(text.length));
  bytes.write(text, 8);
  return bytes;
}

function withPre(gguf, own, other) {
  const key = gguf.indexOf("tokenizer.ggml.pre") + "tokenizer.ggml.pre".length + 4;
  const old = spelled(own);
  if (!gguf.subarray(key, key + old.length).equals(old)) throw new Error(`the key is not ${own}`);
  return Buffer.concat([gguf.subarray(0, key), spelled(other), gguf.subarray(key + old.length)]);
}

async function tokensOf(gguf) {
  const file = path.join(os.tmpdir(), `words-${process.pid}.gguf`);
  fs.writeFileSync(file, gguf);
  try {
    const model = await llama.loadModel({ modelPath: file, vocabOnly: true, gpuLayers: 0 });
    const tokens = corpus.map((line) => Array.from(model.tokenize(line, false)));
    await model.dispose();
    return tokens;
  } finally {
    fs.rmSync(file);
  }
}

for (const [vocabulary, own, other] of cuts) {
  const gguf = unpack(vocabulary + ".gguf");
  const [base, lines] = [await tokensOf(gguf), await tokensOf(withPre(gguf, own, other))];
  // As goldens.mjs packs them: only lines that differ from the vocabulary's own cut.
  const out = [];
  const varint = (n) => { while (n > 127) { out.push((n & 127) | 128); n >>>= 7; } out.push(n); };
  varint(1);
  let last = 0, differing = 0;
  lines.forEach((ids, i) => {
    if (base[i].length === ids.length && ids.every((id, k) => id === base[i][k])) return;
    differing++;
    [i - last, ids.length, ...ids].forEach(varint);
    last = i;
  });
  const options = { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 11, [zlib.constants.BROTLI_PARAM_LGWIN]: 24 } };
  fs.writeFileSync(path.join(fixtures, `words-${other}.ids.br`), zlib.brotliCompressSync(Buffer.from(out), options));
  console.log(other, lines.length, "lines,", differing, "differ from", own);
}
process.exit(0);
