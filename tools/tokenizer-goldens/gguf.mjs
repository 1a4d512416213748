// Writes a GGUF file that holds a vocabulary and no tensors.

const types = { u32: 4, i32: 5, f32: 6, bool: 7, string: 8, array: 9 };

const u32 = (v) => { const b = Buffer.alloc(4); b.writeUInt32LE(v); return b; };
const u64 = (v) => { const b = Buffer.alloc(8); b.writeBigUInt64LE(BigInt(v)); return b; };
const text = (v) => { const b = Buffer.from(v); return Buffer.concat([u64(b.length), b]); };

function scalar(type, value) {
  if (type === "string") return text(value);
  if (type === "bool") return Buffer.from([value ? 1 : 0]);
  const b = Buffer.alloc(4);
  if (type === "f32") b.writeFloatLE(value); else if (type === "i32") b.writeInt32LE(value); else b.writeUInt32LE(value);
  return b;
}

function entry(key, type, value) {
  if (!Array.isArray(value)) return Buffer.concat([text(key), u32(types[type]), scalar(type, value)]);
  return Buffer.concat([text(key), u32(types.array), u32(types[type]), u64(value.length), ...value.map((item) => scalar(type, item))]);
}

/** keys: [key, type, value or array of values] of the tokenizer. */
export function ggufFile(name, keys) {
  const all = [
    ["general.architecture", "string", "llama"], ["general.name", "string", name],
    ["llama.block_count", "u32", 1], ["llama.context_length", "u32", 512], ["llama.embedding_length", "u32", 64], ["llama.feed_forward_length", "u32", 64],
    ["llama.attention.head_count", "u32", 2], ["llama.attention.layer_norm_rms_epsilon", "f32", 1e-5], ...keys,
  ].map(([key, type, value]) => entry(key, type, value));
  const head = Buffer.concat([Buffer.from("GGUF"), u32(3), u64(0), u64(all.length), ...all]);
  return Buffer.concat([head, Buffer.alloc((32 - (head.length % 32)) % 32)]);
}
