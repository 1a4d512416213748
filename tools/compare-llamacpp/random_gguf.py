#!/usr/bin/env python3
"""Writes a GGUF file of a real model's shape with random weights: the speed of a dense pass does not depend on them. Needs numpy.

  python3 random_gguf.py llama-3.2-1b q4_0 llama-3.2-1b-q4_0.gguf
"""
import math, os, struct, sys
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "golden-logits"))
from cases import byte_characters
from model_files import ALIGNMENT, entry, string
from random_tensors import TYPES, tensor_bytes

SHAPES = {  # layers, width, ffn, heads, KV heads, head, tied, RoPE factor
    "llama-3.2-1b": (16, 2048, 8192, 32, 8, 64, True, 32.0),
    "llama-3.2-3b": (28, 3072, 8192, 24, 8, 128, True, 32.0),
    "llama-3.1-8b": (32, 4096, 14336, 32, 8, 128, False, 8.0),
}
WEIGHTS = {"q4_0": ("Q4_0", "Q4_0", "Q6_K", 2), "q8_0": ("Q8_0", "Q8_0", "Q8_0", 7), "q4_k_m": ("Q4_K", "Q6_K", "Q6_K", 15), "bf16": ("BF16", "BF16", "BF16", 32)}
VOCABULARY, SPECIAL = 128256, 256
CHUNK = 1 << 22     # weights made at a time
STD = 0.02


def tensors(shape, weights):
    """(name, shape with the fastest first, type) of every tensor; a 4-bit k-quant mix keeps half of the V and down matrices in six bits."""
    layers, width, ffn, heads, kv_heads, head, tied, _ = SHAPES[shape]
    most, better, output, _ = WEIGHTS[weights]
    found = [("token_embd.weight", (width, VOCABULARY), output if tied else most), ("output_norm.weight", (width,), "F32"), ("rope_freqs.weight", (head // 2,), "F32")]
    if not tied: found.append(("output.weight", (width, VOCABULARY), output))
    for i in range(layers):
        eighth = layers // 8
        mixed = better if i < eighth or i >= 7 * eighth or (i - eighth) % 3 == 2 else most
        found += [("blk.%d.%s.weight" % (i, name), size, kind) for name, size, kind in [
            ("attn_norm", (width,), "F32"), ("ffn_norm", (width,), "F32"), ("attn_q", (width, heads * head), most), ("attn_k", (width, kv_heads * head), most),
            ("attn_v", (width, kv_heads * head), mixed), ("attn_output", (heads * head, width), most),
            ("ffn_gate", (width, ffn), most), ("ffn_up", (width, ffn), most), ("ffn_down", (ffn, width), mixed)]]
    return found


def metadata(shape, weights):
    layers, width, ffn, heads, kv_heads, head, _, _ = SHAPES[shape]
    letters = byte_characters()
    begin = VOCABULARY - SPECIAL
    pieces = (letters + [a + b for a in letters for b in letters] + [a + b + c for a in letters for b in letters[:2] for c in letters])[:begin]
    pieces += ["<|special_%d|>" % i for i in range(SPECIAL)]
    keys = [("general.architecture", "str", "llama"), ("general.name", "str", shape + " with random weights"), ("general.file_type", "u32", WEIGHTS[weights][3])]
    keys += [("llama." + key, "u32", value) for key, value in [
        ("block_count", layers), ("context_length", 131072), ("embedding_length", width), ("feed_forward_length", ffn), ("attention.head_count", heads),
        ("attention.head_count_kv", kv_heads), ("attention.key_length", head), ("attention.value_length", head), ("rope.dimension_count", head), ("vocab_size", VOCABULARY)]]
    keys += [("llama.rope.freq_base", "f32", 500000.0), ("llama.attention.layer_norm_rms_epsilon", "f32", 1e-5), ("tokenizer.ggml.model", "str", "gpt2"),
             ("tokenizer.ggml.pre", "str", "llama-bpe"), ("tokenizer.ggml.tokens", "str[]", pieces), ("tokenizer.ggml.token_type", "i32[]", [1] * begin + [3] * SPECIAL),
             ("tokenizer.ggml.merges", "str[]", [a + " " + b for a in letters for b in letters]),
             ("tokenizer.ggml.bos_token_id", "u32", begin), ("tokenizer.ggml.eos_token_id", "u32", begin + 1)]
    return keys


def rope_divisors(head, factor):
    """Llama 3: long wavelengths are stretched by the factor, short ones kept, those between blended."""
    divisors = []
    for i in range(0, head, 2):
        wavelength = 2 * math.pi * 500000.0 ** (i / head)
        kept = min(max((8192 / wavelength - 1) / 3, 0), 1)
        divisors.append(1 / ((1 - kept) / factor + kept))
    return divisors


def content(name, size, kind, stream, shape):
    """The bytes of a tensor, a piece at a time."""
    count, each = math.prod(size), {"name": name, "type": kind}
    if name == "rope_freqs.weight":
        yield struct.pack("<%df" % count, *rope_divisors(SHAPES[shape][5], SHAPES[shape][7]))
    elif len(size) == 1:
        yield tensor_bytes({**each, "shape": size, "stream": stream, "centre": 1.0, "scale": 0.1})
    else:
        rms = TYPES[kind][3]
        scale = STD / rms if rms else STD * math.sqrt(3)
        for piece, first in enumerate(range(0, count, CHUNK)):
            yield tensor_bytes({**each, "shape": (min(CHUNK, count - first),), "stream": stream + piece, "centre": 0.0, "scale": scale})


def write(shape, weights, path):
    listed, keys, infos, offset = tensors(shape, weights), metadata(shape, weights), [], 0
    for name, size, kind in listed:
        number, block, block_bytes, _ = TYPES[kind]
        infos.append(string(name) + struct.pack("<I%dQ" % len(size), len(size), *size) + struct.pack("<IQ", number, offset))
        offset += -(-(math.prod(size) // block * block_bytes) // ALIGNMENT) * ALIGNMENT
    with open(path, "wb") as f:
        f.write(b"GGUF" + struct.pack("<IQQ", 3, len(listed), len(keys)) + b"".join(entry(*k) for k in keys) + b"".join(infos))
        for i, (name, size, kind) in enumerate(listed):
            f.write(b"\0" * (-f.tell() % ALIGNMENT))
            for piece in content(name, size, kind, (i + 1) << 12, shape): f.write(piece)
        f.write(b"\0" * (-f.tell() % ALIGNMENT))
        print("%s: %.2f GB" % (path, f.tell() / 1e9))


if __name__ == "__main__":
    if len(sys.argv) != 4 or sys.argv[1] not in SHAPES or sys.argv[2] not in WEIGHTS:
        sys.exit(__doc__ + "\nshapes: %s\nweights: %s" % (" ".join(SHAPES), " ".join(WEIGHTS)))
    write(*sys.argv[1:])
