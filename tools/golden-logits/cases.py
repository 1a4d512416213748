"""The table of models, and what each becomes in the manifest: metadata or config.json, and a list of tensors."""
import json, math
from random_tensors import TYPES

POSITIONS = 40
VOCABULARY = 269         # odd on purpose; 256 bytes, 5 merges, 8 special tokens
SPECIAL = 8

NAMES = {  # role: (GGUF, Hugging Face)
    "embedding": ("token_embd.weight", "model.embed_tokens.weight"), "final_norm": ("output_norm.weight", "model.norm.weight"),
    "head": ("output.weight", "lm_head.weight"), "attn_norm": ("attn_norm.weight", "input_layernorm.weight"),
    "q": ("attn_q.weight", "self_attn.q_proj.weight"), "k": ("attn_k.weight", "self_attn.k_proj.weight"),
    "v": ("attn_v.weight", "self_attn.v_proj.weight"), "o": ("attn_output.weight", "self_attn.o_proj.weight"),
    "q_bias": ("attn_q.bias", "self_attn.q_proj.bias"), "k_bias": ("attn_k.bias", "self_attn.k_proj.bias"),
    "v_bias": ("attn_v.bias", "self_attn.v_proj.bias"), "q_norm": ("attn_q_norm.weight", "self_attn.q_norm.weight"),
    "k_norm": ("attn_k_norm.weight", "self_attn.k_norm.weight"), "ffn_norm": ("ffn_norm.weight", "post_attention_layernorm.weight"),
    "gate": ("ffn_gate.weight", "mlp.gate_proj.weight"), "up": ("ffn_up.weight", "mlp.up_proj.weight"), "down": ("ffn_down.weight", "mlp.down_proj.weight"),
}

LINEAR = {"kind": "linear", "factor": 2.5}
LLAMA3 = {"kind": "llama3", "factor": 8.0, "low": 1.0, "high": 4.0, "original": 32}
YARN = {"kind": "yarn", "factor": 4.0, "original": 16}
YARN_LONG = {"kind": "yarn", "factor": 2.5, "original": 24}
YARN_BETAS = {"kind": "yarn", "factor": 3.0, "original": 24, "fast": 2.0, "slow": 0.25}


def shape(arch, heads, kv_heads, head_dim, width=None, ffn=160, tied=False, rope=None, base=10000.0, window=None, layers=2):
    return {"arch": arch, "heads": heads, "kv_heads": kv_heads, "head_dim": head_dim, "width": width or heads * head_dim, "ffn": ffn, "tied": tied,
            "rope": rope or {"kind": "default"}, "rope_base": base, "window": window, "layers": layers, "epsilon": 1e-5 if arch == "llama" else 1e-6,
            "qkv_bias": arch == "qwen2", "qk_norm": arch == "qwen3"}


def calm(*arguments, **other):
    """For quantised weights: see strengths()."""
    return {**shape(*arguments, **other), "calm": True}


def wide(arch="llama", **other):
    """Rows of whole 256-blocks."""
    return calm(arch, 8, 2, 32, width=256, ffn=512, **other)


def mixed(main, other):
    """What quantisers call _M: the wider type for values, down projection and head."""
    return {"": main, "v": other, "down": other, "head": other, "embedding": other}


