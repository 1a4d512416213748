"""Families beside Llama, Mistral and Qwen: what differs, how each container spells it, and one model of each, the same in both containers.

Queries, keys and values are slices of one stream of random numbers, and so are gate and up: a model's numbers do not depend on whether a container joins them.
"""
import json, math
from random_tensors import TYPES

POSITIONS, VOCABULARY = 40, 269

LAYER = {  # role: (GGUF, Hugging Face)
    "n1": ("attn_norm.weight", "input_layernorm.weight"), "n2": ("post_attention_norm.weight", "post_attention_layernorm.weight"),
    "n3": ("ffn_norm.weight", "post_attention_layernorm.weight"), "n4": ("post_ffw_norm.weight", "post_feedforward_layernorm.weight"),
    "q": ("attn_q", "self_attn.q_proj"), "k": ("attn_k", "self_attn.k_proj"), "v": ("attn_v", "self_attn.v_proj"), "qkv": ("attn_qkv", "self_attn.qkv_proj"),
    "o": ("attn_output", "self_attn.o_proj"), "q_norm": ("attn_q_norm.weight", "self_attn.q_norm.weight"), "k_norm": ("attn_k_norm.weight", "self_attn.k_norm.weight"),
    "gate": ("ffn_gate", "mlp.gate_proj"), "up": ("ffn_up", "mlp.up_proj"), "gate_up": ("ffn_up", "mlp.gate_up_proj"), "down": ("ffn_down", "mlp.down_proj"),
    "up.b": ("ffn_up.bias", None), "down.b": ("ffn_down.bias", None),
    "router": ("ffn_gate_inp.weight", "mlp.gate.weight"), "sinks": ("attn_sinks.weight", None), "router.b": ("ffn_gate_inp.bias", None),
    "scale": ("layer_output_scale.weight", "layer_scalar!"), "p1": ("post_ffw_norm_1.weight", "post_feedforward_layernorm_1.weight"),
    "q2": ("pre_ffw_norm_2.weight", "pre_feedforward_layernorm_2.weight"), "p2": ("post_ffw_norm_2.weight", "post_feedforward_layernorm_2.weight"),
    "router.scale": ("ffn_gate_inp.scale!", "router.scale!"), "given": ("ffn_down_exps.scale!", "router.per_expert_scale!"),
    "gates.b": ("ffn_gate_exps.bias", None), "ups.b": ("ffn_up_exps.bias", None), "downs.b": ("ffn_down_exps.bias", None),
}
EXPERTS = {  # way of lying: {role: (GGUF, Hugging Face)}; %d is an expert's number
    "one": {"gate": ("ffn_gate.%d.weight", "mlp.experts.%d.gate_proj.weight"), "up": ("ffn_up.%d.weight", "mlp.experts.%d.up_proj.weight"),
            "down": ("ffn_down.%d.weight", "mlp.experts.%d.down_proj.weight")},
    "stacked": {"gate": ("ffn_gate_exps.weight", None), "up": ("ffn_up_exps.weight", None), "down": ("ffn_down_exps.weight", None)},
    "joined": {"gate_up": ("ffn_gate_up_exps.weight", "mlp.experts.gate_up_proj"), "down": ("ffn_down_exps.weight", "mlp.experts.down_proj")},
}
SHARED = {"gate": "ffn_gate_shexp", "up": "ffn_up_shexp", "down": "ffn_down_shexp"}
GLOBAL = {"embedding": ("token_embd.weight", "model.embed_tokens.weight"), "final_norm": ("output_norm.weight", "model.norm.weight"),
          "head": ("output.weight", "lm_head.weight"), "start": ("blk.%d.", "model.layers.%d.")}
FACTORS_SHORT = [1.0, 1.1, 1.25, 1.5, 2.1, 2.75, 3.1, 3.6]
FACTORS_LONG = [1.4, 1.05, 2.6, 3.9, 1.7, 3.3, 2.2, 1.2]
LLAMA3 = {"kind": "llama3", "factor": 8.0, "low": 1.0, "high": 4.0, "original": 32}
MISTRAL3 = {"kind": "yarn", "factor": 4.0, "original": 16, "attention_factor": 1.0}


def model(family, heads, kv_heads, head_dim, **other):
    """One model: sizes, and what differs from Llama."""
    base = {"family": family, "heads": heads, "kv_heads": kv_heads, "head_dim": head_dim, "width": heads * head_dim, "ffn": 160, "tied": False, "layers": 2,
            "epsilon": 1e-5, "rope": {"kind": "default"}, "rope_base": 10000.0, "window": None, "interleaved": False, "gguf_interleaved": False,
            "rotary": head_dim, "norm": "rms", "norms": "before", "parallel": False, "qk": "none", "no_rope": [], "bias": "", "embedding_scale": 1.0,
            "full": None, "window_rope": None, "score_cap": None, "logit_cap": None, "gate": "silu", "lack_one": False, "logit_scale": 1.0, "residual_scale": 1.0, "score_scale": head_dim ** -0.5, "temperature": None,
            "experts": 0, "used": 0, "expert_ffn": 0, "router": "chosen", "shared": False, "ways": ("stacked", "one"), "sinks": False,
            "two_norms": False, "fed_bias": False, "positions": 0,
            "window_heads": None, "values_are_keys": False, "norms_values": False, "layer_scale": False, "beside": False, "qk_centre": 1.4}
    h = {**base, **other}
    h["long"] = h["rope"]["kind"] == "longrope" and POSITIONS > h["rope"]["original"]
    return h


def longrope(original):
    return {"kind": "longrope", "original": original, "short": FACTORS_SHORT[:6], "long": FACTORS_LONG[:6], "attention_factor": 1.1902}


