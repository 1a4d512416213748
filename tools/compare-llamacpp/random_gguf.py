#!/usr/bin/env python3
"""Writes a GGUF file of a real model's shape with random weights: the speed of a dense pass does not depend on them. Needs numpy.

  python3 random_gguf.py llama-3.2-1b q4_0 llama-3.2-1b-q4_0.gguf
  python3 random_gguf.py granite-3-2b:10 q4_k_m granite.gguf          # ten of its layers
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
    "granite-3-2b": (40, 2048, 8192, 32, 8, 64, True, None),
    "phi-4-mini": (32, 3072, 8192, 24, 8, 128, True, None),
    "qwen3-30b-a3b": (48, 2048, 6144, 32, 4, 128, False, None),
    "gemma-3-4b": (34, 2560, 10240, 8, 4, 256, True, None),
    "gpt-oss-20b": (24, 2880, 2880, 64, 8, 64, False, None),
    "gemma-4-12b": (48, 3840, 15360, 16, 8, 256, True, None),
    "gemma-4-26b-a4b": (30, 2816, 2112, 16, 8, 256, True, None),
}
EXPERTS = {"qwen3-30b-a3b": (128, 8, 768), "gpt-oss-20b": (32, 4, 2880), "gemma-4-26b-a4b": (128, 8, 704)}     # experts, those that a row goes through, their width
WHOLE = {"gemma-4-12b": (1, 512), "gemma-4-26b-a4b": (2, 512)}     # KV heads and head of layers without a window: every sixth, and the last
GEMMA4 = [("attention.sliding_window", "u32", 1024), ("attention.key_length_swa", "u32", 256), ("attention.value_length_swa", "u32", 256), ("rope.dimension_count_swa", "u32", 256),
          ("rope.freq_base_swa", "f32", 10000.0), ("attention.shared_kv_layers", "u32", 0), ("embedding_length_per_layer_input", "u32", 0), ("final_logit_softcapping", "f32", 30.0)]
FAMILIES = {  # architecture, vocabulary, keys of its own; others are Llama's
    "granite-3-2b": ("granite", 49155, [("embedding_scale", "f32", 12.0), ("residual_scale", "f32", 0.22), ("attention.scale", "f32", 1 / 64), ("logit_scale", "f32", 8.0)]),
    "phi-4-mini": ("phi3", 200064, [("rope.scaling.original_context_length", "u32", 4096), ("rope.scaling.attn_factor", "f32", 1.1902)]),
    "qwen3-30b-a3b": ("qwen3moe", 151936, [("expert_count", "u32", 128), ("expert_used_count", "u32", 8), ("expert_feed_forward_length", "u32", 768)]),
    "gemma-3-4b": ("gemma3", 262208, [("attention.sliding_window", "u32", 1024), ("rope.scaling.type", "str", "linear"), ("rope.scaling.factor", "f32", 8.0)]),
    "gpt-oss-20b": ("gpt-oss", 201088, [("expert_count", "u32", 32), ("expert_used_count", "u32", 4), ("expert_feed_forward_length", "u32", 2880), ("attention.sliding_window", "u32", 128),
                                        ("rope.scaling.type", "str", "yarn"), ("rope.scaling.factor", "f32", 32.0), ("rope.scaling.original_context_length", "u32", 4096)]),
    "gemma-4-12b": ("gemma4", 262144, GEMMA4),
    "gemma-4-26b-a4b": ("gemma4", 262144, GEMMA4 + [("expert_count", "u32", 128), ("expert_used_count", "u32", 8), ("expert_feed_forward_length", "u32", 704)]),
}
ROTATED = {"phi-4-mini": 96}
WEIGHTS = {"q4_0": ("Q4_0", "Q4_0", "Q6_K", 2), "q8_0": ("Q8_0", "Q8_0", "Q8_0", 7), "q4_k_m": ("Q4_K", "Q6_K", "Q6_K", 15), "bf16": ("BF16", "BF16", "BF16", 32),
           "mxfp4": ("Q8_0", "Q8_0", "Q8_0", 38)}     # with experts of four bits
SPECIAL = 256
CHUNK = 1 << 22     # weights made at a time
STD = 0.02


def family(shape):
    return FAMILIES.get(shape, ("llama", 128256, []))


def sizes(name):
    """The shape's name and its sizes, with the layers that are asked for behind a colon."""
    shape, _, layers = name.partition(":")
    return shape, (int(layers) if layers else SHAPES[shape][0],) + SHAPES[shape][1:]