GGUF = {  # name: (shape, type, or type by role)
    "llama-f32-mha": (shape("llama", 3, 3, 32, tied=True), "F32"),
    "llama-f32-gqa3-llama3": (shape("llama", 6, 2, 48, width=72, rope=LLAMA3), "F32"),
    "llama-f32-gqa4-linear": (shape("llama", 8, 2, 32, width=100, rope=LINEAR, layers=3), "F32"),
    "llama-f32-gqa8-yarn": (shape("llama", 16, 2, 32, width=96, rope=YARN), "F32"),
    "llama-f32-mqa-dim80": (shape("llama", 4, 1, 80, width=128, tied=True, base=500000.0), "F32"),
    "qwen2-f32-gqa7": (shape("qwen2", 14, 2, 32, tied=True, base=1e6), "F32"),
    "qwen2-f32-gqa4-yarn": (shape("qwen2", 4, 1, 80, rope=YARN_LONG), "F32"),
    "qwen3-f32-gqa3": (shape("qwen3", 6, 2, 48, width=104, base=1e6), "F32"),
    "qwen3-f32-gqa8-yarn": (shape("qwen3", 16, 2, 32, width=128, tied=True, rope=YARN), "F32"),
    "llama-f16": (shape("llama", 8, 2, 32, width=128, rope=LLAMA3), "F16"),
    "llama-bf16": (shape("llama", 8, 2, 32, width=128, tied=True), "BF16"),
    "qwen2-bf16-gqa3": (shape("qwen2", 6, 2, 32), "BF16"),
    "qwen3-f16-gqa8": (shape("qwen3", 8, 1, 48, width=128), "F16"),
    "llama-q8_0": (calm("llama", 3, 1, 32, ffn=160), "Q8_0"),
    "llama-q4_0": (calm("llama", 6, 2, 48, ffn=352, rope=LLAMA3), "Q4_0"),
    "llama-q4_1": (calm("llama", 8, 2, 32, ffn=320), "Q4_1"),
    "llama-q5_0": (calm("llama", 8, 2, 32, ffn=320, tied=True), "Q5_0"),
    "llama-q5_1": (calm("llama", 8, 1, 32, ffn=320), "Q5_1"),
    "llama-q4_k": (wide(rope=LLAMA3), "Q4_K"),
    "llama-q5_k": (wide(), "Q5_K"),
    "llama-q6_k": (wide(tied=True), "Q6_K"),
    "llama-q4_0-q6_k": (wide(tied=True, rope=LLAMA3), {"": "Q4_0", "embedding": "Q6_K"}),
    "qwen2-q4_k_m": (wide("qwen2", tied=True, base=1e6), mixed("Q4_K", "Q6_K")),
    "qwen2-q5_k_m": (wide("qwen2", rope=YARN), mixed("Q5_K", "Q6_K")),
    "qwen3-q4_k_m": (wide("qwen3", base=1e6), mixed("Q4_K", "Q6_K")),
    "qwen3-q8_0-yarn": (calm("qwen3", 8, 2, 48, width=160, ffn=288, rope=YARN), "Q8_0"),
    "llama-q2_k": (wide(rope=LLAMA3), "Q2_K"),
    "llama-q3_k-q6_k": (wide(), mixed("Q3_K", "Q6_K")),
    "llama-iq4_nl": (calm("llama", 6, 2, 48, ffn=352, rope=LLAMA3), "IQ4_NL"),
    "llama-iq4_xs": (wide(tied=True), "IQ4_XS"),
    "qwen3-iq4_xs-q6_k": (wide("qwen3", base=1e6), mixed("IQ4_XS", "Q6_K")),
}

FOLDER = {  # name: (shape, type, extra: what is special about its config.json or files)
    "hf-llama-f32": (shape("llama", 8, 2, 32, width=128), "F32", {}),
    "hf-llama-bf16-llama3": (shape("llama", 6, 2, 32, width=128, tied=True, rope=LLAMA3, base=500000.0), "BF16", {}),
    "hf-llama-f32-llama3-parameters": (shape("llama", 8, 1, 32, width=96, rope=LLAMA3), "F32", {"rope": "parameters"}),
    "hf-llama-f16-linear-sharded": (shape("llama", 4, 4, 32, rope=LINEAR), "F16", {"shards": 3, "rope": "type"}),
    "hf-llama-f32-yarn": (shape("llama", 6, 2, 48, width=96, rope={**YARN_BETAS, "attention_factor": 1.25}), "F32", {}),
    "hf-mistral-bf16-window": (shape("mistral", 8, 2, 48, width=128, window=12), "BF16", {}),
    "hf-mistral-f32-no-window": (shape("mistral", 12, 4, 32, width=100), "F32", {"null window": True}),
    "hf-qwen2-bf16-gqa7": (shape("qwen2", 14, 2, 32, tied=True, base=1e6), "BF16", {"idle window": 8}),
    "hf-qwen2-f32-yarn": (shape("qwen2", 4, 2, 80, rope=YARN), "F32", {}),
    "hf-qwen3-f32-gqa8": (shape("qwen3", 16, 2, 48, width=100, base=1e6), "F32", {"shards": 2}),
    "hf-qwen3-f16-yarn": (shape("qwen3", 6, 2, 32, width=128, tied=True, rope=YARN), "F16", {}),
}


def strengths(h):
    """Target rms of (queries and keys, attention's output, feed-forward's output) beside an embedding of one, and the half range of norm weights.

    Strong values make attention far from uniform and the layers as loud as the embedding, so that every mistake shows. With
    quantised weights both sides round activations to 8 bits, and each rounding turns a difference p of its input into about
    sqrt(p * step): after a few, two correct programs differ by the rounding error itself. Calm values keep the layers'
    share of the logits small enough for that to stay below the tolerance, and every mistake still far above it; the
    feed-forward part, whose product of two activations has the heaviest tails, is the quietest.
    """
    return (1.2, 0.3, 0.1, 0.1) if h.get("calm") else (1.6, 1.2, 1.2, 0.5)