GRANITE = dict(interleaved=True, embedding_scale=3.5, logit_scale=1 / 1.75, residual_scale=0.62, score_scale=0.31)
CASES = {  # name: (model, type of matrices in GGUF)
    "granite-f32": (model("granite", 6, 2, 16, width=104, tied=True, bias="qkvo", **GRANITE), "F32"),
    "granite-q4_k_m": (model("granite", 8, 2, 32, ffn=512, tied=True, calm=True, **{**GRANITE, "score_scale": 0.4}), "Q4_K"),
    "minicpm-f32": (model("minicpm", 6, 3, 16, width=80, tied=True, interleaved=True, embedding_scale=2.5, residual_scale=0.8 / math.sqrt(2), logit_scale=0.4), "F32"),
    "smollm3-f32": (model("smollm3", 8, 2, 16, width=96, tied=True, interleaved=True, layers=5, no_rope=[3], rope_base=5e6), "F32"),
    "mistral3-f32": (model("mistral3", 6, 2, 32, width=120, interleaved=True, rope=MISTRAL3, rope_base=1e6, temperature=[0.35, 16]), "F32"),
    "phi3-f32-short": (model("phi3", 6, 2, 16, tied=True, rotary=12, rope=longrope(256)), "F32"),
    "phi3-f32-long": (model("phi3", 6, 2, 16, tied=True, rotary=12, rope=longrope(32)), "F32"),
    "phi3-q8_0": (model("phi3", 6, 3, 32, ffn=288, calm=True), "Q8_0"),
    "olmo2-f32": (model("olmo2", 6, 2, 16, norms="after", qk="row", rope_base=5e5), "F32"),
    "glm4-f32": (model("glm4", 8, 2, 16, width=112, norms="around", bias="qkv", rotary=8, interleaved=True), "F32"),
    "chatglm-f32": (model("chatglm", 8, 2, 16, width=128, bias="qkv", rotary=8, interleaved=True, rope_base=20000.0), "F32"),
    "command-r-f32": (model("command-r", 6, 2, 16, tied=True, norm="layer", parallel=True, interleaved=True, logit_scale=0.375), "F32"),
    "seed_oss-f32": (model("seed_oss", 6, 2, 16, width=72, bias="qkv", rope_base=1e7), "F32"),
    "exaone-f32": (model("exaone", 6, 2, 16, tied=True, rope=LLAMA3), "F32"),
    "exaone4-f32": (model("exaone4", 6, 2, 16, tied=True, norms="after", qk="heads", rope=LLAMA3), "F32"),
    "ernie4_5-f32": (model("ernie4_5", 6, 2, 16, width=64, tied=True, interleaved=True, rope_base=5e5), "F32"),
    "hunyuan-dense-f32": (model("hunyuan-dense", 6, 2, 16, width=72, tied=True, qk="rotated"), "F32"),
    "gemma3-f32": (model("gemma3", 6, 2, 16, width=88, tied=True, norms="around", qk="heads", gate="gelu", layers=7, window=8, full=[5], rope={"kind": "linear", "factor": 2.5},
                         rope_base=1e6, window_rope=[10000.0, {"kind": "default"}], embedding_scale=math.sqrt(88), lack_one=True), "F32"),
    "olmo3-f32": (model("olmo2", 6, 2, 16, norms="after", qk="row", rope_base=5e5, layers=5, window=8, full=[3], rope={"kind": "yarn", "factor": 4.0, "original": 16},
                        window_rope=[5e5, {"kind": "default"}], folder="olmo3"), "F32"),
    "cohere2-f32": (model("cohere2", 6, 2, 16, tied=True, norm="layer", parallel=True, interleaved=True, logit_scale=0.375, layers=5, window=8, full=[3], no_rope=[3]), "F32"),
    "gemma2-f32": (model("gemma2", 6, 2, 16, width=88, tied=True, norms="around", gate="gelu", layers=3, window=8, full=[1], embedding_scale=math.sqrt(88), lack_one=True,
                         score_cap=2.0, logit_cap=3.0), "F32"),
}
FOLDERS = {  # without a twin in GGUF, or with more than one spelling
    "hf-command-r-plus-f32": model("command-r", 6, 2, 16, tied=True, norm="layer", parallel=True, interleaved=True, logit_scale=0.375, qk="own"),
    "hf-granite-dense4-nope-f32": {**model("granite", 6, 2, 16, width=104, tied=True, **GRANITE), "no_rope": [0, 1], "folder": "granitemoehybrid"},
    "hf-glm-f32": {**model("chatglm", 8, 2, 16, width=112, bias="qkv", rotary=8, interleaved=True), "folder": "glm"},
    "hf-exaone4-windows-f32": model("exaone4", 6, 2, 16, width=88, norms="after", qk="heads", layers=5, window=8, full=[3], no_rope=[3]),
}
EXPERT_CASES = {
    "qwen3moe-f32": (model("qwen3moe", 6, 2, 16, width=72, qk="heads", experts=7, used=3, expert_ffn=40), "F32"),
    "qwen3moe-q4_k": (model("qwen3moe", 8, 2, 32, width=256, qk="heads", experts=6, used=2, expert_ffn=256, calm=True), "Q4_K"),
    "mixtral-f32": (model("llama", 6, 3, 16, width=104, interleaved=True, rope_base=1e6, experts=5, used=2, expert_ffn=56, folder="mixtral"), "F32"),
    "mixtral-apart-f32": (model("llama", 4, 1, 16, interleaved=True, experts=4, used=3, expert_ffn=24, folder="mixtral", ways=("one", "joined"), alone=True), "F32"),
    "olmoe-f32": (model("olmoe", 6, 6, 16, qk="row", experts=9, used=4, expert_ffn=33, router="all"), "F32"),
    "granitemoe-f32": (model("granitemoe", 6, 2, 16, width=88, tied=True, experts=8, used=3, expert_ffn=48, ways=("stacked", "joined"), **GRANITE), "F32"),
    "granitemoe-shared-f32": (model("granitemoe", 6, 2, 16, width=88, tied=True, experts=6, used=2, expert_ffn=40, shared=True, ffn=72, folder="granitemoeshared",
                                    ways=("stacked", "joined"), **GRANITE), "F32"),
    "qwen3moe-mxfp4": (model("qwen3moe", 8, 2, 32, width=128, qk="heads", experts=6, used=2, expert_ffn=96, calm=True), "MXFP4"),
    "gpt-oss-f32": (model("gpt-oss", 6, 2, 32, width=96, bias="qkvo", layers=3, window=8, full=[1], experts=5, used=2, expert_ffn=40, gate="clamped", sinks=True,
                          rope={"kind": "yarn", "factor": 4.0, "original": 16}, rope_base=150000.0), "F32"),
}
EXPERT_FOLDERS = {
    "hf-qwen3moe-joined-f32": model("qwen3moe", 4, 2, 16, width=48, qk="heads", experts=5, used=2, expert_ffn=24, router="all", ways=("stacked", "joined")),
}
NEOX = dict(norm="layer_bias", gate="plain_gelu", bias="qkvo", fed_bias=True)
FALCON = dict(norm="layer_bias", gate="plain_gelu")
PLAIN_CASES = {  # of a feed-forward part without a gate
    "gptneox-f32": (model("gptneox", 6, 6, 24, rotary=6, parallel=True, two_norms=True, **NEOX), "F32"),
    "gptneox-sequential-f32": (model("gptneox", 5, 5, 16, rotary=4, ffn=136, layers=3, **NEOX), "F32"),
    "gptneox-q8_0": (model("gptneox", 8, 8, 32, rotary=8, ffn=512, parallel=True, two_norms=True, calm=True, **NEOX), "Q8_0"),
    "falcon-f32": (model("falcon", 6, 1, 16, tied=True, parallel=True, ffn=384, **FALCON), "F32"),
    "falcon-two-norms-f32": (model("falcon", 8, 2, 16, parallel=True, two_norms=True, layers=3, **FALCON), "F32"),
    "falcon-q8_0": (model("falcon", 8, 2, 32, ffn=512, parallel=True, two_norms=True, calm=True, **FALCON), "Q8_0"),
}
PLAIN_FOLDERS = {
    "hf-opt-f32": model("opt", 6, 6, 16, tied=True, no_rope=[0, 1], norm="layer_bias", gate="plain_relu", bias="qkvo", fed_bias=True, positions=64),
    "hf-opt-inner-f32": {**model("opt", 4, 4, 16, layers=3, ffn=96, no_rope=[0, 1, 2], norm="layer_bias", gate="plain_relu", positions=48), "inner": True},
    "hf-falcon-one-norm-f32": {**model("falcon", 6, 2, 16, parallel=True, rope_base=5e5, layers=3, **FALCON), "new": True},
    "hf-falcon-biases-f32": model("falcon", 5, 5, 16, parallel=True, bias="qkvo", fed_bias=True, **FALCON),
}
OSS = dict(bias="qkvo", layers=3, window=8, full=[1], gate="clamped", sinks=True, rope_base=150000.0)
OSS_CASES = {  # experts alone are of the type
    "gpt-oss-mxfp4": ({**model("gpt-oss", 6, 2, 32, width=96, experts=4, used=3, expert_ffn=64, calm=True, rope={"kind": "yarn", "factor": 4.0, "original": 16}, **OSS), "of_experts": "MXFP4"}, "MXFP4"),
}
OSS_FOLDERS = {  # the ramp's ends where they lie
    "hf-gpt-oss-ramp-f32": model("gpt-oss", 4, 1, 48, width=72, experts=4, used=2, expert_ffn=40, rope={"kind": "yarn", "factor": 4.0, "original": 16, "whole": False}, **OSS),
}
GEMMA4 = dict(tied=True, norms="around", qk="heads", gate="gelu", layers=7, window=8, full=[5, 6], window_rope=[10000.0, {"kind": "default"}], rope_base=1e6,
              rope={"kind": "proportional", "share": 0.25}, score_scale=1.0, qk_centre=0.65, logit_cap=3.0, values_are_keys=True, norms_values=True, layer_scale=True, epsilon=1e-6)