def sees_all(layer, layers):
    """Whether a layer of Gemma 4 has no window."""
    return layer % 6 == 5 or layer == layers - 1


def fitting(kind, columns):
    """A type for rows of so many numbers: k-quants want a multiple of 256."""
    return "Q8_0" if kind.endswith("_K") and columns % 256 else kind


def gemma4_layer(shape, sizes, layer, most, mixed):
    """(name, shape, type) of the tensors of a layer of Gemma 4, but for its feed-forward part's last."""
    layers, width, ffn, heads, kv_heads, head = sizes[:6]
    whole = sees_all(layer, layers)
    kv_heads, head = WHOLE[shape] if whole else (kv_heads, head)
    norms = ["attn_norm", "post_attention_norm", "ffn_norm", "post_ffw_norm"] + (["pre_ffw_norm_2", "post_ffw_norm_1", "post_ffw_norm_2"] if shape in EXPERTS else [])
    found = [(norm + ".weight", (width,), "F32") for norm in norms] + [("attn_q_norm.weight", (head,), "F32"), ("attn_k_norm.weight", (head,), "F32"), ("layer_output_scale.weight", (1,), "F32")]
    found += [("attn_q.weight", (width, heads * head), most), ("attn_k.weight", (width, kv_heads * head), most), ("attn_output.weight", (heads * head, width), most)]
    if not whole: found.append(("attn_v.weight", (width, kv_heads * head), mixed))     # without, values are keys
    found += [("ffn_gate.weight", (width, ffn), most), ("ffn_up.weight", (width, ffn), most), ("ffn_down.weight", (ffn, width), fitting(mixed, ffn))]
    if shape in EXPERTS:
        count, _, own = EXPERTS[shape]
        found += [("ffn_gate_inp.weight", (width, count), "F32"), ("ffn_gate_inp.scale", (width,), "F32"), ("ffn_gate_up_exps.weight", (width, 2 * own, count), most),
                  ("ffn_down_exps.weight", (own, width, count), fitting(mixed, own)), ("ffn_down_exps.scale", (count,), "F32")]
    return found


