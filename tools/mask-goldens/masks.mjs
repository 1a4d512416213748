// Asks XGrammar which tokens may come next, for schemas and random beginnings of answers: node masks.mjs [seed]
import { createRequire } from "node:module";
import { copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const Walks = 4;
const MostSteps = 24;
const folder = dirname(fileURLToPath(import.meta.url));
const root = join(folder, "..", "..");
const fixtures = join(root, "test", "Kvasir.Test", "Fixtures");

// The package is CommonJS, and says that it is not.
const library = join(folder, "node_modules", "@mlc-ai", "web-xgrammar", "lib", "index.js");
copyFileSync(library, join(folder, "node_modules", "xgrammar.cjs"));
const { GrammarCompiler, GrammarMatcher, TokenizerInfo } = createRequire(import.meta.url)(join(folder, "node_modules", "xgrammar.cjs"));

let state = Number(process.argv[2] ?? 1);
const random = (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
};

// Of byte-level vocabularies: a letter for each byte.
const isPrinted = (byte) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
const letters = [];
for (let byte = 0, other = 256; byte < 256; byte++)
    letters.push(String.fromCharCode(isPrinted(byte) ? byte : other++));
const spelled = (text) => [...Buffer.from(text)].map((byte) => letters[byte]).join("");

// Special tokens are no text: XGrammar leaves out what is empty. One of them ends an answer.
const vocabulary = (json, type, end) => {
    const tokens = [];
    for (const [piece, id] of Object.entries(json.model.vocab))
        tokens[id] = piece;
    for (const added of json.added_tokens)
        tokens[added.id] = added.special ? "" : type === "byte_level" ? spelled(added.content) : added.content;
    for (let id = 0; id < tokens.length; id++)
        tokens[id] ??= "";
    return { tokens, type, end: json.added_tokens.find((added) => added.content === end).id };
};

const brotli = (name) => JSON.parse(brotliDecompressSync(readFileSync(join(fixtures, "Tokenizers", name))));
const vocabularies = {
    stories260K: vocabulary(JSON.parse(readFileSync(join(root, "assets", "stories260K", "hf", "tokenizer.json"))), "byte_fallback", "</s>"),
    llama3: vocabulary(brotli("llama3.json.br"), "byte_level", "<|end_of_text|>"),
};

const allows = (mask, token) => ((mask[token >> 5] >> (token & 31)) & 1) === 1;
const hex = (mask) => Buffer.from(mask.buffer, mask.byteOffset, mask.byteLength).toString("hex");
const maskNumbers = new Map();
const number = (mask) => {
    const key = hex(mask);
    if (!maskNumbers.has(key))
        maskNumbers.set(key, maskNumbers.size);
    return maskNumbers.get(key);
};

const isWhole = (text) => Buffer.from(text.toString()).equals(text);
const bytes = ({ tokens, type }, token) => {
    const piece = tokens[token];
    if (type === "byte_level")
        return Buffer.from([...piece].map((letter) => letters.indexOf(letter)));
    const byte = /^<0x([0-9A-F]{2})>$/.exec(piece);
    return byte ? Buffer.from([parseInt(byte[1], 16)]) : Buffer.from(piece.replaceAll("\u2581", " "));
};

// Half of the time what ends something, if it may come: else strings never end. Whole characters: XGrammar takes some bytes for parts of a character that are none.
const choose = (words, mask) => {
    const all = [...words.tokens.keys()].filter((token) => token !== words.end && allows(mask, token) && isWhole(bytes(words, token)));
    const marks = all.filter((token) => /^["{}[\],:]+$/.test(words.tokens[token]));
    const from = marks.length > 0 && random(2) === 0 ? marks : all;
    return from.length === 0 ? undefined : from[random(from.length)];
};

// Here XGrammar goes on without end, where Kvasir's numbers are those that 64 bits hold.
const isLongNumber = (text) => /\d{12}$|\d[eE][+-]?\d*$/.test(text);

const walk = async (words, grammar) => {
    const matcher = await GrammarMatcher.createGrammarMatcher(grammar);
    const steps = [];
    let said = "";
    for (let step = 0; step < MostSteps && !isLongNumber(said); step++) {
        const mask = await matcher.getNextTokenBitmask();
        const token = choose(words, mask);
        steps.push([number(mask), token ?? -1]);
        if (token === undefined)
            break;
        if (!matcher.acceptToken(token))
            throw new Error(`token ${token} was allowed and is refused`);
        said += bytes(words, token).toString();
    }

    matcher.dispose();
    return steps;
};

const schemas = JSON.parse(readFileSync(join(folder, "schemas.json"))).map((schema) => JSON.stringify(schema));
const cases = [];
for (const [name, words] of Object.entries(vocabularies)) {
    const tokenizer = await TokenizerInfo.createTokenizerInfo(words.tokens, words.type, false, words.tokens.length, words.end);
    const compiler = await GrammarCompiler.createGrammarCompiler(tokenizer);
    for (const schema of schemas) {
        const grammar = await compiler.compileJSONSchema(schema, false, -1, [",", ":"], false);
        for (let i = 0; i < Walks; i++)
            cases.push({ vocabulary: name, schema, steps: await walk(words, grammar) });
        grammar.dispose();
    }
}

const ends = Object.fromEntries(Object.entries(vocabularies).map(([name, words]) => [name, words.end]));
const text = JSON.stringify({ ends, masks: [...maskNumbers.keys()], cases });
const file = join(fixtures, "Masks", "masks.json.br");
writeFileSync(file, brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } }));
console.log(`${cases.length} walks, ${cases.reduce((sum, each) => sum + each.steps.length, 0)} masks, ${maskNumbers.size} of them different`);