GEMMA4_CASES = {
    "gemma4-f32": (model("gemma4", 4, 1, 32, width=72, window_heads=(2, 16), embedding_scale=math.sqrt(72), **GEMMA4), "F32"),
    "gemma4-moe-f32": (model("gemma4", 6, 2, 32, width=88, window_heads=(3, 16), embedding_scale=math.sqrt(88), experts=8, used=3, expert_ffn=24, beside=True, ffn=56,
                             ways=("joined", "joined"), **GEMMA4), "F32"),
}
GGUF_FUSED = {"gptneox": ("qkv",), "falcon": ("qkv",), "phi3": ("qkv", "gate_up"), "chatglm": ("qkv", "gate_up"), "glm4": ("gate_up",)}
FOLDER_FUSED = {"gptneox": ("qkv",), "falcon": ("qkv",), "granitemoeshared": ("gate_up",), "phi3": ("qkv", "gate_up"), "chatglm": ("qkv", "gate_up"), "glm4": ("gate_up",), "glm": ("gate_up",), "granitemoehybrid": ("gate_up",)}
GGUF_NAMES = {"gpt-oss": {"n3": "post_attention_norm.weight"}, "seed_oss": {"n3": "post_attention_norm.weight"}}
GRANITE_EXPERTS = {"router": "block_sparse_moe.router.layer.weight", "experts.gate_up": "block_sparse_moe.input_linear.weight",
                   "experts.down": "block_sparse_moe.output_linear.weight"}
FOLDER_NAMES = {  # a name with a mark of exclamation ends there
    "gemma4": {"n3": "pre_feedforward_layernorm.weight", "router": "router.proj.weight", "experts.gate_up": "experts.gate_up_proj", "experts.down": "experts.down_proj"},
    "gpt-oss": {"router": "mlp.router.weight", "router.b": "mlp.router.bias", "sinks": "self_attn.sinks!", "downs.b": "mlp.experts.down_proj_bias!",
                "gates.b": "-!", "ups.b": "mlp.experts.gate_up_proj_bias!"},
    "falcon": {"embedding": "transformer.word_embeddings.weight", "final_norm": "transformer.ln_f.weight", "start": "transformer.h.%d.", "qkv": "self_attention.query_key_value",
               "o": "self_attention.dense", "up": "mlp.dense_h_to_4h", "down": "mlp.dense_4h_to_h", "up.b": "mlp.dense_h_to_4h.bias", "down.b": "mlp.dense_4h_to_h.bias"},
    "opt": {"embedding": "model.decoder.embed_tokens.weight", "positions": "model.decoder.embed_positions.weight", "final_norm": "model.decoder.final_layer_norm.weight",
            "start": "model.decoder.layers.%d.", "n1": "self_attn_layer_norm.weight", "n3": "final_layer_norm.weight", "o": "self_attn.out_proj", "up": "fc1", "down": "fc2",
            "up.b": "fc1.bias", "down.b": "fc2.bias"},
    "gptneox": {"embedding": "gpt_neox.embed_in.weight", "final_norm": "gpt_neox.final_layer_norm.weight", "head": "embed_out.weight", "start": "gpt_neox.layers.%d.",
                "qkv": "attention.query_key_value", "o": "attention.dense", "up": "mlp.dense_h_to_4h", "down": "mlp.dense_4h_to_h", "up.b": "mlp.dense_h_to_4h.bias",
                "down.b": "mlp.dense_4h_to_h.bias"},
    "mixtral": {"router": "block_sparse_moe.gate.weight", "experts.gate": "block_sparse_moe.experts.%d.w1.weight", "experts.up": "block_sparse_moe.experts.%d.w3.weight",
                "experts.down": "block_sparse_moe.experts.%d.w2.weight"},
    "granitemoe": GRANITE_EXPERTS, "granitemoeshared": GRANITE_EXPERTS | {"gate_up": "shared_mlp.input_linear", "down": "shared_mlp.output_linear"},
    "gemma2": {"n3": "pre_feedforward_layernorm.weight"}, "gemma3": {"n3": "pre_feedforward_layernorm.weight"},
    "glm4": {"n2": "post_self_attn_layernorm.weight", "n4": "post_mlp_layernorm.weight"},
    "granitemoehybrid": {"gate_up": "shared_mlp.input_linear", "down": "shared_mlp.output_linear"},
    "hunyuan-dense": {"q_norm": "self_attn.query_layernorm.weight", "k_norm": "self_attn.key_layernorm.weight"},
    "exaone": {"embedding": "transformer.wte.weight", "final_norm": "transformer.ln_f.weight", "start": "transformer.h.%d.", "n1": "ln_1.weight", "n3": "ln_2.weight",
               "q": "attn.attention.q_proj", "k": "attn.attention.k_proj", "v": "attn.attention.v_proj", "o": "attn.attention.out_proj",
               "gate": "mlp.c_fc_0", "up": "mlp.c_fc_1", "down": "mlp.c_proj"},
    "chatglm": {"embedding": "transformer.embedding.word_embeddings.weight", "final_norm": "transformer.encoder.final_layernorm.weight",
                "head": "transformer.output_layer.weight", "start": "transformer.encoder.layers.%d.", "qkv": "self_attention.query_key_value", "o": "self_attention.dense",
                "gate_up": "mlp.dense_h_to_4h", "down": "mlp.dense_4h_to_h"},
}
# Where Falcon has a norm for each branch.
NAMES_OF_TWO = ({"n1": "attn_norm_2.weight", "n3": "attn_norm.weight"}, {"n1": "ln_attn.weight", "n3": "ln_mlp.weight"})
# Folders whose joined rows lie by group of heads: queries, key, value.
FOLDER_GROUPED = ("gptneox", "falcon")
# Folders whose rows are interleaved too; in the others they are in halves whatever GGUF has.
FOLDER_INTERLEAVED = ("glm4", "chatglm", "command-r", "cohere2", "ernie4_5")


