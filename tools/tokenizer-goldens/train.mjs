// Small vocabularies for the goldens: byte-pair encoding, trained on the corpus with the word pattern of each tokenizer.

export const patterns = {
  llama3: "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  qwen2: "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
  gpt2: "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
  tekken: "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+",
};
patterns.smollm = patterns.gpt2;
patterns.falcon = patterns.gpt2;

const alphabet = (() => {
  let next = 256;
  return Array.from({ length: 256 }, (_, i) =>
    String.fromCharCode((i >= 33 && i <= 126) || (i >= 161 && i <= 172) || i >= 174 ? i : next++));
})();

function words(kind, text) {
  // JavaScript's \s is not Unicode's White_Space; node 20 has no inline (?i:).
  const source = patterns[kind].replaceAll("\\s", "\\p{White_Space}").replaceAll("\\S", "\\P{White_Space}")
    .replace("(?i:'s|'t|'re|'ve|'m|'ll|'d)", "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]");
  const parts = kind === "smollm" ? text.split(/(\p{N})/u) : kind === "falcon" ? text.split(/([\p{P}$+<=>^~|`]+)/u) : [text];
  return parts.flatMap((part) => part.match(new RegExp(source, "gu")) ?? []);
}

// Merges of the most frequent pair, ties broken by the order of the texts, so that the result never varies.
function train(counts, merges, maxLength, reserved) {
  const list = [...counts].map(([word, count]) => ({ symbols: word, count }));
  const pairs = new Map();
  const touch = (item, index, sign) => {
    for (let i = 0; i + 1 < item.symbols.length; i++) {
      const key = item.symbols[i] + "\u0000" + item.symbols[i + 1];
      let entry = pairs.get(key);
      if (!entry) pairs.set(key, (entry = { count: 0, items: new Set() }));
      entry.count += sign * item.count;
      if (sign > 0) entry.items.add(index);
    }
  };
  list.forEach((item, index) => touch(item, index, 1));
  const result = [], made = new Set(reserved);
  while (result.length < merges) {
    let best = null, most = 1;
    for (const [key, entry] of pairs)
      if (entry.count > most || (entry.count === most && best !== null && key < best)) [best, most] = [key, entry.count];
    if (best === null) break;
    const [left, right] = best.split("\u0000"), joined = left + right, items = [...pairs.get(best).items];
    pairs.delete(best);
    if (made.has(joined) || [...joined].length > maxLength) continue;
    made.add(joined);
    result.push([left, right]);
    for (const index of items) {
      const item = list[index];
      touch(item, index, -1);
      const out = [];
      for (let i = 0; i < item.symbols.length; i++)
        if (item.symbols[i] === left && item.symbols[i + 1] === right) { out.push(joined); i++; } else out.push(item.symbols[i]);
      item.symbols = out;
      touch(item, index, 1);
    }
    pairs.delete(best);
  }
  return result;
}

function count(items) {
  const counts = new Map(), keys = new Map();
  for (const symbols of items) {
    const key = symbols.join("\u0000");
    if (!keys.has(key)) { keys.set(key, symbols); counts.set(symbols, 0); }
    counts.set(keys.get(key), counts.get(keys.get(key)) + 1);
  }
  return counts;
}

// Falcon's last two passes see bytes as characters, of which some beyond ASCII are numbers too.
function digitsApart(symbols) {
  return symbols.join("").split(/(\p{N}+)/u).flatMap((part) => (/^\p{N}/u.test(part) ? part.split(/([0-9]{3})/) : [part])).filter((part) => part !== "").map((part) => [...part]);
}

export function trainByteLevel(kind, lines, merges, reserved) {
  const items = lines.flatMap((line) => words(kind, line)).map((word) => Array.from(Buffer.from(word), (b) => alphabet[b]))
    .flatMap((symbols) => (kind === "falcon" ? digitsApart(symbols) : [symbols]));
  const rules = train(count(items), merges, 24, reserved);
  const vocab = Object.fromEntries([...alphabet, ...rules.map(([l, r]) => l + r)].map((piece, id) => [piece, id]));
  return { vocab, merges: rules };
}

export function trainCharacters(lines, merges, characters, reserved) {
  const texts = lines.map((line) => "\u2581" + line.replaceAll(" ", "\u2581"));
  const frequency = new Map();
  for (const text of texts) for (const c of text) frequency.set(c, (frequency.get(c) ?? 0) + 1);
  const chars = [...frequency].sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)).map(([c]) => c).filter((c) => c !== "\u0000").slice(0, characters);
  for (const c of ["\u2581", "\u{20000}", "\u{20001}"]) if (!chars.includes(c)) chars.push(c);
  const known = new Set(chars);
  const items = texts.flatMap((text) => text.split(/(?<=[^\u2581])(?=\u2581)/u)).flatMap((word) => {
    const runs = [[]];
    for (const c of word) known.has(c) ? runs.at(-1).push(c) : runs.push([]);
    return runs.filter((run) => run.length > 0);
  });
  const rules = train(count(items), merges, 16, reserved);
  const bytes = Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, "0")}>`);
  const pieces = ["<unk>", "<s>", "</s>", ...bytes, ...rules.map(([l, r]) => l + r), ...chars];
  return { vocab: Object.fromEntries(pieces.map((piece, id) => [piece, id])), merges: rules };
}
