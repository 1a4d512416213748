// Makes test/Kvasir.Test/Fixtures/Tokenizers: corpus, vocabularies, and the tokens that the reference implementations give.
// Usage: node goldens.mjs corpus.jsonl stories260K-folder node_modules-folder output-folder. See README.md.

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import zlib from "node:zlib";
import { pathToFileURL } from "node:url";
import { patterns, trainByteLevel, trainCharacters } from "./train.mjs";
import { ggufFile } from "./gguf.mjs";

const [corpusFile, storiesFolder, modules, output] = process.argv.slice(2);
const load = (name) => import(pathToFileURL(path.join(modules, name)).href);
const { Tokenizer } = await load("@huggingface/tokenizers/dist/tokenizers.mjs");
const { getLlama } = await load("node-llama-cpp/dist/index.js");
const llama = await getLlama({ gpu: false, build: "never", logLevel: "error" });

// JavaScript trims U+FEFF and keeps U+0085; the original strips Unicode's White_Space around added tokens.
String.prototype.trimStart = function () { return this.replace(/^\p{White_Space}+/u, ""); };
String.prototype.trimEnd = function () { return this.replace(/\p{White_Space}+$/u, ""); };

const corpus = fs.readFileSync(corpusFile, "utf8").trimEnd().split("\n").map((line) => JSON.parse(line));
const report = [];

const pack = (name, bytes) => fs.writeFileSync(path.join(output, name + ".br"), zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_QUALITY]: 11, [zlib.constants.BROTLI_PARAM_LGWIN]: 24 } }));

const control = ["<|begin_of_text|>", "<|end_of_text|>", "<|eot_id|>", "<|im_start|>", "<|im_end|>"];
const userDefined = ["<tool_call>", "</tool_call>", "<bare>", "\u212Bngstrom"];
const reserved = [...control, ...userDefined, "<strip>", "[INST]", "[/INST]", "<unk>", "<s>", "</s>", "<0x41>"];

// Lines that differ from the base, as varints: the step between the lines tried, then for each line its distance to the last one, count, ids.
function packIds(name, step, lines, base) {
  const out = [];
  const varint = (n) => { while (n > 127) { out.push((n & 127) | 128); n >>>= 7; } out.push(n); };
  varint(step);
  let last = 0, differing = 0, tried = 0;
  lines.forEach((ids, i) => {
    if (ids === undefined) return;
    tried++;
    if (base && base[i].length === ids.length && ids.every((id, k) => id === base[i][k])) return;
    differing++;
    [i - last, ids.length, ...ids].forEach(varint);
    last = i;
  });
  pack(name, Buffer.from(out));
  report.push(`${name}: ${tried} lines, ${differing} ${base ? "differ from the tokenizer.json of that vocabulary" : "stored"}`);
}

const every = (step, encode) => corpus.map((line, i) => (i % step === 0 ? encode(line) : undefined));

function huggingFace(json) {
  const tokenizer = new Tokenizer(json, {});
  return (line) => (line === "" ? [] : tokenizer.encode(line, { add_special_tokens: false }).ids);
}

async function withGguf(name, bytes, use) {
  const file = path.join(os.tmpdir(), `goldens-${process.pid}-${name}.gguf`);
  fs.writeFileSync(file, bytes);
  try {
    const model = await llama.loadModel({ modelPath: file, vocabOnly: true, gpuLayers: 0 });
    use((line, special) => Array.from(model.tokenize(line, special)));
    await model.dispose();
  } finally {
    fs.rmSync(file);
  }
}

const added = (id, content, more) => ({ id, content, single_word: false, lstrip: false, rstrip: false, normalized: false, special: true, ...more });