def at(h, layer):
    """The model as one layer has it, whose heads may have other sizes."""
    if h["window_heads"] and layer not in h["full"]: return {**h, "kv_heads": h["window_heads"][0], "head_dim": h["window_heads"][1], "rotary": h["window_heads"][1], "values_are_keys": False}
    return h


def sizes(h):
    return h["heads"] * h["head_dim"], h["kv_heads"] * h["head_dim"]


def strengths(h):
    """As in cases.py: (queries, keys and values; attention's output; feed-forward's output; half range of norms)."""
    return (1.2, 0.3, 0.1, 0.1) if h.get("calm") else (1.5, 1.2, 1.2, 0.4)


def streams(h):
    """(layer, role, rows, columns or None, rms or None for a norm) in a fixed order, with joined roles: each is one stream of random numbers."""
    d, ffn, (q, kv) = h["width"], h["ffn"], sizes(h)
    sharp, spoken, fed, _ = strengths(h)
    if h["norms"] != "before": sharp, spoken, fed = sharp * 0.8, 1.0, 1.0      # what a norm follows may have any size
    scaled = h["embedding_scale"]
    rms = lambda inputs, target: target / math.sqrt(inputs)
    # Layers speak as loud as the embedding, whose size a tied head settles.
    embedding = 2.0 / math.sqrt(d) / h["logit_scale"] if h["tied"] else 1.0 / scaled
    loud = embedding * scaled if h["norms"] == "before" else 1.0
    spoken, fed = (x * max(loud, 0.3) * 0.4 / h["residual_scale"] if h.get("calm") and h["tied"] else x / h["residual_scale"] for x in (spoken, fed))
    yield None, "embedding", VOCABULARY, d, embedding
    if h["positions"]: yield None, "positions", h["positions"] + 2, d, 0.5 * embedding
    whole = h
    for layer in range(h["layers"]):
        h = at(whole, layer)
        q, kv = sizes(h)
        before, after = h["norms"] != "after", h["norms"] != "before"
        if before: yield layer, "n1", d, None, None
        if before and h["norm"] == "layer_bias": yield layer, "n1_bias", d, None, 0.6
        yield layer, "qkv", q + (1 if h["values_are_keys"] else 2) * kv, d, rms(d, sharp)
        if h["bias"]: yield layer, "qkv_bias", q + 2 * kv, None, 0.7
        if h["qk"] != "none":
            rowwise = h["qk"] in ("row", "own")
            yield layer, "q_norm", q if rowwise else h["head_dim"], None, None
            yield layer, "k_norm", kv if rowwise else h["head_dim"], None, None
        yield layer, "o", d, q, rms(q, spoken)
        if h["bias"] == "qkvo": yield layer, "o_bias", d, None, 0.5
        if h["sinks"]: yield layer, "sinks", h["heads"], None, 3.0
        if after: yield layer, "n2", d, None, None
        if before and (not h["parallel"] or h["two_norms"]): yield layer, "n3", d, None, None
        if before and (not h["parallel"] or h["two_norms"]) and h["norm"] == "layer_bias": yield layer, "n3_bias", d, None, 0.6
        if h["experts"]:
            yield layer, "router", h["experts"], d, rms(d, 1.2)
            clamped = h["gate"] == "clamped"                  # wide enough to be clamped
            yield layer, "experts.gate_up", 2 * h["experts"] * h["expert_ffn"], d, rms(d, 4.0 if clamped else 1.3)
            yield layer, "experts.down", h["experts"] * d, h["expert_ffn"], rms(h["expert_ffn"], (0.2 if clamped else 1.5) * fed)
            if clamped:
                yield layer, "router.b", h["experts"], None, 0.8
                for part, outputs in (("gates.b", h["expert_ffn"]), ("ups.b", h["expert_ffn"]), ("downs.b", d)): yield layer, part, h["experts"] * outputs, None, 0.8
        if h["gate"].startswith("plain"):
            yield layer, "up", ffn, d, rms(d, 1.3)
            if h["fed_bias"]: yield layer, "up.b", ffn, None, 0.6
            yield layer, "down", d, ffn, rms(ffn, fed)
            if h["fed_bias"]: yield layer, "down.b", d, None, 0.5
        elif h["shared"] or h["beside"] or not h["experts"]:
            yield layer, "gate_up", 2 * ffn, d, rms(d, 1.3)
            yield layer, "down", d, ffn, rms(ffn, fed)
        if h["beside"]:
            for part, count in (("p1", d), ("q2", d), ("p2", d), ("router.scale", d), ("given", h["experts"])): yield layer, part, count, None, None
        if after: yield layer, "n4", d, None, None
        if h["layer_scale"]: yield layer, "scale", 1, None, None
    h = whole
    yield None, "final_norm", d, None, None
    if h["norm"] == "layer_bias": yield None, "final_norm_bias", d, None, 0.6
    if not h["tied"]: yield None, "head", VOCABULARY, d, rms(d, 2.0) / h["logit_scale"]