def tensors(name, weights):
    """(name, shape with the fastest first, type) of every tensor; a 4-bit k-quant mix keeps half of the V and down matrices in six bits."""
    shape, (layers, width, ffn, heads, kv_heads, head, tied, factor) = sizes(name)
    most, better, output, _ = WEIGHTS[weights]
    arch, vocabulary, _ = family(shape)
    found = [("token_embd.weight", (width, vocabulary), output if tied else most), ("output_norm.weight", (width,), "F32")]
    if factor: found.append(("rope_freqs.weight", (head // 2,), "F32"))
    if arch == "gemma4": found.append(("rope_freqs.weight", (WHOLE[shape][1] // 2,), "F32"))
    if arch == "phi3": found += [("rope_factors_%s.weight" % which, (ROTATED[shape] // 2,), "F32") for which in ("long", "short")]
    if not tied: found.append(("output.weight", (width, vocabulary), output))
    for i in range(layers):
        eighth = layers // 8
        mixed = better if i < eighth or i >= 7 * eighth or (i - eighth) % 3 == 2 else most
        if arch == "gemma4":
            found += [("blk.%d.%s" % (i, part), size, kind) for part, size, kind in gemma4_layer(shape, sizes(name)[1], i, most, mixed)]
            continue
        found += [("blk.%d.%s.weight" % (i, name), size, kind) for name, size, kind in [
            ("attn_norm", (width,), "F32"), ("ffn_norm", (width,), "F32"), ("attn_output", (heads * head, width), most)]]
        if arch in ("gemma3", "gpt-oss"): found[-2] = ("blk.%d.post_attention_norm.weight" % i, (width,), "F32")
        if arch == "gemma3": found += [("blk.%d.%s.weight" % (i, name), (size,), "F32") for name, size in (
            ("ffn_norm", width), ("post_ffw_norm", width), ("attn_q_norm", head), ("attn_k_norm", head))]
        wide = [("ffn_gate", (width, ffn), most), ("ffn_up", (width, ffn), most)]
        if shape in EXPERTS:
            count, _, own = EXPERTS[shape]
            each, down = ("MXFP4", "MXFP4") if weights == "mxfp4" else (most, mixed)
            wide = [("ffn_gate_inp", (width, count), "F32"), ("ffn_gate_exps", (width, own, count), each), ("ffn_up_exps", (width, own, count), each),
                    ("ffn_down_exps", (own, width, count), down)]
            if arch == "qwen3moe": wide += [("attn_q_norm", (head,), "F32"), ("attn_k_norm", (head,), "F32")]
            if arch == "gpt-oss":
                wide.append(("attn_sinks", (heads,), "F32"))
                found += [("blk.%d.%s.bias" % (i, name), size, "F32") for name, size in [
                    ("attn_q", (heads * head,)), ("attn_k", (kv_heads * head,)), ("attn_v", (kv_heads * head,)), ("attn_output", (width,)), ("ffn_gate_inp", (count,)),
                    ("ffn_gate_exps", (own, count)), ("ffn_up_exps", (own, count)), ("ffn_down_exps", (width, count))]]
        else:
            found.append(("blk.%d.ffn_down.weight" % i, (ffn, width), mixed))
        joined = [("attn_qkv", (width, (heads + 2 * kv_heads) * head), mixed), ("ffn_up", (width, 2 * ffn), most)]
        apart = [("attn_q", (width, heads * head), most), ("attn_k", (width, kv_heads * head), most), ("attn_v", (width, kv_heads * head), mixed), *wide]
        found += [("blk.%d.%s.weight" % (i, part), size, kind) for part, size, kind in (joined if arch == "phi3" else apart)]
    return found


def metadata(name, weights):
    shape, (layers, width, ffn, heads, kv_heads, head, _, _) = sizes(name)
    arch, vocabulary, own = family(shape)
    letters = byte_characters()
    begin = vocabulary - SPECIAL
    pieces = (letters + [a + b for a in letters for b in letters] + [a + b + c for a in letters for b in letters[:4] for c in letters])[:begin]
    pieces += ["<|special_%d|>" % i for i in range(SPECIAL)]
    keys = [("general.architecture", "str", arch), ("general.name", "str", shape.replace("phi", "ph") + " with random weights"), ("general.file_type", "u32", WEIGHTS[weights][3])]
    keys += [(arch + "." + key, "u32", value) for key, value in [
        ("block_count", layers), ("context_length", 131072), ("embedding_length", width), ("feed_forward_length", ffn), ("attention.head_count", heads),
        ("attention.head_count_kv", kv_heads), ("attention.key_length", head), ("attention.value_length", head), ("rope.dimension_count", ROTATED.get(shape, head)), ("vocab_size", vocabulary)]]
    if shape in WHOLE:
        whole = [sees_all(layer, layers) for layer in range(layers)]
        changed = {"head_count_kv": ("i32[]", [WHOLE[shape][0] if sees else kv_heads for sees in whole]), "key_length": ("u32", WHOLE[shape][1]), "value_length": ("u32", WHOLE[shape][1]),
                   "dimension_count": ("u32", WHOLE[shape][1])}
        keys = [(key, *changed.get(key.rpartition(".")[2], (kind, value))) for key, kind, value in keys]
        keys.append((arch + ".attention.sliding_window_pattern", "bool[]", [not sees for sees in whole]))
    keys += [(arch + "." + key, kind, value) for key, kind, value in own]
    keys += [(arch + ".rope.freq_base", "f32", 1e6 if shape in WHOLE else 500000.0), (arch + ".attention.layer_norm_rms_epsilon", "f32", 1e-5), ("tokenizer.ggml.model", "str", "gpt2"),
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
    if name == "rope_freqs.weight" and shape.partition(":")[0] in WHOLE:
        yield struct.pack("<%df" % count, *([1.0] * (count // 4) + [1e30] * (count - count // 4)))     # a quarter turns
    elif name == "rope_freqs.weight":
        known = SHAPES[shape.partition(":")[0]]
        yield struct.pack("<%df" % count, *rope_divisors(known[5], known[7]))
    elif len(size) == 1 or name.endswith(".bias"):
        centre = 0.0 if name.endswith((".bias", "sinks.weight")) else 1.0
        yield tensor_bytes({**each, "shape": size, "stream": stream, "centre": centre, "scale": 0.1})
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
    if len(sys.argv) != 4 or sys.argv[1].partition(":")[0] not in SHAPES or sys.argv[2] not in WEIGHTS:
        sys.exit(__doc__ + "\nshapes: %s\nweights: %s" % (" ".join(SHAPES), " ".join(WEIGHTS)))
    write(*sys.argv[1:])
