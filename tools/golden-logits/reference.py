"""The forward pass in float64, from the definitions: what a Llama-family model computes when nothing is rounded.

Matrices are [outputs, inputs]. `flaws` are deliberate mistakes, to show that the cases would notice them.
"""
import math
import numpy as np


def inverse_frequencies(h):
    """Angle per position of each rotated pair, and the factor on cosine and sine (YaRN's attention factor)."""
    dim, rope = h["head_dim"], h["rope"]
    pair = np.arange(0, dim, 2, dtype=np.float64)
    plain = h["rope_base"] ** (-pair / dim)
    kind = rope["kind"]
    if kind == "default": return plain, 1.0
    factor = rope["factor"]
    if kind == "linear": return plain / factor, 1.0
    original = rope["original"]
    if kind == "llama3":
        wavelength = 2 * math.pi / plain
        smooth = (original / wavelength - rope["low"]) / (rope["high"] - rope["low"])
        blend = (1 - smooth) * plain / factor + smooth * plain
        return np.where(wavelength < original / rope["high"], plain, np.where(wavelength > original / rope["low"], plain / factor, blend)), 1.0
    assert kind == "yarn", kind
    # The pair whose wavelength makes n turns within the original context.
    turns = lambda n: dim * math.log(original / (n * 2 * math.pi)) / (2 * math.log(h["rope_base"]))
    first = max(math.floor(turns(rope.get("fast", 32.0))), 0)
    last = min(math.ceil(turns(rope.get("slow", 1.0))), dim - 1)
    slow = np.clip((np.arange(dim // 2) - first) / max(last - first, 0.001), 0, 1)
    attention = rope.get("attention_factor") or 0.1 * math.log(factor) + 1
    return plain / factor * slow + plain * (1 - slow), attention


def rotate(x, cos, sin, interleaved):
    """x: [positions, heads, dim]"""
    c, s = cos[:, None, :], sin[:, None, :]
    y = np.empty_like(x)
    half = x.shape[2] // 2
    first, second = (slice(0, None, 2), slice(1, None, 2)) if interleaved else (slice(0, half), slice(half, None))
    y[:, :, first] = x[:, :, first] * c - x[:, :, second] * s
    y[:, :, second] = x[:, :, first] * s + x[:, :, second] * c
    return y


def rms_norm(x, weight, epsilon):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * weight


def attention(h, w, layer, x, cos, sin, flaws):
    n, dim, heads, kv_heads = len(x), h["head_dim"], h["heads"], h["kv_heads"]
    project = lambda name: x @ w(layer, name).T + (w(layer, name + "_bias") if h["qkv_bias"] and "no bias" not in flaws else 0)
    q = project("q").reshape(n, heads, dim)
    k = project("k").reshape(n, kv_heads, dim)
    v = project("v").reshape(n, kv_heads, dim)
    if h["qk_norm"] and "no qk norm" not in flaws:
        q, k = rms_norm(q, w(layer, "q_norm"), h["epsilon"]), rms_norm(k, w(layer, "k_norm"), h["epsilon"])
    interleaved = h["interleaved"] ^ ("other row order" in flaws)
    q, k = rotate(q, cos, sin, interleaved), rotate(k, cos, sin, interleaved)
    group = heads // kv_heads
    owner = np.arange(heads) % kv_heads if "interleaved groups" in flaws else np.arange(heads) // group
    scores = np.einsum("ihd,jhd->hij", q, k[:, owner]) / math.sqrt(dim)
    i, j = np.arange(n)[:, None], np.arange(n)[None, :]
    seen = j <= i
    if h["window"] and "no window" not in flaws:
        seen &= j > i - h["window"]            # the window counts the query's own position
    scores = np.where(seen, scores, -np.inf)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    return np.einsum("hij,jhd->ihd", p, v[:, owner]).reshape(n, heads * dim) @ w(layer, "o").T


def logits(h, w, tokens, flaws=()):
    """w(layer, role) gives float64 arrays; layer is None outside the layers. Returns [positions, vocabulary]."""
    x = w(None, "embedding")[np.array(tokens)]
    if "default rope" in flaws:
        h = {**h, "rope": {"kind": "default"}}
    frequencies, scale = inverse_frequencies(h)
    angles = np.arange(len(tokens), dtype=np.float64)[:, None] * frequencies
    cos, sin = np.cos(angles) * scale, np.sin(angles) * scale
    for layer in range(h["layers"]):
        x = x + attention(h, w, layer, rms_norm(x, w(layer, "attn_norm"), h["epsilon"]), cos, sin, flaws)
        y = rms_norm(x, w(layer, "ffn_norm"), h["epsilon"])
        gate, up = y @ w(layer, "gate").T, y @ w(layer, "up").T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ w(layer, "down").T
    head = w(None, "embedding") if h["tied"] else w(None, "head")
    return rms_norm(x, w(None, "final_norm"), h["epsilon"]) @ head.T


def flaws_that_matter(h):
    """The mistakes that this model must be able to show."""
    found = ["other row order"]
    if h["kv_heads"] > 1 and h["heads"] > h["kv_heads"]: found.append("interleaved groups")
    if h["qkv_bias"]: found.append("no bias")
    if h["qk_norm"]: found.append("no qk norm")
    if h["window"]: found.append("no window")
    if h["rope"]["kind"] != "default": found.append("default rope")
    return found