def roles(h):
    """(layer or None, role, shape fastest first, half range or scale's rms, centre) of every tensor."""
    d, ffn, q, kv = h["width"], h["ffn"], h["heads"] * h["head_dim"], h["kv_heads"] * h["head_dim"]
    # Rows of rms r give outputs of rms r * sqrt(inputs) on normalised inputs; queries and keys are made large so that attention is far from uniform.
    rms = lambda inputs, target: target / math.sqrt(inputs)
    sharp, spoken, fed, _ = strengths(h)
    embedding = 2.0 / math.sqrt(d) if h["tied"] else 1.0
    if h["tied"] and h.get("calm"): spoken, fed = spoken * embedding * 2, fed * embedding * 2
    yield None, "embedding", (d, VOCABULARY), embedding, 0.0
    for layer in range(h["layers"]):
        yield layer, "attn_norm", (d,), None, 1.0
        for role, rows, target in (("q", q, sharp), ("k", kv, sharp), ("v", kv, 1.0)):
            yield layer, role, (d, rows), rms(d, target), 0.0
            if h["qkv_bias"]:
                yield layer, role + "_bias", (rows,), 0.8, 0.0
        if h["qk_norm"]:
            yield layer, "q_norm", (h["head_dim"],), None, 1.4
            yield layer, "k_norm", (h["head_dim"],), None, 1.4
        yield layer, "o", (q, d), rms(q, spoken), 0.0
        yield layer, "ffn_norm", (d,), None, 1.0
        yield layer, "gate", (d, ffn), rms(d, 1.5), 0.0
        yield layer, "up", (d, ffn), rms(d, 1.0), 0.0
        yield layer, "down", (ffn, d), rms(ffn, fed), 0.0
    yield None, "final_norm", (d,), None, 1.0
    if not h["tied"]:
        yield None, "head", (d, VOCABULARY), rms(d, 2.0), 0.0


def tensors(h, kind_of, names, stream):
    out = []
    for layer, role, dims, rms, centre in roles(h):
        vector = len(dims) == 1
        kind = kind_of(role, vector)
        name = NAMES[role][names]
        if layer is not None:
            name = ("blk.%d.", "model.layers.%d.")[names] % layer + name
        unit = TYPES[kind][3]
        scale = strengths(h)[3] if rms is None else rms / unit if unit else rms * math.sqrt(3)
        out.append({"name": name, "shape": list(dims), "type": kind, "stream": stream + len(out), "centre": centre, "scale": scale, "role": [layer, role]})
    return out