def parts(h, role, layer):
    """What a joined role consists of: (role, rows)."""
    h = at(h, layer)
    q, kv = sizes(h)
    if role in ("qkv", "qkv_bias"):
        return [(x + role[3:], n) for x, n in (("q", q), ("k", kv), ("v", kv))][:2 if h["values_are_keys"] else 3]
    return [("gate", h["ffn"]), ("up", h["ffn"])] if role == "gate_up" else []


def tensors(h, container, kind_of, stream):
    """container: 0 GGUF, 1 folder. Rows of queries and keys lie as h["interleaved"] says in GGUF; a folder in halves has them in another order."""
    family = h.get("folder", h["family"]) if container else h["family"]
    fused = (FOLDER_FUSED if container else GGUF_FUSED).get(family, ())
    own = (FOLDER_NAMES if container else GGUF_NAMES).get(family, {})
    turned = container == 1 and h["interleaved"] and h["family"] not in FOLDER_INTERLEAVED
    alternates = container == 1 and family == "gpt-oss"
    out = []

    def name(layer, role):
        bare = role[:-5] if role.endswith("_bias") else role
        two = NAMES_OF_TWO[container].get(bare) if family == "falcon" and h["two_norms"] else None
        spelled = two or own.get(bare) or (LAYER | GLOBAL)[bare][container]
        if container == 0 and h["shared"] and bare in SHARED: spelled = SHARED[bare]
        if role.endswith("_bias") and spelled.endswith(".weight"): spelled = spelled[:-7]
        if not spelled.endswith((".weight", ".bias", "!")): spelled += ".bias" if role.endswith("_bias") else ".weight"
        spelled = spelled.rstrip("!")
        spelled = spelled if layer is None else own.get("start", GLOBAL["start"][container]) % layer + spelled
        return spelled[6:] if h.get("inner") and spelled.startswith("model.") else spelled

    def add(layer, role, stored, rows, columns, rms, number, first):
        kind = kind_of(role, columns is None or role == "router")
        unit = TYPES[kind][3]
        centre = (h["qk_centre"] if role in ("q_norm", "k_norm") else 1.0) if rms is None else 0.0
        if rms is None and container and h["lack_one"]: centre -= 1.0
        scale = strengths(h)[3] if rms is None else rms if columns is None else rms / unit if unit else rms * math.sqrt(3)
        shape = [columns, rows] if columns else [rows]
        if role in ("gates.b", "ups.b", "downs.b"): shape = [rows // h["experts"], h["experts"]]
        if h["qk"] == "own" and role in ("q_norm", "k_norm"): shape = [h["head_dim"], rows // h["head_dim"]]
        t = {"name": name(layer, role), "shape": shape, "type": kind, "stream": stream + number, "centre": centre, "scale": scale,
             "role": [layer, role], "parts": [p for p, _ in stored], "rows": [n for _, n in stored]}
        if first: t["first"] = first
        if turned and role[0] in "qk" and role[1:] in ("", "_bias"): t |= {"headRows": h["head_dim"], "turned": h["rotary"]}
        if alternates and role == "ups.b":        # rows of gate and up alternate
            t = {"name": t["name"], "shape": [2 * t["shape"][0], t["shape"][1]], "type": kind, "of": [out.pop(), {**t, "name": ""}], "part": "elements", "role": [layer, role]}
        if container and family in FOLDER_GROUPED and role in ("qkv", "qkv_bias"): t["group"] = [h["heads"] // h["kv_heads"], h["kv_heads"], h["head_dim"]]
        out.append(t)

    def add_experts(layer, role, columns, rms, number):
        """All experts' matrices of a role: a stream has of each expert the rows of the gate, then those of up; or those of the way down."""
        count, way = h["experts"], "stacked" if alternates else h["ways"][container]
        made = []
        height = h["width"] if role == "experts.down" else h["expert_ffn"]
        whole = columns * height * (1 if role == "experts.down" else 2)
        kind = kind_of(role, False)
        unit = TYPES[kind][3]
        base = {"type": kind, "centre": 0.0, "scale": rms / unit if unit else rms * math.sqrt(3)}
        start = GLOBAL["start"][container] % layer
        def put(part, spelled, shape, first, expert=None):
            t = base | {"name": start + (spelled % expert if expert is not None else spelled), "shape": shape, "stream": stream + number + (300 if unit and part == "up" else 0),
                        "role": [layer, role], "parts": ["experts.%s.%d" % (part, e) for e in ([expert] if expert is not None else range(count))],
                        "rows": [shape[1]] if expert is not None else [1] * count}
            if first: t["first"] = first
            if expert is None and shape[0] * shape[1] != whole: t |= {"run": shape[0] * shape[1], "stride": whole}
            (made if alternates else out).append(t)
        kept = ("down",) if role == "experts.down" else ("gate_up",) if way == "joined" else ("gate", "up")
        for i, part in enumerate(kept):
            spelled = "" if alternates else (own if way != "joined" or part + "s" in own or family.startswith("granite") or h["beside"] else {}).get("experts." + part) or EXPERTS[way][part][container]
            tall = height * (2 if part == "gate_up" else 1)
            if way == "one":
                for e in range(count): put(part, spelled, [columns, tall], e * whole + i * columns * tall, e)
            else:
                put(part, spelled, [columns, tall, count], i * columns * tall)
        if not alternates: return
        spelled, tall = start + "mlp.experts." + ("down_proj" if role == "experts.down" else "gate_up_proj"), height * len(made)
        made = [{**t, "name": ""} for t in made]
        ways = [("", "turned", "F32", [tall, columns, count])] if not unit else [
            ("_blocks", "blocks", "U8", [16, columns // 32, tall, count]), ("_scales", "scales", "U8", [columns // 32, tall, count])]
        for end, part, kind, shape in ways: out.append({"name": spelled + end, "shape": shape, "type": kind, "of": made, "part": part, "role": [layer, role]})

    for number, (layer, role, rows, columns, rms) in enumerate(streams(h)):
        if role.startswith("experts."):
            add_experts(layer, role, columns, rms, number)
            continue
        split = parts(h, role, layer)
        if not split or (role[:-5] if role.endswith("_bias") else role) in fused:
            add(layer, role, split or [(role, rows)], rows, columns, rms, number, 0)
            continue
        first = 0
        for part, count in split:
            add(layer, part, [(part, count)], count, columns, rms, number, first)
            first += count * (columns or 1)
    return out


def gguf_metadata(name, h):
    arch, rope = h["family"], h["rope"]
    # A name with phi3 in it makes the reference look for tokens of that model.
    key = lambda k, t, v: [arch + "." + k, t, v]
    meta = [["general.architecture", "str", arch], ["general.name", "str", name.replace("phi3", "phi")], ["general.alignment", "u32", 32],
            key("block_count", "u32", h["layers"]), key("context_length", "u32", 256), key("embedding_length", "u32", h["width"]),
            key("feed_forward_length", "u32", h["ffn"]), key("attention.head_count", "u32", h["heads"]), key("attention.head_count_kv", "u32", h["kv_heads"]),
            key("attention.key_length", "u32", h["head_dim"]), key("attention.value_length", "u32", h["head_dim"]), key("rope.dimension_count", "u32", h["rotary"]),
            key("rope.freq_base", "f32", h["rope_base"]), key("attention.layer_norm%s_epsilon" % ("_rms" if h["norm"] == "rms" else ""), "f32", h["epsilon"]),
            key("vocab_size", "u32", VOCABULARY)]
    if h["experts"]:
        meta += [key("expert_count", "u32", h["experts"]), key("expert_used_count", "u32", h["used"])]
        width = [k for k in meta if k[0].endswith(".feed_forward_length")][0]
        width[2] = h["ffn"] if h["beside"] else 3 * h["expert_ffn"] if arch == "qwen3moe" else h["expert_ffn"]
        if arch in ("qwen3moe", "gpt-oss"): meta.append(key("expert_feed_forward_length", "u32", h["expert_ffn"]))
        if h["shared"]: meta.append(key("expert_shared_feed_forward_length", "u32", h["ffn"]))
    if arch in ("granite", "minicpm", "granitemoe"):
        meta += [key("embedding_scale", "f32", h["embedding_scale"]), key("residual_scale", "f32", h["residual_scale"]), key("logit_scale", "f32", 1 / h["logit_scale"])]
    if arch in ("granite", "granitemoe"): meta.append(key("attention.scale", "f32", h["score_scale"]))
    if h["window"]: meta.append(key("attention.sliding_window", "u32", h["window"]))
    if arch == "gemma2": meta += [key("attn_logit_softcapping", "f32", h["score_cap"]), key("final_logit_softcapping", "f32", h["logit_cap"])]
    if arch == "gptneox":
        meta = [k for k in meta if k[0] != "gptneox.rope.freq_base"] + [key("use_parallel_residual", "bool", h["parallel"])]
    if arch == "falcon":                       # as files have it: a context of 2048 whatever the model's, and nothing of rotation
        meta = [k for k in meta if ".rope." not in k[0] and "_length" not in k[0].split("attention")[-1]] + [key("tensor_data_layout", "str", "jploski"), key("context_length", "u32", 2048),
                key("embedding_length", "u32", h["width"]), key("feed_forward_length", "u32", h["ffn"])]
    if arch == "gemma4": meta = gemma4_metadata(h, meta, key)
    if arch in ("command-r", "cohere2"): meta.append(key("logit_scale", "f32", h["logit_scale"]))
    if h["temperature"]: meta.append(key("attention.temperature_scale", "f32", h["temperature"][0]))
    if rope["kind"] == "linear": meta += [key("rope.scaling.type", "str", "linear"), key("rope.scaling.factor", "f32", rope["factor"])]
    if rope["kind"] == "yarn" and arch != "mistral3":
        meta += [key("rope.scaling.type", "str", "yarn"), key("rope.scaling.factor", "f32", rope["factor"]), key("rope.scaling.original_context_length", "u32", rope["original"])]
    elif rope["kind"] == "yarn":
        meta += [key("rope.scaling.type", "str", "yarn"), key("rope.scaling.factor", "f32", rope["factor"]), key("rope.scaling.original_context_length", "u32", rope["original"]),
                 key("rope.scaling.yarn_log_multiplier", "f32", 1.0)]
    if rope["kind"] == "longrope":
        meta += [key("rope.scaling.type", "str", "longrope"), key("rope.scaling.attn_factor", "f32", rope["attention_factor"]),
                 key("rope.scaling.original_context_length", "u32", rope["original"])]
    return meta


def gemma4_metadata(h, meta, key):
    kv_heads, dim = h["window_heads"]
    full = [layer in h["full"] for layer in range(h["layers"])]
    meta = [k for k in meta if not k[0].endswith("head_count_kv")]
    meta += [key("attention.head_count_kv", "i32[]", [h["kv_heads"] if sees else kv_heads for sees in full]), key("attention.sliding_window_pattern", "bool[]", [not sees for sees in full]),
             key("attention.key_length_swa", "u32", dim), key("attention.value_length_swa", "u32", dim), key("rope.dimension_count_swa", "u32", dim),
             key("rope.freq_base_swa", "f32", h["window_rope"][0]), key("attention.shared_kv_layers", "u32", 0), key("embedding_length_per_layer_input", "u32", 0),
             key("final_logit_softcapping", "f32", h["logit_cap"])]
    return meta + ([key("expert_feed_forward_length", "u32", h["expert_ffn"])] if h["experts"] else [])


def gemma4_config(h, config):
    kv_heads, dim = h["window_heads"]
    spared = ("hidden_act", "rope_theta", "num_local_experts", "num_experts_per_tok", "router_aux_loss_coef")
    config = {k: v for k, v in config.items() if k not in spared} | {"intermediate_size": h["ffn"]}
    config |= {"hidden_activation": "gelu_pytorch_tanh", "num_key_value_heads": kv_heads, "head_dim": dim, "num_global_key_value_heads": h["kv_heads"], "global_head_dim": h["head_dim"],
               "attention_k_eq_v": True, "num_kv_shared_layers": 0, "use_double_wide_mlp": False, "hidden_size_per_layer_input": 0, "final_logit_softcapping": h["logit_cap"],
               "use_bidirectional_attention": "vision", "enable_moe_block": h["beside"], "rope_parameters": {
                   "full_attention": {"rope_type": "proportional", "partial_rotary_factor": h["rope"]["share"], "rope_theta": h["rope_base"]},
                   "sliding_attention": {"rope_type": "default", "rope_theta": h["window_rope"][0]}}}
    return config | ({"num_experts": h["experts"], "top_k_experts": h["used"], "moe_intermediate_size": h["expert_ffn"]} if h["beside"] else {"num_experts": None})


CLASSES = {"gemma4": "Gemma4", "gptneox": "GPTNeoX", "falcon": "Falcon", "gpt-oss": "GptOss", "opt": "OPT", "granite": "Granite", "granitemoehybrid": "GraniteMoeHybrid", "minicpm": "MiniCPM", "smollm3": "SmolLM3", "mistral3": "Ministral3", "phi3": "Phi3", "olmo2": "Olmo2",
           "glm4": "Glm4", "glm": "Glm", "command-r": "Cohere", "cohere2": "Cohere2", "gemma2": "Gemma2", "gemma3": "Gemma3", "olmo3": "Olmo3", "seed_oss": "SeedOss", "exaone": "Exaone", "exaone4": "Exaone4", "ernie4_5": "Ernie4_5", "hunyuan-dense": "HunYuanDenseV1",
           "qwen3moe": "Qwen3Moe", "mixtral": "Mixtral", "olmoe": "Olmoe", "granitemoe": "GraniteMoe", "granitemoeshared": "GraniteMoeShared"}
TYPES_OF = {"gemma4": "gemma4_text", "gpt-oss": "gpt_oss", "gptneox": "gpt_neox", "gemma3": "gemma3_text", "command-r": "cohere", "hunyuan-dense": "hunyuan_v1_dense", "mistral3": "ministral3", "qwen3moe": "qwen3_moe"}


def folder_config(h):
    family, rope = h.get("folder", h["family"]), h["rope"]
    config = {"architectures": [CLASSES[family] + "ForCausalLM"] if family in CLASSES else ["ChatGLMModel"], "model_type": TYPES_OF.get(family, family),
              "hidden_size": h["width"], "intermediate_size": h["ffn"], "num_hidden_layers": h["layers"], "num_attention_heads": h["heads"],
              "num_key_value_heads": h["kv_heads"], "head_dim": h["head_dim"], "vocab_size": VOCABULARY, "max_position_embeddings": 256, "rms_norm_eps": h["epsilon"],
              "hidden_act": "silu", "rope_theta": h["rope_base"], "tie_word_embeddings": h["tied"], "dtype": "float32"}
    if h["bias"]: config["attention_bias"] = True
    if rope["kind"] == "llama3":
        config["rope_scaling"] = {"rope_type": "llama3", "factor": rope["factor"], "low_freq_factor": rope["low"], "high_freq_factor": rope["high"],
                                  "original_max_position_embeddings": rope["original"]}
    if rope["kind"] == "longrope":
        config |= {"original_max_position_embeddings": rope["original"],
                   "rope_scaling": {"type": "longrope", "short_factor": rope["short"], "long_factor": rope["long"], "attention_factor": rope["attention_factor"]}}
    if h["rotary"] != h["head_dim"] and family != "chatglm": config["partial_rotary_factor"] = h["rotary"] / h["head_dim"]
    if family.startswith("granite"):
        config |= {"embedding_multiplier": h["embedding_scale"], "residual_multiplier": h["residual_scale"], "attention_multiplier": h["score_scale"],
                   "logits_scaling": 1 / h["logit_scale"]}
    if family == "granitemoehybrid":
        config |= {"shared_intermediate_size": config.pop("intermediate_size"), "intermediate_size": 7, "layer_types": ["attention"] * h["layers"],
                   "position_embedding_type": "nope", "num_local_experts": 0, "normalization_function": "rmsnorm"}
    if h["experts"]:
        few = family in ("qwen3moe", "olmoe")
        config |= {"num_experts" if few else "num_local_experts": h["experts"], "num_experts_per_tok": h["used"], "router_aux_loss_coef": 0.001,
                   "moe_intermediate_size" if family == "qwen3moe" else "intermediate_size": h["expert_ffn"]}
        if few: config["norm_topk_prob"] = h["router"] == "chosen"
        if family == "qwen3moe": config |= {"decoder_sparse_step": 1, "mlp_only_layers": []}
        if h["shared"]: config["shared_intermediate_size"] = h["ffn"]
    if family == "minicpm":
        config |= {"scale_emb": h["embedding_scale"], "scale_depth": h["residual_scale"] * math.sqrt(h["layers"]), "dim_model_base": h["logit_scale"] * h["width"]}
    if family == "smollm3": config["no_rope_layers"] = [0 if layer in h["no_rope"] else 1 for layer in range(h["layers"])]
    if family == "mistral3":
        config["rope_parameters"] = {"rope_type": "yarn", "rope_theta": config.pop("rope_theta"), "factor": rope["factor"], "original_max_position_embeddings": rope["original"],
                                     "mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": h["temperature"][0]}
    if h["window"]:
        config |= {"sliding_window": h["window"], "layer_types": ["full_attention" if layer in h["full"] else "sliding_attention" for layer in range(h["layers"])]}
    if rope["kind"] in ("linear", "yarn") and family != "mistral3":
        config["rope_scaling"] = {"rope_type": rope["kind"], "factor": rope["factor"]} | ({"original_max_position_embeddings": rope["original"]} if "original" in rope else {})
    if rope["kind"] == "yarn" and family != "mistral3": config["max_position_embeddings"] = int(rope["factor"] * rope["original"])
    if family == "gemma3":
        config |= {"hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": h["head_dim"], "rope_local_base_freq": h["window_rope"][0], "attn_logit_softcapping": None}
        del config["hidden_act"], config["tie_word_embeddings"]
    if family == "gemma2":
        config |= {"hidden_activation": "gelu_pytorch_tanh", "query_pre_attn_scalar": h["head_dim"], "attn_logit_softcapping": h["score_cap"],
                   "final_logit_softcapping": h["logit_cap"]}
        del config["hidden_act"], config["tie_word_embeddings"], config["layer_types"]      # every second layer sees all where nothing is said
    if family == "gemma4": config = gemma4_config(h, config)
    if family == "cohere2":
        config |= {"layer_norm_eps": config.pop("rms_norm_eps"), "logit_scale": h["logit_scale"]}
        del config["tie_word_embeddings"]
    if family == "command-r":
        config |= {"layer_norm_eps": config.pop("rms_norm_eps"), "logit_scale": h["logit_scale"], "use_qk_norm": h["qk"] == "own", "model_max_length": 256}
        del config["tie_word_embeddings"]            # tied where nothing is said
    if family == "gptneox":
        config |= {"layer_norm_eps": config.pop("rms_norm_eps"), "rotary_pct": config.pop("partial_rotary_factor"), "rotary_emb_base": config.pop("rope_theta"),
                   "use_parallel_residual": h["parallel"], "hidden_act": "gelu"}
        del config["head_dim"], config["num_key_value_heads"]
    if family == "gpt-oss":
        config["rope_scaling"] |= {"beta_fast": 32.0, "beta_slow": 1.0, "truncate": rope.get("whole", True)}
        config |= {"experts_per_token": h["used"], "swiglu_limit": 7.0, "initial_context_length": rope["original"]}
        if h.get("of_experts"): config["quantization_config"] = {"modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"], "quant_method": "mxfp4"}
    if family == "falcon":
        config = {k: v for k, v in config.items() if k not in ("head_dim", "num_key_value_heads", "attention_bias", "hidden_act")}
        config |= {"layer_norm_epsilon": config.pop("rms_norm_eps"), "new_decoder_architecture": h["two_norms"] or h.get("new", False), "alibi": False, "bias": bool(h["bias"]),
                   "multi_query": h["kv_heads"] == 1, "num_kv_heads": 71 if h["kv_heads"] == 1 else h["kv_heads"], "parallel_attn": True, "activation": "gelu"}
        if h.get("new"): config["num_ln_in_parallel_attn"] = 1
        ffn = config.pop("intermediate_size")
        if ffn != 4 * h["width"]: config["ffn_hidden_size"] = ffn
        if h["tied"]: del config["tie_word_embeddings"]          # where nothing is said
    if family == "opt":
        config = {k: v for k, v in config.items() if k not in ("head_dim", "num_key_value_heads", "rms_norm_eps", "rope_theta", "attention_bias")}
        config |= {"ffn_dim": config.pop("intermediate_size"), "activation_function": "relu", "word_embed_proj_dim": h["width"], "do_layer_norm_before": True,
                   "_remove_final_layer_norm": False, "enable_bias": bool(h["bias"]), "max_position_embeddings": h["positions"]}
        del config["hidden_act"]
    if family == "seed_oss": config["attention_out_bias"] = False
    if family == "exaone":
        for usual, spelled in (("num_hidden_layers", "num_layers"), ("rms_norm_eps", "layer_norm_epsilon"), ("hidden_act", "activation_function")): config[spelled] = config.pop(usual)
    if family == "exaone4" and not h["window"]: config |= {"sliding_window": None, "layer_types": ["full_attention"] * h["layers"]}
    if family == "ernie4_5": config["use_bias"] = False
    if family == "hunyuan-dense": config["use_qk_norm"] = True
    if family == "chatglm":
        config = {"architectures": config["architectures"], "model_type": "chatglm", "hidden_size": h["width"], "ffn_hidden_size": h["ffn"], "num_layers": h["layers"],
                  "num_attention_heads": h["heads"], "multi_query_attention": True, "multi_query_group_num": h["kv_heads"], "kv_channels": h["head_dim"],
                  "padded_vocab_size": VOCABULARY, "seq_length": 256, "layernorm_epsilon": h["epsilon"], "rmsnorm": True, "post_layer_norm": True, "add_bias_linear": False,
                  "add_qkv_bias": True, "apply_residual_connection_post_layernorm": False, "rope_ratio": h["rope_base"] / 10000.0, "torch_dtype": "float32"}
    return json.dumps(config, indent=2) + "\n"


def gguf_case(index, name, h, matrices):
    stream = 700000 + 1000 * index
    listed = tensors(h, 0, lambda role, vector: "F32" if vector or h.get("of_experts") and not role.startswith("experts.") else matrices, stream)
    rope = h["rope"]
    extra = []
    if rope["kind"] == "llama3":
        from reference import inverse_frequencies
        plain = inverse_frequencies({**h, "rope": {"kind": "default"}})[0]
        extra = [("rope_freqs.weight", [float(x) for x in (plain / inverse_frequencies(h)[0]).astype("float32")])]
    if rope["kind"] == "proportional":
        turning = int(rope["share"] * h["head_dim"] / 2)
        extra = [("rope_freqs.weight", [1.0] * turning + [1e30] * (h["head_dim"] // 2 - turning))]
    if rope["kind"] == "longrope":
        extra = [("rope_factors_long.weight", rope["long"]), ("rope_factors_short.weight", rope["short"])]
    for spelled, values in extra:
        listed.insert(1, {"name": spelled, "shape": [len(values)], "type": "F32", "values": values, "role": [None, spelled], "parts": [spelled], "rows": [len(values)]})
    return {"name": name, "format": "gguf", "model": h, "metadata": gguf_metadata(name, h), "tensors": listed, "stream": stream + 999}


def folder_case(index, name, h, twin=None):
    stream = 700000 + 1000 * index
    turned = h["interleaved"] and h["family"] not in FOLDER_INTERLEAVED
    case = {"name": name, "format": "folder", "model": {**h, "interleaved": h["interleaved"] and not turned}, "config": folder_config(h), "shards": 1,
            "tensors": tensors(h, 1, lambda role, vector: h.get("of_experts", "F32") if role.startswith("experts.") else "F32", stream), "stream": stream + 999}
    return case | ({"twin": twin} if twin else {})


def all_cases():
    # Where a case's random numbers begin follows from its place: experts have places of their own.
    gguf = [*enumerate(CASES.items()), *enumerate(EXPERT_CASES.items(), 200)]
    plain = [*enumerate(PLAIN_CASES.items(), 300)]
    folders = [*enumerate(FOLDERS.items(), 100), *enumerate(EXPERT_FOLDERS.items(), 250)]
    return ([gguf_case(i, name, *case) for i, (name, case) in gguf] + [folder_case(i, "hf-" + name, h, name) for i, (name, (h, kind)) in gguf if kind == "F32" and h["family"] != "gpt-oss"]
            + [folder_case(i, name, h) for i, (name, h) in folders]
            + [gguf_case(i, name, *case) for i, (name, case) in plain] + [folder_case(i, "hf-" + name, h, name) for i, (name, (h, kind)) in plain if kind == "F32"]
            + [folder_case(i, name, h) for i, (name, h) in enumerate(PLAIN_FOLDERS.items(), 350)]
            + [case for i, (name, (h, kind)) in enumerate(OSS_CASES.items(), 400) for case in (gguf_case(i, name, h, kind), folder_case(i, "hf-" + name, h, name))]
            + [folder_case(i, "hf-" + name, h, name) for i, (name, (h, kind)) in gguf if name == "gpt-oss-f32"]
            + [folder_case(i, name, h) for i, (name, h) in enumerate(OSS_FOLDERS.items(), 450)]
            + [gguf_case(i, name, *case) for i, (name, case) in enumerate(GEMMA4_CASES.items(), 500)]
            + [folder_case(i, "hf-" + name, h, name) for i, (name, (h, kind)) in enumerate(GEMMA4_CASES.items(), 500) if kind == "F32"])
