"""Weights from a counter: the same bytes come out of this file and of RandomTensor.cs in the tests.

word(stream, k) is the finaliser of splitmix64 over mix(stream) + (k + 1) * GOLDEN, so that any word can be had without
those before it. Floats are 24-bit integers times a float32 step; quantised blocks are random bytes with a plausible scale.
"""
import math
import numpy as np

GOLDEN = np.uint64(0x9E3779B97F4A7C15)

# name: (GGUF type number, elements per block, bytes per block, rms of a random block whose scale is one)
TYPES = {
    "F32": (0, 1, 4, None), "F16": (1, 1, 2, None), "BF16": (30, 1, 2, None),
    "Q8_0": (8, 32, 34, 73.6), "Q4_0": (2, 32, 18, 4.64), "Q4_1": (3, 32, 20, 4.61), "Q5_0": (6, 32, 22, 9.25),
    "Q5_1": (7, 32, 24, 9.23), "Q4_K": (12, 256, 144, 241.0), "Q5_K": (13, 256, 176, 490.0), "Q6_K": (14, 256, 210, 1804.0),
    "Q2_K": (10, 256, 84, 14.2), "Q3_K": (11, 256, 110, 58.1), "IQ4_NL": (20, 32, 18, 68.2), "IQ4_XS": (23, 256, 136, 1668.0),
    "MXFP4": (39, 32, 17, 6.5),
}


def mix(z):
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def words(stream, count, first=0):
    with np.errstate(over="ignore"):
        start = mix(np.array([stream], np.uint64))
        return mix(start + (np.arange(first, first + count, dtype=np.uint64) + np.uint64(1)) * GOLDEN)


def tokens(stream, count, vocabulary):
    return [int(w >> np.uint64(33)) % vocabulary for w in words(stream, count)]


def floats(stream, count, centre, scale, first=0):
    """Uniform in [centre - scale, centre + scale), in float32 arithmetic: one product, one sum. The numbers of the stream from the first on."""
    n = (words(stream, count, first) >> np.uint64(40)).astype(np.int64) - (1 << 23)
    return np.float32(centre) + n.astype(np.float32) * np.float32(scale / (1 << 23))


def strided(t, count):
    """Runs of numbers of a stream, each so many behind the one before: what one container has of every expert, where another has more between."""
    last = (count // t["run"] - 1) * t["stride"] + t["run"]
    x = floats(t["stream"], last, t["centre"], t["scale"], t.get("first", 0))
    return np.concatenate([x[at:at + t["run"]] for at in range(0, last, t["stride"])])


def to_bf16(x):
    bits = x.view(np.uint32)
    return ((bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))) >> np.uint32(16)).astype(np.uint16)


