"""A long KV cache without its long prefill: the state of a short real prompt, repeated.

A sequence state of llama.cpp, as llama_state_seq_get_data writes it (little-endian):

    u32 magic, u32 0, u32 1 stream           absent in builds from before streams
    u32 cells; for each: i32 position, u32 n, n x i32 sequence
    u32 V is transposed, u32 layers
    for each layer:  i32 type, u64 bytes of a row; K rows, one for each cell
    for each layer:  i32 type, u64 bytes of a row; V rows                                          without transposition (flash attention on)
                     i32 type, u32 bytes of a value, u32 values of a row; V columns                with it
    zeros                                    flags of caches that the model does not have, in some builds
"""
import struct


class Reader:
    def __init__(self, blob):
        self.blob, self.at = memoryview(blob), 0

    def take(self, form):
        values = struct.unpack_from("<" + form, self.blob, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def bytes(self, count):
        self.at += count
        if self.at > len(self.blob):
            raise ValueError("the KV state ends at byte %d, within a row" % len(self.blob))
        return self.blob[self.at - count:self.at]


def tile(blob, depth):
    """The state of `depth` cells made of the cells of `blob` in turn, at positions 0, 1, ..., as a bytearray.

    The keys keep the rotation of the position where they were computed: values of the right size and statistics, which is all that a
    measurement of speed needs.
    """
    r = Reader(blob)
    head = b""
    first = struct.unpack_from("<3I", r.blob)
    if first[0] > 0xFFFFFF:
        if first[2] != 1:
            raise ValueError("the KV state has %d streams instead of 1" % first[2])
        head = bytes(r.bytes(12))
    cells, = r.take("I")
    sequences = 0
    for _ in range(cells):
        _, sequences = r.take("iI")
        r.bytes(4 * sequences)
    transposed, layers = r.take("II")
    out = bytearray(head + struct.pack("<I", depth))
    for i in range(depth):
        out += struct.pack("<iI", i, sequences) + b"\0" * (4 * sequences)
    out += struct.pack("<II", transposed, layers)
    for part in range(2 * layers):
        if part < layers or not transposed:
            kind, row = r.take("iQ")
            out += struct.pack("<iQ", kind, row)
            rows = 1
        else:
            kind, row, rows = r.take("iII")
            out += struct.pack("<iII", kind, row, rows)
        for _ in range(rows):
            repeat(out, r.bytes(row * cells), row * depth)
    rest = bytes(r.blob[r.at:])
    if any(rest) or len(rest) > 16:
        raise ValueError("the KV state has %d unknown bytes behind its last row" % len(rest))
    out += rest
    return out


def repeat(out, data, count):
    whole, rest = divmod(count, len(data))
    for _ in range(whole):
        out += data
    out += data[:rest]
