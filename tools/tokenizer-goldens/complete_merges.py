#!/usr/bin/env python3
"""Give a SentencePiece tokenizer.json every merge that its GGUF twin can make.

SentencePiece joins any two neighbours whose text is a piece, best score first. Merges
by rank do the same only if each piece is listed with every pair that makes it; a list
with one pair per piece leaves " ha" + "d" apart where " had" is a piece.

  complete_merges.py model.gguf tokenizer.json      (rewrites tokenizer.json)
"""
import json, struct, sys


def scores(path):
    data, key = open(path, "rb").read(), b"tokenizer.ggml.scores"
    at = data.index(key) + len(key)
    kind, item, count = struct.unpack_from("<IIQ", data, at)
    assert (kind, item) == (9, 6), "an array of f32 was expected"
    return struct.unpack_from("<%df" % count, data, at + 16)


def main():
    gguf, path = sys.argv[1:]
    with open(path, encoding="utf-8") as f:
        tokenizer = json.load(f)
    vocab, score = tokenizer["model"]["vocab"], scores(gguf)
    known = {left + right for left, right in tokenizer["model"]["merges"]}
    merges = [(-score[vocab[piece]], vocab[piece[:i]], vocab[piece[i:]], piece[:i], piece[i:])
              for piece in known for i in range(1, len(piece)) if piece[:i] in vocab and piece[i:] in vocab]
    tokenizer["model"]["merges"] = [[left, right] for _, _, _, left, right in sorted(merges)]
    with open(path, "w", encoding="utf-8", newline="") as f:
        f.write(json.dumps(tokenizer, ensure_ascii=False))


main()