def gguf_case(index, name, h, kinds):
    kinds = kinds if isinstance(kinds, dict) else {"": kinds}
    h = {**h, "interleaved": h["arch"] == "llama"}
    stream = 100000 + 1000 * index
    listed = tensors(h, lambda role, vector: "F32" if vector else kinds.get(role, kinds[""]), 0, stream)
    arch, rope = h["arch"], h["rope"]
    key = lambda k, t, v: [arch + "." + k, t, v]
    meta = [["general.architecture", "str", arch], ["general.name", "str", name], ["general.alignment", "u32", 32],
            key("block_count", "u32", h["layers"]), key("context_length", "u32", 256), key("embedding_length", "u32", h["width"]),
            key("feed_forward_length", "u32", h["ffn"]), key("attention.head_count", "u32", h["heads"]), key("attention.head_count_kv", "u32", h["kv_heads"]),
            key("attention.key_length", "u32", h["head_dim"]), key("attention.value_length", "u32", h["head_dim"]), key("rope.dimension_count", "u32", h["head_dim"]),
            key("rope.freq_base", "f32", h["rope_base"]), key("attention.layer_norm_rms_epsilon", "f32", h["epsilon"]), key("vocab_size", "u32", VOCABULARY)]
    if rope["kind"] == "llama3":
        from reference import inverse_frequencies
        plain = inverse_frequencies({**h, "rope": {"kind": "default"}})[0]
        factors = [float(x) for x in (plain / inverse_frequencies(h)[0]).astype("float32")]
        listed.insert(1, {"name": "rope_freqs.weight", "shape": [h["head_dim"] // 2], "type": "F32", "values": factors, "role": [None, "rope_freqs"]})
    elif rope["kind"] != "default":
        meta += [key("rope.scaling.type", "str", rope["kind"]), key("rope.scaling.factor", "f32", rope["factor"])]
        if "original" in rope: meta.append(key("rope.scaling.original_context_length", "u32", rope["original"]))
        if "fast" in rope: meta += [key("rope.scaling.yarn_beta_fast", "f32", rope["fast"]), key("rope.scaling.yarn_beta_slow", "f32", rope["slow"])]
    return {"name": name, "format": "gguf", "model": h, "metadata": meta, "tensors": listed, "stream": stream + 999}


def folder_case(index, name, h, kind, extra):
    h = {**h, "interleaved": False}
    stream = 500000 + 1000 * index
    listed = tensors(h, lambda role, vector: kind, 1, stream)
    arch, rope = h["arch"], h["rope"]
    # Readers disagree on whether YaRN's factor or the ratio of the two windows counts; here they are equal.
    window = int(rope["factor"] * rope["original"]) if rope["kind"] == "yarn" else 256
    config = {"architectures": [{"llama": "Llama", "mistral": "Mistral", "qwen2": "Qwen2", "qwen3": "Qwen3"}[arch] + "ForCausalLM"], "model_type": arch,
              "hidden_size": h["width"], "intermediate_size": h["ffn"], "num_hidden_layers": h["layers"], "num_attention_heads": h["heads"],
              "num_key_value_heads": h["kv_heads"], "vocab_size": VOCABULARY, "max_position_embeddings": window, "rms_norm_eps": h["epsilon"], "hidden_act": "silu",
              "tie_word_embeddings": h["tied"], "bos_token_id": VOCABULARY - SPECIAL, "eos_token_id": VOCABULARY - SPECIAL + 1,
              "torch_dtype": {"F32": "float32", "F16": "float16", "BF16": "bfloat16"}[kind]}
    if h["width"] != h["heads"] * h["head_dim"] or arch == "qwen3":
        config["head_dim"] = h["head_dim"]
    if arch == "mistral": config["sliding_window"] = h["window"]
    if "idle window" in extra:             # Qwen2 files carry a window that use_sliding_window switches off
        config.update(use_sliding_window=False, sliding_window=extra["idle window"], max_window_layers=1)
    spelled = {"kind": "type" if extra.get("rope") == "type" else "rope_type", "factor": "factor", "original": "original_max_position_embeddings",
               "low": "low_freq_factor", "high": "high_freq_factor", "fast": "beta_fast", "slow": "beta_slow", "attention_factor": "attention_factor"}
    scaling = {spelled[k]: v for k, v in rope.items()}
    if extra.get("rope") == "parameters":   # the spelling of newer configs
        config["rope_parameters"] = {**scaling, "rope_theta": h["rope_base"]}
    else:
        config["rope_theta"] = h["rope_base"]
        config["rope_scaling"] = scaling if rope["kind"] != "default" else None
    return {"name": name, "format": "folder", "model": h, "config": json.dumps(config, indent=2) + "\n", "shards": extra.get("shards", 1), "tensors": listed, "stream": stream + 999}


def all_cases():
    return ([gguf_case(i, name, *case) for i, (name, case) in enumerate(GGUF.items())]
            + [folder_case(i, name, *case) for i, (name, case) in enumerate(FOLDER.items())])


def byte_characters():
    """GPT-2's printable character for each byte."""
    keep = [*range(33, 127), *range(161, 173), *range(174, 256)]
    spare = iter(range(256, 512))
    return [chr(b) if b in keep else chr(next(spare)) for b in range(256)]


def tokenizer():
    """The same small byte-level BPE as GGUF keys and as Hugging Face files."""
    letters = byte_characters()
    merges = ["t h", "th e", "i n", "a n", "e r"]
    pieces = letters + [m.replace(" ", "") for m in merges]
    special = ["<|begin|>", "<|end|>"] + ["<|reserved_%d|>" % i for i in range(SPECIAL - 2)]
    begin = len(pieces)
    assert begin + SPECIAL == VOCABULARY
    keys = [["tokenizer.ggml.model", "str", "gpt2"], ["tokenizer.ggml.pre", "str", "gpt-2"], ["tokenizer.ggml.tokens", "str[]", pieces + special],
            ["tokenizer.ggml.token_type", "i32[]", [1] * begin + [3] * SPECIAL], ["tokenizer.ggml.merges", "str[]", merges],
            ["tokenizer.ggml.bos_token_id", "u32", begin], ["tokenizer.ggml.eos_token_id", "u32", begin + 1], ["tokenizer.ggml.add_bos_token", "bool", False]]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    added = [{"id": begin + i, "content": s, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True} for i, s in enumerate(special)]
    model = {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
             "ignore_merges": False, "vocab": {p: i for i, p in enumerate(pieces)}, "merges": merges}
    whole = {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added, "normalizer": None, "pre_tokenizer": level, "post_processor": None,
             "decoder": level, "model": model}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": special[0], "eos_token": special[1], "add_bos_token": False}
    dump = lambda value: json.dumps(value, ensure_ascii=True, separators=(",", ":")) + "\n"
    return keys, {"tokenizer.json": dump(whole), "tokenizer_config.json": dump(settings)}
