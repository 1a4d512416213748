"""The forward pass in float64, from the definitions: what a model computes when nothing is rounded.

Matrices are [outputs, inputs]. `flaws` are deliberate mistakes, to show that the cases would notice them.
"""
import math
import numpy as np


def inverse_frequencies(h):
    """Angle per position of each rotated pair, and the factor on cosine and sine (YaRN's attention factor)."""
    dim, rope = h.get("rotary", h["head_dim"]), h["rope"]
    pair = np.arange(0, dim, 2, dtype=np.float64)
    plain = h["rope_base"] ** (-pair / dim)
    kind = rope["kind"]
    if kind == "default": return plain, 1.0
    if kind == "proportional": return np.where(np.arange(dim // 2) < int(rope["share"] * dim / 2), plain, 0), 1.0
    if kind == "longrope": return plain / np.array(rope["long" if h["long"] else "short"], np.float32), rope["attention_factor"]
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
    first, last = turns(rope.get("fast", 32.0)), turns(rope.get("slow", 1.0))
    if rope.get("whole", True): first, last = math.floor(first), math.ceil(last)
    first, last = max(first, 0), min(last, dim - 1)
    slow = np.clip((np.arange(dim // 2) - first) / max(last - first, 0.001), 0, 1)
    attention = rope.get("attention_factor") or 0.1 * math.log(factor) + 1
    return plain / factor * slow + plain * (1 - slow), attention


def rotate(x, cos, sin, interleaved):
    """x: [positions, heads, dim]"""
    c, s = cos[:, None, :], sin[:, None, :]
    y = x.copy()
    n = 2 * cos.shape[1]                       # elements behind these do not rotate
    first, second = (slice(0, n, 2), slice(1, n, 2)) if interleaved else (slice(0, n // 2), slice(n // 2, n))
    y[:, :, first] = x[:, :, first] * c - x[:, :, second] * s
    y[:, :, second] = x[:, :, first] * s + x[:, :, second] * c
    return y


def rms_norm(x, weight, epsilon):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + epsilon) * weight


def norm(h, x, weight, flaws=()):
    if h.get("norm", "rms") != "rms" and "rms norm" not in flaws:
        x = x - x.mean(-1, keepdims=True)
    return rms_norm(x, weight, h["epsilon"])


def erf(x):
    return np.vectorize(math.erf)(x)


def at(h, layer):
    """The model as one layer has it, whose heads may have other sizes."""
    if h.get("window_heads") and layer not in h["full"]: return {**h, "kv_heads": h["window_heads"][0], "head_dim": h["window_heads"][1], "values_are_keys": False}
    return h


def heads_of(h, w, layer, name, x, cos_sin, flaws):
    """Queries or keys: [positions, heads, dim], normalised and rotated."""
    count = h["heads"] if name == "q" else h["kv_heads"]
    bias = h["qkv_bias"] if "qkv_bias" in h else bool(h["bias"])
    y = x @ w(layer, name).T + (w(layer, name + "_bias") if bias and "no bias" not in flaws else 0)
    kind = h["qk"] if "qk" in h else "heads" if h["qk_norm"] else "none"
    if "no qk norm" in flaws: kind = "none"
    if "norm of heads" in flaws: kind = "own"
    if "norm after rotation" in flaws: kind = "rotated"
    if "norm before rotation" in flaws: kind = "heads"
    weight = w(layer, name + "_norm") if kind != "none" else None
    if kind == "row": y = norm(h, y, weight)
    y = y.reshape(len(x), count, h["head_dim"])
    if kind == "own": y = norm(h, y, weight.reshape(count, -1))
    if kind == "heads": y = norm(h, y, weight)
    if layer not in h.get("no_rope", ()) or "rope everywhere" in flaws:
        y = rotate(y, *cos_sin, h["interleaved"] ^ ("other row order" in flaws))
    if kind == "rotated": y = norm(h, y, weight)
    if name == "q" and h.get("temperature") and "no temperature" not in flaws:
        slope, tokens = h["temperature"]
        y = y * (1 + slope * np.log(1 + np.arange(len(x)) // tokens))[:, None, None]
    return y


def attention(h, w, layer, x, cos_sin, flaws):
    n, dim, heads, kv_heads = len(x), h["head_dim"], h["heads"], h["kv_heads"]
    q, k = heads_of(h, w, layer, "q", x, cos_sin, flaws), heads_of(h, w, layer, "k", x, cos_sin, flaws)
    bias = h["qkv_bias"] if "qkv_bias" in h else bool(h["bias"])
    if h.get("values_are_keys"):
        v = k if "values of rotated keys" in flaws else (x @ w(layer, "k").T).reshape(n, kv_heads, dim)
        if "values of normed keys" in flaws: v = norm(h, v, w(layer, "k_norm"))
    else: v = (x @ w(layer, "v").T + (w(layer, "v_bias") if bias and "no bias" not in flaws else 0)).reshape(n, kv_heads, dim)
    if h.get("norms_values") and "no norm of values" not in flaws: v = norm(h, v, 1.0)
    group = heads // kv_heads
    owner = np.arange(heads) % kv_heads if "interleaved groups" in flaws else np.arange(heads) // group
    scores = np.einsum("ihd,jhd->hij", q, k[:, owner]) * (dim ** -0.5 if "usual score scale" in flaws else h.get("score_scale", dim ** -0.5))
    if h.get("score_cap") and "no score cap" not in flaws: scores = h["score_cap"] * np.tanh(scores / h["score_cap"])
    i, j = np.arange(n)[:, None], np.arange(n)[None, :]
    seen = j <= i
    full = [other for other in range(h["layers"]) if other not in h["full"]] if "other layers see all" in flaws else h.get("full") or ()
    if "last layer slides" in flaws: full = [other for other in full if other != h["layers"] - 1]
    if h["window"] and "no window" not in flaws and layer not in full:
        seen &= j > i - h["window"]            # the window counts the query's own position
    scores = np.where(seen, scores, -np.inf)
    if h.get("sinks") and "no sinks" not in flaws:      # a row of its own, of which nothing is taken
        sinks = w(layer, "sinks") * (h["score_scale"] if "scaled sinks" in flaws else 1)
        scores = np.concatenate([scores, np.broadcast_to(sinks[:, None, None], (heads, n, 1))], -1)
    p = np.exp(scores - scores.max(-1, keepdims=True))
    p = (p / p.sum(-1, keepdims=True))[:, :, :n]
    out = np.einsum("hij,jhd->ihd", p, v[:, owner]).reshape(n, heads * dim) @ w(layer, "o").T
    return out + (w(layer, "o_bias") if h.get("bias") == "qkvo" and "no bias" not in flaws else 0)


def routed(h, w, layer, y, flaws, x1=None):
    """The sum of what each row's experts give; of equal experts the first counts as larger."""
    clamped = h.get("gate") == "clamped"
    biased = clamped and "no expert bias" not in flaws
    read = y if not h.get("beside") or "router behind a norm" in flaws else rms_norm(x1, 1.0, h["epsilon"]) / math.sqrt(h["width"])
    if h.get("beside") and "no router scale" not in flaws: read = read * w(layer, "router.scale")
    if h.get("beside"): y = norm(h, x1, w(layer, "q2"))
    says = read @ w(layer, "router").T + (w(layer, "router.b") if biased else 0)
    used, out = h["used"] - ("an expert fewer" in flaws), np.zeros_like(y)
    of_all = (h["router"] == "all") != ("weights of others" in flaws)
    for row, (x, s) in enumerate(zip(y, says)):
        chosen = np.argsort(-s, kind="stable")[:used]
        e = np.exp(s - s.max())
        shares = e[chosen] / (e.sum() if of_all else e[chosen].sum())
        for share, expert in zip(shares, chosen):
            if "shifted experts" in flaws: expert = (expert + 1) % h["experts"]
            gate, up = x @ w(layer, "experts.gate.%d" % expert).T, x @ w(layer, "experts.up.%d" % expert).T
            if biased: gate, up = gate + w(layer, "gates.b")[expert], up + w(layer, "ups.b")[expert]
            if "swapped halves" in flaws: gate, up = up, gate
            if clamped:
                if "no clamp" not in flaws: gate, up = np.minimum(gate, 7), np.clip(up, -7, 7)
                acted = gate / (1 + np.exp(-1.702 * gate)) * (up + ("no plus one" not in flaws))
            elif h.get("gate") == "gelu" and "silu" not in flaws: acted = gelu_tanh(gate) * up
            else: acted = gate / (1 + np.exp(-gate)) * up
            if h.get("beside") and "no expert scales" not in flaws: share = share * w(layer, "given")[expert]
            given = acted @ w(layer, "experts.down.%d" % expert).T
            out[row] += share * (given + (w(layer, "downs.b")[expert] if biased else 0))
    return out


def gelu_tanh(gate):
    return 0.5 * gate * (1 + np.tanh(math.sqrt(2 / math.pi) * (gate + 0.044715 * gate ** 3)))


def feed(h, w, layer, y, flaws, x1):
    if h.get("beside"):
        own, shared = routed(h, w, layer, y, flaws, x1), dense(h, w, layer, y, flaws)
        if "no norms of parts" in flaws: return own + shared
        return norm(h, shared, w(layer, "p1")) + norm(h, own, w(layer, "p2"))
    if h.get("experts"):
        own = routed(h, w, layer, y, flaws)
        return own + dense(h, w, layer, y, flaws) if h["shared"] and "no shared part" not in flaws else own
    return dense(h, w, layer, y, flaws)


def dense(h, w, layer, y, flaws):
    if h.get("gate", "").startswith("plain"):
        biased = h["fed_bias"] and "no bias of feed-forward" not in flaws
        up = y @ w(layer, "up").T + (w(layer, "up.b") if biased else 0)
        if h["gate"] == "plain_relu": inner = np.zeros_like(up) if "no activation" in flaws else np.sign(up)
        else: inner = np.tanh(math.sqrt(2 / math.pi) * (up + 0.044715 * up ** 3)) if "tanh" in flaws else erf(up / math.sqrt(2))
        acted = 0.5 * up * (1 + inner)
        return acted @ w(layer, "down").T + (w(layer, "down.b") if biased else 0)
    gate, up = y @ w(layer, "gate").T, y @ w(layer, "up").T
    gelu = h.get("gate") == "gelu" and "silu" not in flaws
    acted = gelu_tanh(gate) if gelu else gate / (1 + np.exp(-gate))
    return (acted * up) @ w(layer, "down").T


def logits(h, w, tokens, flaws=()):
    """w(layer, role) gives float64 arrays; layer is None outside the layers. Returns [positions, vocabulary].

    a = attention(n1(x)); x1 = x + r n2(a); b = feed(n3(y)); x2 = x1 + r n4(b); y = x1, or x with n1 where branches are parallel."""
    x = w(None, "embedding")[np.array(tokens)] * (1 if "no embedding scale" in flaws else h.get("embedding_scale", 1))
    if h.get("positions") and "no positions" not in flaws:      # two rows of the table belong to no position
        first = 0 if "position 0 first" in flaws else 1 if "position 1 first" in flaws else 2
        x = x + w(None, "positions")[first:first + len(tokens)]
    if "default rope" in flaws:
        h = {**h, "rope": {"kind": "default"}}
    if "whole ramp" in flaws:
        h = {**h, "rope": {**h["rope"], "whole": True}}
    if "other factors" in flaws:
        h = {**h, "long": not h["long"]}
    if "whole rotary" in flaws:
        h = {**h, "rotary": h["head_dim"]}
    def turns(h):
        frequencies, scale = inverse_frequencies(h)
        angles = np.arange(len(tokens), dtype=np.float64)[:, None] * frequencies
        return np.cos(angles) * scale, np.sin(angles) * scale
    everywhere = windowed = turns(h)
    if "partial rotary" in flaws: everywhere = turns({**h, "rope": {"kind": "default"}, "rotary": int(h["rope"]["share"] * h["head_dim"])})
    own = {"head_dim": h["window_heads"][1], "rotary": h["window_heads"][1]} if h.get("window_heads") else {}
    if h.get("window_rope") and ("one rotation" not in flaws or own):
        turned = {} if "one rotation" in flaws else {"rope_base": h["window_rope"][0], "rope": h["window_rope"][1]}
        windowed = turns({**h, **own, **turned})
    whole = h
    names = ("n1", "n2", "n3", "n4") if "norms" in h else ("attn_norm", None, "ffn_norm", None)
    placed = h.get("norms", "before")
    if "norms before" in flaws: placed = "before"
    def normed(layer, role, y):
        biased = h.get("norm") == "layer_bias" and "no bias of norms" not in flaws
        return norm(h, y, w(layer, role) + ("one more in norms" in flaws), flaws) + (w(layer, role + "_bias") if biased else 0)
    n = lambda layer, which, y, exists: normed(layer, names[which], y) if exists else y
    r = 1 if "no residual scale" in flaws else h.get("residual_scale", 1)
    before, after = placed != "after", placed != "before"
    moved = {0: 1, 2: 3} if "norms before" in flaws and h["norms"] == "after" else {}
    n1, n3 = moved.get(0, 0), moved.get(2, 2)
    for layer in range(h["layers"]):
        h = at(whole, layer)
        cos_sin = windowed if h["window"] and layer not in (h.get("full") or ()) else everywhere
        first = n(layer, 2 if "swapped norms" in flaws else n1, x, before)
        g = w(layer, "scale") if h.get("layer_scale") and "no layer scale" not in flaws else 1
        if "layer scale on the branch" in flaws: r, g = w(layer, "scale"), 1
        a = x + (1 if "layer scale on the branch" in flaws else r) * n(layer, 1, attention(h, w, layer, first, cos_sin, flaws), after)
        parallel = h.get("parallel") and "sequential" not in flaws
        if h.get("two_norms"):
            y = n(layer, 0 if "swapped norms" in flaws else 2, x if parallel else a, True)
        else: y = first if parallel else n(layer, 0, a, True) if h.get("parallel") else n(layer, n3, a, before)
        x = (a + r * n(layer, 3, feed(h, w, layer, y, flaws, a), after)) * g
    head = w(None, "embedding") if h["tied"] else w(None, "head")
    out = normed(None, "final_norm", x) @ head.T
    scale = h.get("logit_scale", 1)
    if h.get("logit_cap") and "no logit cap" not in flaws: out = h["logit_cap"] * np.tanh(out / h["logit_cap"])
    return out * (1 if "no logit scale" in flaws else 1 / scale if "inverse logit scale" in flaws else scale)


def flaws_that_matter(h):
    """The mistakes that this model must be able to show."""
    found = []
    if len(h.get("no_rope", ())) < h["layers"]: found.append("other row order")
    if h["kv_heads"] > 1 and h["heads"] > h["kv_heads"]: found.append("interleaved groups")
    if h.get("qkv_bias") or h.get("bias"): found.append("no bias")
    if h.get("qk_norm") or h.get("qk", "none") != "none": found.append("no qk norm")
    if h["window"]: found.append("no window")
    if h.get("window_rope"): found.append("one rotation")
    if h.get("score_cap"): found.append("no score cap")
    if h.get("logit_cap"): found.append("no logit cap")
    if h["window"] and h.get("full"): found.append("other layers see all")
    if h.get("values_are_keys"): found += ["values of rotated keys", "values of normed keys"]
    if h.get("norms_values"): found.append("no norm of values")
    if h.get("layer_scale"): found += ["no layer scale", "layer scale on the branch"]
    if h["rope"]["kind"] == "proportional": found += ["partial rotary", "last layer slides", "one more in norms"]
    if h.get("beside"): found += ["no router scale", "router behind a norm", "no expert scales", "no norms of parts"]
    if h.get("gate") == "gelu": found.append("silu")
    if h["rope"]["kind"] not in ("default", "longrope"): found.append("default rope")
    if not h["rope"].get("whole", True): found.append("whole ramp")
    if h["rope"]["kind"] == "longrope": found.append("other factors")
    if h.get("rotary", h["head_dim"]) != h["head_dim"] and h["rope"]["kind"] == "default": found.append("whole rotary")
    if h.get("qk") == "row": found += ["norm of heads"] + ["norms before"] * (h["norms"] != "before")
    if h.get("qk") == "heads": found += ["norm after rotation"] + ["norms before"] * (h["norms"] != "before")
    if h.get("qk") == "rotated": found.append("norm before rotation")
    if h.get("norms") == "around": found.append("norms before")
    if h.get("no_rope"): found.append("rope everywhere")
    if h.get("experts"): found += ["an expert fewer", "shifted experts"] + ["weights of others"] * (not h.get("beside"))      # a norm takes what all weights share
    if h.get("sinks"): found += ["no sinks", "scaled sinks"]
    if h.get("gate") == "clamped": found += ["no expert bias", "swapped halves", "no clamp", "no plus one"]
    if h.get("shared"): found.append("no shared part")
    if h.get("temperature"): found.append("no temperature")
    if h.get("parallel"): found += ["sequential", "rms norm"]
    if h.get("positions"): found += ["no positions", "position 0 first", "position 1 first"]
    if h.get("gate") == "plain_relu": found.append("no activation")
    if h.get("two_norms"): found.append("swapped norms")
    if h.get("norm") == "layer_bias": found.append("no bias of norms")
    if h.get("fed_bias"): found.append("no bias of feed-forward")
    if h.get("gate") == "plain_gelu": found.append("tanh")
    if h.get("embedding_scale", 1) != 1: found.append("no embedding scale")
    if h.get("residual_scale", 1) != 1: found.append("no residual scale")
    if h.get("logit_scale", 1) != 1: found += ["no logit scale", "inverse logit scale"]
    if h.get("score_scale", 0) and abs(h["score_scale"] - h["head_dim"] ** -0.5) > 1e-9: found.append("usual score scale")
    return found
