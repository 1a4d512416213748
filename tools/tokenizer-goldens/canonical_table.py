#!/usr/bin/env python3
"""Write src/Kvasir/Text/Words/CanonicalTable.cs from Python's Unicode database.

.NET's string.Normalize returns its input unchanged under InvariantGlobalization, so
Kvasir carries the canonical decompositions, composition exclusions and combining
classes itself. Run with the newest Python at hand; the version lands in the file.
"""
import base64, sys, unicodedata as u, zlib


def varint(n):
    out = bytearray()
    while n >= 0x80:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def decompositions():
    """(code point, first, second or 0, excluded): Hangul is left out, it is arithmetic."""
    for cp in range(0x110000):
        d = u.decomposition(chr(cp))
        if d and not d.startswith("<"):
            parts = [int(x, 16) for x in d.split()]
            excluded = len(parts) == 1 or u.normalize("NFC", chr(cp)) != chr(cp)
            yield cp, parts[0], parts[1] if len(parts) == 2 else 0, excluded


def class_runs():
    start, count, value = 0, 0, 0
    for cp in range(0x110001):
        c = u.combining(chr(cp)) if cp < 0x110000 else 0
        if c != value:
            if value:
                yield start, count, value
            start, count, value = cp, 0, c
        count += 1


def blob():
    pairs, runs, out, last = list(decompositions()), list(class_runs()), bytearray(), 0
    out += varint(len(pairs))
    for cp, first, second, excluded in pairs:
        out += varint(cp - last) + varint(first << 1 | excluded) + varint(second)
        last = cp
    out += varint(len(runs))
    last = 0
    for start, count, value in runs:
        out += varint(start - last) + varint(count) + varint(value)
        last = start
    return bytes(out)


def main():
    packed = zlib.compressobj(9, zlib.DEFLATED, -15)
    text = base64.b64encode(packed.compress(blob()) + packed.flush()).decode()
    lines = [text[i:i + 148] for i in range(0, len(text), 148)]
    with open(sys.argv[1], "w", newline="\n") as f:
        f.write("namespace Kvasir.Text.Words;\n\n")
        f.write("/// <summary>Canonical decompositions and combining classes of Unicode %s, written by tools/tokenizer-goldens/canonical_table.py.</summary>\n" % u.unidata_version)
        f.write("internal static class CanonicalTable\n{\n")
        f.write("    // Deflated and in base 64. Varints: the count of decompositions, then per entry the distance of its code point to the last one,\n")
        f.write("    // first * 2 + (1 when it is never composed), second or 0; the count of runs of one combining class, then distance, length, class.\n")
        f.write("    public const string Packed =\n")
        f.write(" +\n".join('        "%s"' % l for l in lines) + ";\n}\n")


main()