def blocks(kind, stream, count, scale):
    """count random blocks as [count, bytes]; scale is the middle of the block scales, drawn from 0.75 to 1.25 of it."""
    size = TYPES[kind][2]
    per_block = 1 + -(-size // 8)
    w = words(stream, count * per_block).reshape(count, per_block)
    b = np.ascontiguousarray(w[:, 1:]).view(np.uint8).reshape(count, -1)[:, :size].copy()
    if kind == "MXFP4":                        # a power of two
        b[:, 0] = 128 + math.floor(math.log2(np.float32(scale))) + (w[:, 0] & np.uint64(1)).astype(np.int64)
        return b
    u = (w[:, 0] >> np.uint64(40)).astype(np.float32) * np.float32(2.0 ** -25)
    d = np.float32(scale) * (np.float32(0.75) + u)
    if kind in ("Q4_0", "Q5_0", "Q6_K"):       # quantisers write scales of both signs for these
        d = np.where(w[:, 0] & np.uint64(1), -d, d)
    d = d.astype(np.float16)
    at = size - 2 if kind in ("Q6_K", "Q3_K") else size - 4 if kind == "Q2_K" else 0
    b[:, at:at + 2] = d.view(np.uint8).reshape(count, 2)
    centre = {"Q4_1": -7.5, "Q5_1": -15.5, "Q4_K": 7.5, "Q5_K": 15.5, "Q2_K": 1.5}.get(kind)
    if centre is not None:                     # the minimum that centres the values on zero
        m = (np.float32(centre) * d.astype(np.float32)).astype(np.float16)
        b[:, at + 2:at + 4] = m.view(np.uint8).reshape(count, 2)
    # Sub-block scales and minima fill the upper half of their range: blocks without outliers, as trained weights have.
    if kind in ("Q4_K", "Q5_K"): b[:, 4:12] |= 0xA0
    if kind == "Q6_K":
        sub = b[:, 192:208]
        sub[:] = np.where(sub & 0x80, 192 - (sub & 63), 64 + (sub & 63))
    if kind == "Q2_K": b[:, 0:16] |= 0x88
    # Both bits of a pair alike: scales of six bits far from the 32 that is taken from them.
    at = {"Q3_K": slice(104, 108), "IQ4_XS": slice(2, 4)}.get(kind)
    if at is not None: b[:, at] = (b[:, at] & 0x55) * 3
    if kind == "Q8_0":                         # -128 never comes from a quantiser
        q = b[:, 2:]
        q[q == 0x80] = 0
    return b


def turned(rows, head_rows, rotary):
    """Rows of heads whose rotary pairs lie side by side, as a container has them whose pairs lie in halves."""
    order = np.arange(head_rows)
    order[:rotary // 2], order[rotary // 2:rotary] = np.arange(0, rotary, 2), np.arange(1, rotary, 2)
    return rows.reshape(-1, head_rows, rows.shape[1])[:, order].reshape(rows.shape)


def grouped(rows, group, kv_heads, head_dim):
    """Rows of queries, then keys, then values, as a container has them that puts the queries of a key, the key and the value together."""
    heads = rows.reshape(-1, head_dim, rows.shape[1])
    order = [x for k in range(kv_heads) for x in [*range(k * group, (k + 1) * group), kv_heads * group + k, kv_heads * (group + 1) + k]]
    return heads[order].reshape(rows.shape)


def alternating(t):
    """A tensor made of others, whose rows follow in turn: of single numbers, of columns before rows, or of the codes or the scales of MXFP4."""
    first = t["of"][0]
    kind, columns = first["type"], 1 if t["part"] == "elements" else first["shape"][0]
    size = columns // TYPES[kind][1] * TYPES[kind][2]
    rows = np.stack([np.frombuffer(tensor_bytes(x), np.uint8).reshape(-1, size) for x in t["of"]], 1).reshape(-1, size)
    if t["part"] == "turned": return rows.reshape(first["shape"][2], -1, columns, TYPES[kind][2]).transpose(0, 2, 1, 3).tobytes()
    if t["part"] == "elements": return rows.tobytes()
    blocks_of = rows.reshape(-1, 17)
    if t["part"] == "scales": return blocks_of[:, 0].tobytes()
    codes = np.concatenate([blocks_of[:, 1:] & 15, blocks_of[:, 1:] >> 4], 1)      # in order; two neighbours share a byte
    return (codes[:, 0::2] | codes[:, 1::2] << 4).tobytes()


def tensor_bytes(t):
    """The bytes of one tensor of the manifest: {name, shape (fastest first), type, stream, centre, scale} or {..., values}.

    Optional: first, the place in the stream of the first number; run and stride, which runs of the stream follow; headRows and turned, how rows are put into another rotary order;
    of and part, see alternating; group, how many queries share a key, keys, and rows of a head, where rows are put into groups."""
    if "of" in t: return alternating(t)
    count = int(np.prod(t["shape"]))
    kind = t["type"]
    if "values" in t:
        return np.array(t["values"], np.float32).tobytes()
    if kind in ("F32", "F16", "BF16"):
        x = strided(t, count) if "run" in t else floats(t["stream"], count, t["centre"], t["scale"], t.get("first", 0))
        if "turned" in t:
            x = turned(x.reshape(-1, count // t["shape"][-1]), t["headRows"], t["turned"]).ravel()
        if "group" in t:
            x = grouped(x.reshape(-1, count // t["shape"][-1]), *t["group"]).ravel()
        return (x if kind == "F32" else x.astype(np.float16) if kind == "F16" else to_bf16(x)).tobytes()
    return blocks(kind, t["stream"], count // TYPES[kind][1], t["scale"]).tobytes()


def half(b, at):
    return np.ascontiguousarray(b[:, at:at + 2]).view(np.float16).astype(np.float64)


def decode(kind, raw):
    """Exact values in float64, flat."""
    if kind == "F32": return np.frombuffer(raw, np.float32).astype(np.float64)
    if kind == "F16": return np.frombuffer(raw, np.float16).astype(np.float64)
    if kind == "BF16": return (np.frombuffer(raw, np.uint16).astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
    b = np.frombuffer(raw, np.uint8).reshape(-1, TYPES[kind][2])
    if kind == "Q6_K": return decode_q6k(b)
    if kind in ("Q2_K", "Q3_K"): return decode_pairs(kind, b)
    if kind == "IQ4_NL": return (half(b, 0) * table_of(b[:, 2:])).ravel()
    if kind == "IQ4_XS":
        high = b[:, 2:4].copy().view(np.uint16).astype(np.int64)
        group = np.arange(8)
        scale = ((b[:, 4 + group // 2] >> (4 * (group % 2))) & 15) + (((high >> (2 * group)) & 3) << 4) - 32
        return ((half(b, 0) * scale)[:, :, None] * table_of(b[:, 8:].reshape(-1, 16)).reshape(-1, 8, 32)).ravel()
    if kind == "MXFP4":
        return (2.0 ** (b[:, :1].astype(np.float64) - 128) * FOURS[np.concatenate([b[:, 1:] & 15, b[:, 1:] >> 4], 1)]).ravel()
    d = half(b, 0)
    if kind == "Q8_0": return (d * b[:, 2:].view(np.int8)).ravel()
    if kind in ("Q4_K", "Q5_K"): return decode_k(kind, b, d, half(b, 2))
    qs = b[:, -16:]
    q = np.concatenate([qs & 15, qs >> 4], 1).astype(np.int64)
    if kind in ("Q5_0", "Q5_1"):
        high = b[:, -20:-16].copy().view(np.uint32).astype(np.int64)
        q |= ((high >> np.arange(32)) & 1) << 4
    if kind == "Q4_0": return (d * (q - 8)).ravel()
    if kind == "Q5_0": return (d * (q - 16)).ravel()
    return (d * q + half(b, 2)).ravel()


def decode_k(kind, b, d, dmin):
    """Eight sub-blocks of 32 with six-bit scales and minima."""
    p = b[:, 4:16].astype(np.int64)
    scale = np.concatenate([p[:, 0:4] & 63, (p[:, 8:12] & 15) | (p[:, 0:4] >> 6 << 4)], 1)
    least = np.concatenate([p[:, 4:8] & 63, (p[:, 8:12] >> 4) | (p[:, 4:8] >> 6 << 4)], 1)
    qs = b[:, -128:].reshape(-1, 4, 32).astype(np.int64)
    q = np.stack([qs & 15, qs >> 4], 2).reshape(-1, 8, 32)
    if kind == "Q5_K":
        high = b[:, 16:48].astype(np.int64)[:, None, :]
        q |= ((high >> np.arange(8)[None, :, None]) & 1) << 4
    return ((d * scale)[:, :, None] * q - (dmin * least)[:, :, None]).ravel()


TABLE = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113])


FOURS = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12])     # twice the numbers of four bits


def table_of(nibbles):
    """Low nibbles, then high ones, of rows of sixteen bytes, as the values that they number."""
    return TABLE[np.concatenate([nibbles & 15, nibbles >> 4], 1)]


def decode_pairs(kind, b):
    """Either half of 128 is four runs of 32, from the lowest two bits of its bytes to the highest; sixteen groups of 16."""
    first = 16 if kind == "Q2_K" else 32
    pairs = b[:, first:first + 64].reshape(-1, 2, 1, 32).astype(np.int64)
    q = ((pairs >> (2 * np.arange(4)[None, None, :, None])) & 3).reshape(-1, 8, 32)
    if kind == "Q2_K":
        both = b[:, 0:16].astype(np.int64)
        scale, least = half(b, 80) * (both & 15), half(b, 82) * (both >> 4)
    else:
        q = q - 4 * (1 - ((b[:, None, 0:32].astype(np.int64) >> np.arange(8)[None, :, None]) & 1))
        group, packed = np.arange(16), b[:, 96:108].astype(np.int64)
        six = ((packed[:, group % 8] >> (4 * (group // 8))) & 15) | (((packed[:, 8 + group % 4] >> (2 * (group // 4))) & 3) << 4)
        scale, least = half(b, 108) * (six - 32), 0.0 * six
    return (scale[:, :, None] * q.reshape(-1, 16, 16) - least[:, :, None]).ravel()


def decode_q6k(b):
    """Two halves of 128; within one, four runs of 32 that share bytes of the low and the high bits."""
    low = b[:, 0:128].reshape(-1, 2, 64).astype(np.int64)
    high = b[:, 128:192].reshape(-1, 2, 32).astype(np.int64)
    scale = b[:, 192:208].view(np.int8).reshape(-1, 16).astype(np.float64)
    runs = [low[:, :, 0:32] & 15, low[:, :, 32:64] & 15, low[:, :, 0:32] >> 4, low[:, :, 32:64] >> 4]
    q = np.stack([r | ((high >> (2 * i)) & 3) << 4 for i, r in enumerate(runs)], 2) - 32
    return (half(b, 208)[:, :, None] * scale[:, :, None] * q.reshape(-1, 16, 16)).ravel()
