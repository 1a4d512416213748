#!/usr/bin/env python3
"""Writes the golden logits of the test suite; see README.md.

  make.py --stories .../stories260K.gguf --out ../../test/Kvasir.Test/Fixtures/Logits [--keep DIR]
"""
import argparse, gzip, hashlib, json, os, sys, tempfile
import numpy as np
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "llamacpp"))
import cases, families, model_files, reference
from llamacpp import LlamaCpp, installed
from random_tensors import TYPES, decode, tensor_bytes, tokens

GAP = 0.05


def write(case, keys, files, folder):
    path = os.path.join(folder, case["name"] + (".gguf" if case["format"] == "gguf" else ""))
    if case["format"] == "gguf": model_files.write_gguf(case, keys, path)
    else: model_files.write_folder(case, files, path)
    return path


def digests(path):
    """SHA-256 by file name relative to the model's path; a GGUF is its own only file."""
    names = sorted(os.listdir(path)) if os.path.isdir(path) else [""]
    return {name: hashlib.sha256(open(os.path.join(path, name) if name else path, "rb").read()).hexdigest() for name in names}


class Exact:
    """The float64 reference over one case's weights."""

    def __init__(self, case):
        self.model = case["model"]
        self.arrays = {}
        for t in (part for t in case["tensors"] for part in t.get("of", [t])):
            whole = decode(t["type"], tensor_bytes({k: v for k, v in t.items() if k != "group"})).reshape(t["shape"][::-1])
            layer, role = t["role"]
            first = 0
            for part, rows in zip(t.get("parts", [role]), t.get("rows", [len(whole)])):
                self.arrays[layer, part] = whole[first] if whole.ndim == 3 else whole[first:first + rows]
                if part.startswith("experts.gate_up."):
                    both, expert = self.arrays[layer, part], part.rsplit(".", 1)[1]
                    self.arrays[layer, "experts.gate." + expert], self.arrays[layer, "experts.up." + expert] = both[:len(both) // 2], both[len(both) // 2:]
                if case["format"] == "folder" and self.model.get("lack_one") and whole.ndim == 1: self.arrays[layer, part] = whole + 1
                first += rows

    def logits(self, ids, flaws=()):
        return reference.logits(self.model, lambda layer, role: self.arrays[layer, role], ids, flaws)


def decided_tokens(exact, stream):
    """Random tokens, each drawn again until the two best logits after it differ by GAP of the rms: then an equal argmax is a fair demand."""
    chosen = []
    for token in tokens(stream, 40 * cases.POSITIONS, cases.VOCABULARY):
        last = np.sort(exact.logits(chosen + [token])[-1])
        if last[-1] - last[-2] >= GAP * np.sqrt((last * last).mean()):
            chosen.append(token)
        if len(chosen) == cases.POSITIONS:
            return chosen
    raise SystemExit("no decided tokens")


def llama_logits(llama, path, ids, **how):
    session = llama.open(path, n_ctx=256, **how)
    session.decode(ids, 0, True)
    out = np.array([session.logits(i) for i in range(len(ids))], np.float32)
    session.close()
    return out


def errors(got, want):
    """Per position: |got - want| / |want|."""
    return np.linalg.norm(got.astype(np.float64) - want, axis=1) / np.linalg.norm(want, axis=1)


def greedy_story(llama, path, prompt, count):
    """What llama.cpp continues with, and the least gap between its two best logits on the way."""
    session = llama.open(path, n_ctx=512)
    ids = session.tokenize(prompt, True)
    session.decode(ids, 0, False)
    out, gap = [], float("inf")
    for i in range(count):
        row = np.array(session.logits(-1), np.float32)
        top = np.sort(row)[-2:]
        gap = min(gap, float(top[1] - top[0]))
        out.append(int(row.argmax()))
        session.decode(out[-1:], len(ids) + i, False)
    text = b"".join(session.piece(t) for t in out).decode()
    session.close()
    print("story: %d tokens, least gap %.3f" % (count, gap))
    return {"prompt": prompt, "promptTokens": ids, "tokens": out, "text": text}


def plain(t):
    """A tensor as the table has it."""
    return {k: [plain(x) for x in v] if k == "of" else v for k, v in t.items() if k not in ("role", "parts", "rows")}


def gz(raw):
    return gzip.compress(raw, 9, mtime=0)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--llama", default=installed(), help="the folder of llama.cpp's libraries, when npm ci was not run in ../llamacpp")
    arguments.add_argument("--out", required=True)
    arguments.add_argument("--stories", required=True, help="stories260K.gguf")
    arguments.add_argument("--keep", help="leave the models here")
    a = arguments.parse_args()
    os.makedirs(a.out, exist_ok=True)
    llama = LlamaCpp(os.path.abspath(a.llama))
    keys, files = cases.tokenizer()
    with open(os.path.join(a.out, "stories260K.json"), "w") as f:
        json.dump(greedy_story(llama, a.stories, "Once upon a time", 200), f)
        f.write("\n")
    listed, folder = [], a.keep or tempfile.mkdtemp()
    os.makedirs(folder, exist_ok=True)
    print("%-32s %5s %9s %8s %8s %7s  %s" % ("case", "std", "golden", "max err", "rms err", "argmax", "least error of a deliberate mistake"))
    known = {}
    for case in cases.all_cases() + families.all_cases():
        exact = Exact(case)
        # Two containers of one model have the same tokens.
        case["tokens"] = known[case["twin"]] if "twin" in case else decided_tokens(exact, case["stream"])
        known[case["name"]] = case["tokens"]
        path = write(case, keys, files, folder)
        case["sha256"] = digests(path)
        want = exact.logits(case["tokens"])
        measured = "%8s %8s %7s" % ("-", "-", "-")
        golden, case["reference"] = want.astype(np.float32), "float64"
        kinds = {t["type"] for t in case["tensors"]} - {"F32"}
        exactly = case["model"].get("gate") == "plain_gelu"                  # whose approximation is so close to it
        case["tolerance"] = 1e-5 if exactly and not kinds else 1e-4 if not kinds else 2e-3 if kinds <= {"F16", "BF16"} else 1e-2
        if case["format"] == "gguf" and not case["model"].get("alone"):        # what newer llama.cpp no longer reads
            peer = llama_logits(llama, path, case["tokens"])
            e = errors(peer, want)
            measured = "%8.1e %8.1e %7.3f" % (e.max(), np.sqrt((e * e).mean()), (peer.argmax(1) == want.argmax(1)).mean())
            if "BF16" not in kinds and (kinds or "gelu" not in case["model"].get("gate", "")):        # llama.cpp rounds activations to bfloat16 there, and is itself 1e-2 from exact
                golden, case["reference"] = peer, "llama.cpp"
        caught = {flaw: float(np.median(errors(exact.logits(case["tokens"], (flaw,))[1:], want[1:]))) for flaw in reference.flaws_that_matter(case["model"]) if flaw != "tanh" or not kinds}
        least = min(caught, key=caught.get)
        print("%-32s %5.2f %9s %s  %s %s" % (case["name"], want.std(), case["reference"], measured, "%.3f" % caught[least] if caught[least] >= 5e-4 else "%.0e" % caught[least], least), flush=True)
        with open(os.path.join(a.out, case["name"] + ".gz"), "wb") as f:
            f.write(gz(golden.astype("<f4").tobytes()))
        listed.append({k: case[k] for k in ("name", "format", "reference", "tolerance", "tokens", "sha256", "metadata", "config", "shards", "twin") if k in case}
                      | {"tensors": [plain(t) for t in case["tensors"]]})
    manifest = {"vocabulary": cases.VOCABULARY, "tokenizerKeys": keys, "tokenizerFiles": files, "cases": listed}
    with open(os.path.join(a.out, "cases.json.gz"), "wb") as f:
        f.write(gz(json.dumps(manifest, separators=(",", ":")).encode()))


if __name__ == "__main__": main()
