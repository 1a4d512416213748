// Makes test/Kvasir.Test/Fixtures/Tokenizers/words-*.ids: what the references give for other ways of cutting words than the vocabularies were trained with.
// Usage: node words.mjs node_modules-folder fixtures-folder. See README.md.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import zlib from "node:zlib";
import { pathToFileURL } from "node:url";
import { ggufFile } from "./gguf.mjs";

const [modules, fixtures] = process.argv.slice(2);
const { getLlama } = await import(pathToFileURL(path.join(modules, "node-llama-cpp/dist/index.js")).href);
const { Tokenizer } = await import(pathToFileURL(path.join(modules, "@huggingface/tokenizers/dist/tokenizers.mjs")).href);
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });
// As in goldens.mjs.
String.prototype.trimStart = function () { return this.replace(/^\p{White_Space}+/u, ""); };
String.prototype.trimEnd = function () { return this.replace(/\p{White_Space}+$/u, ""); };
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

// [vocabulary, name, what is changed in its tokenizer.json]: families whose folders are cut otherwise.
const contraction = "(?i:'s|'t|'re|'ve|'m|'ll|'d)", tail = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+", before = "[^\\r\\n\\p{L}\\p{N}]?";
const [upper, lower] = ["[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]", "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"];
const mark = { type: "Replace", pattern: { String: " " }, content: "\u2581" };
const folders = [
  ["llama3", "gpt-4o.json", { split: `${before}${upper}*${lower}+${contraction}?|${before}${upper}+${lower}*${contraction}?|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${tail}` }],
  ["qwen2", "seed.json", { split: `${contraction}|${before}\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|${tail}` }],
  ["llama3", "deepseek.json", { splits: ["\\p{N}{1,3}", "[\u4E00-\u9FA5\u3040-\u309F\u30A0-\u30FF]+",
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r\\n]*|" + tail] }],
  ["cjk", "gemma.json", { normalizer: mark, pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false } }],
];

for (const [vocabulary, name, { split, splits = split ? [split] : [], ...change }] of folders) {
  const json = JSON.parse(unpack(vocabulary + ".json")), changed = { ...json, ...change };
  const [cut, bytes] = json.pre_tokenizer?.pretokenizers ?? [];
  if (splits.length > 0) changed.pre_tokenizer = { ...json.pre_tokenizer, pretokenizers: [...splits.map((Regex) => ({ ...cut, pattern: { Regex } })), bytes] };
  const encode = (tokenizer) => corpus.map((line) => (line === "" ? [] : tokenizer.encode(line, { add_special_tokens: false }).ids));
  pack(name, vocabulary, encode(new Tokenizer(json, {})), encode(new Tokenizer(changed, {})));
}

for (const [vocabulary, own, other] of cuts) {
  const gguf = unpack(vocabulary + ".gguf");
  pack(other, own, await tokensOf(gguf), await tokensOf(withPre(gguf, own, other)));
}

// Gemma 4's in GGUF, which no other vocabulary has: merges over characters, words that end at line breaks, and runs of these that are pieces.
const cjk = JSON.parse(unpack("cjk.json")), runs = ["\n\n", "\n\n\n"], pieces = [];
for (const [piece, id] of Object.entries(cjk.model.vocab)) pieces[id] = piece;
for (const token of cjk.added_tokens) pieces[token.id] = token.content;
pieces.push(...runs.filter((run) => !pieces.includes(run)));
const kinds = pieces.map((piece) => (/^<0x[0-9A-F]{2}>$/.test(piece) ? 6 : 1));
for (const token of cjk.added_tokens) kinds[token.id] = token.content === "<unk>" ? 2 : token.special ? 3 : 4;
const gemma4 = ggufFile("gemma4", [
  ["tokenizer.ggml.model", "string", "gemma4"], ["tokenizer.ggml.tokens", "string", pieces], ["tokenizer.ggml.token_type", "i32", kinds],
  ["tokenizer.ggml.merges", "string", cjk.model.merges.map((pair) => pair.join(" "))], ["tokenizer.ggml.bos_token_id", "u32", 1], ["tokenizer.ggml.eos_token_id", "u32", 2],
  ["tokenizer.ggml.add_bos_token", "bool", false],
]);
fs.writeFileSync(path.join(fixtures, "gemma4.gguf.br"), zlib.brotliCompressSync(gemma4));
pack("gemma4", "nothing", corpus.map(() => [-1]), await tokensOf(gemma4));
process.exit(0);

function pack(other, own, base, lines) {
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