function byteLevelJson(kind, { vocab, merges }) {
  const first = Object.keys(vocab).length;
  const tokens = [
    ...control.map((content, i) => added(first + i, content)),
    ...userDefined.map((content, i) => added(first + control.length + i, content, { special: false, normalized: i >= 2 })),
    added(first + control.length + userDefined.length, "<strip>", { lstrip: true, rstrip: true }),
  ];
  const split = { type: "Split", pattern: { Regex: patterns[kind] }, behavior: "Isolated", invert: false };
  const byteLevel = (use_regex) => ({ type: "ByteLevel", add_prefix_space: false, trim_offsets: true, use_regex });
  const digitsOfWord = { type: "Split", pattern: { Regex: "[0-9][0-9][0-9]" }, behavior: "Isolated", invert: false };
  const punctuation = { type: "Punctuation", behavior: "Contiguous" };
  const preTokenizers = {
    falcon: { type: "Sequence", pretokenizers: [punctuation, byteLevel(true), { type: "Digits", individual_digits: false }, digitsOfWord] },
    gpt2: byteLevel(true),
    smollm: { type: "Sequence", pretokenizers: [{ type: "Digits", individual_digits: true }, byteLevel(true)] },
  };
  const json = {
    version: "1.0", truncation: null, padding: null, added_tokens: tokens,
    normalizer: kind === "qwen2" ? { type: "NFC" } : null,
    pre_tokenizer: preTokenizers[kind] ?? { type: "Sequence", pretokenizers: [split, byteLevel(false)] },
    post_processor: {
      type: "Sequence", processors: [byteLevel(false), {
        type: "TemplateProcessing", single: [{ SpecialToken: { id: control[0], type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }], pair: [],
        special_tokens: { [control[0]]: { id: control[0], ids: [first], tokens: [control[0]] } },
      }],
    },
    decoder: byteLevel(true),
    model: { type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: false, byte_fallback: false, ignore_merges: kind === "llama3" || kind === "tekken", vocab, merges },
  };
  // The reference's \s and \d are JavaScript's in ByteLevel and Digits; written as Split it uses Unicode's, as the original does.
  const digits = { ...split, pattern: { Regex: "\\p{N}" } };
  const before = { smollm: [digits], falcon: [punctuation] }[kind] ?? [], behind = kind === "falcon" ? [{ ...digits, pattern: { Regex: "\\p{N}+" } }, digitsOfWord] : [];
  const reference = { ...json, pre_tokenizer: { type: "Sequence", pretokenizers: [...before, split, byteLevel(false), ...behind] } };
  return { json, reference };
}

// Object.keys would put pieces such as "10" first.
function byId(vocab) {
  const pieces = [];
  for (const [piece, id] of Object.entries(vocab)) pieces[id] = piece;
  return pieces;
}

function ggufKeys(json, model, extra) {
  const pieces = byId(json.model.vocab), kinds = pieces.map(() => 1);
  for (const token of json.added_tokens) {
    pieces[token.id] = token.content;
    kinds[token.id] = token.content === "<unk>" ? 2 : token.special ? 3 : 4;
  }
  pieces.forEach((piece, id) => { if (/^<0x[0-9A-F]{2}>$/.test(piece)) kinds[id] = 6; });
  return [["tokenizer.ggml.model", "string", model], ["tokenizer.ggml.tokens", "string", pieces], ["tokenizer.ggml.token_type", "i32", kinds], ...extra];
}

async function goldensOf(name, gguf, base, steps) {
  pack(`${name}.gguf`, gguf);
  await withGguf(name, gguf, (tokenize) => {
    packIds(`${name}.gguf-special.ids`, steps, every(steps, (line) => tokenize(line, true)), base);
    packIds(`${name}.gguf-plain.ids`, steps, every(steps, (line) => tokenize(line, false)), base);
  });
}

async function byteLevelGoldens(kind, pre) {
  const { json, reference } = byteLevelJson(kind, trainByteLevel(kind, corpus, 1500, reserved));
  pack(`${kind}.json`, Buffer.from(JSON.stringify(json)));
  const base = every(1, huggingFace(reference));
  packIds(`${kind}.json.ids`, 1, base);
  const first = Object.keys(json.model.vocab).length;
  const gguf = ggufFile(kind, ggufKeys(json, "gpt2", [
    ["tokenizer.ggml.pre", "string", pre], ["tokenizer.ggml.merges", "string", json.model.merges.map((pair) => pair.join(" "))],
    ["tokenizer.ggml.bos_token_id", "u32", first], ["tokenizer.ggml.eos_token_id", "u32", first + 1],
  ]));
  await goldensOf(kind, gguf, base, 1);
}

function characterJson() {
  const { vocab, merges } = trainCharacters(corpus, 1500, 700, reserved);
  const first = Object.keys(vocab).length;
  const content = (type) => ({ type, pattern: { String: type === "x" ? "" : " " }, content: "\u2581" });
  return {
    version: "1.0", truncation: null, padding: null,
    added_tokens: [added(0, "<unk>"), added(1, "<s>"), added(2, "</s>"), added(first, "[INST]"), added(first + 1, "[/INST]"),
      added(first + 2, "<tool_call>", { special: false }), added(first + 3, "<bare>", { special: false, normalized: true }), added(first + 4, "<strip>", { lstrip: true, rstrip: true })],
    normalizer: { type: "Sequence", normalizers: [{ type: "Prepend", prepend: "\u2581" }, content("Replace")] },
    pre_tokenizer: null,
    post_processor: { type: "TemplateProcessing", single: [{ SpecialToken: { id: "<s>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }], pair: [], special_tokens: { "<s>": { id: "<s>", ids: [1], tokens: ["<s>"] } } },
    decoder: { type: "Sequence", decoders: [{ type: "Replace", pattern: { String: "\u2581" }, content: " " }, { type: "ByteFallback" }, { type: "Fuse" }, { type: "Strip", content: " ", start: 1, stop: 0 }] },
    model: { type: "BPE", dropout: null, unk_token: "<unk>", continuing_subword_prefix: null, end_of_word_suffix: null, fuse_unk: true, byte_fallback: true, ignore_merges: false, vocab, merges },
  };
}

async function characterGoldens() {
  const json = characterJson();
  pack("cjk.json", Buffer.from(JSON.stringify(json)));
  const base = every(1, huggingFace(json));
  packIds("cjk.json.ids", 1, base);
  const mark = { type: "Metaspace", replacement: "\u2581", prepend_scheme: "first", split: false };
  packIds("cjk-first.json.ids", 1, every(1, huggingFace({ ...json, normalizer: null, pre_tokenizer: mark })), base);

  const rank = new Map(json.model.merges.map((pair, i) => [pair.join(""), i]));
  const scores = byId(json.model.vocab).map((piece) => (rank.has(piece) ? -rank.get(piece) : -1e4));
  json.added_tokens.forEach((token) => { scores[token.id] = 0; });
  const keys = (extra) => ggufKeys(json, "llama", [["tokenizer.ggml.scores", "f32", scores], ["tokenizer.ggml.bos_token_id", "u32", 1], ["tokenizer.ggml.eos_token_id", "u32", 2], ...extra]);
  await goldensOf("cjk", ggufFile("cjk", keys([])), base, 1);
  await goldensOf("cjk-nospace", ggufFile("cjk-nospace", keys([["tokenizer.ggml.add_space_prefix", "bool", false]])), base, 8);
}

async function storiesGoldens() {
  const json = JSON.parse(fs.readFileSync(path.join(storiesFolder, "hf", "tokenizer.json"), "utf8"));
  const base = every(1, huggingFace(json));
  packIds("stories260K.json.ids", 1, base);
  const gguf = fs.readFileSync(path.join(storiesFolder, "stories260K.gguf"));
  await withGguf("stories260K", gguf, (tokenize) => {
    packIds("stories260K.gguf-special.ids", 1, every(1, (line) => tokenize(line, true)), base);
    packIds("stories260K.gguf-plain.ids", 1, every(1, (line) => tokenize(line, false)), base);
  });
}

fs.mkdirSync(output, { recursive: true });
pack("corpus.jsonl", fs.readFileSync(corpusFile));
for (const [kind, pre] of [["llama3", "llama-bpe"], ["gpt2", "gpt-2"], ["qwen2", "qwen2"], ["smollm", "smollm"], ["tekken", "tekken"], ["falcon", "falcon"]])
  await byteLevelGoldens(kind, pre);
await characterGoldens();
await storiesGoldens();
console.log(report.join("\n"));
process.exit(0);
