"""Writes a case of the manifest as a GGUF file or as a Hugging Face style folder. RandomModel.cs writes the same bytes."""
import json, os, struct
import numpy as np
from random_tensors import TYPES, tensor_bytes

ALIGNMENT = 32
STRUCTS = {"u32": (4, "<I"), "i32": (5, "<i"), "f32": (6, "<f"), "bool": (7, "<?")}


def string(s):
    raw = s.encode()
    return struct.pack("<Q", len(raw)) + raw


def entry(key, kind, value):
    if kind == "str": return string(key) + struct.pack("<I", 8) + string(value)
    if kind == "str[]": return string(key) + struct.pack("<IIQ", 9, 8, len(value)) + b"".join(map(string, value))
    if kind == "i32[]": return string(key) + struct.pack("<IIQ", 9, 5, len(value)) + np.array(value, "<i4").tobytes()
    if kind == "bool[]": return string(key) + struct.pack("<IIQ", 9, 7, len(value)) + bytes(value)
    number, form = STRUCTS[kind]
    return string(key) + struct.pack("<I", number) + struct.pack(form, value)


def write_gguf(case, tokenizer, path):
    entries = case["metadata"] + tokenizer
    infos, datas, offset = [], [], 0
    for t in case["tensors"]:
        data = tensor_bytes(t)
        infos.append(string(t["name"]) + struct.pack("<I", len(t["shape"]))
                     + struct.pack("<%dQ" % len(t["shape"]), *t["shape"]) + struct.pack("<IQ", TYPES[t["type"]][0], offset))
        datas.append(data + b"\0" * (-len(data) % ALIGNMENT))
        offset += len(datas[-1])
    head = (b"GGUF" + struct.pack("<IQQ", 3, len(case["tensors"]), len(entries))
            + b"".join(entry(*e) for e in entries) + b"".join(infos))
    with open(path, "wb") as f:
        f.write(head + b"\0" * (-len(head) % ALIGNMENT) + b"".join(datas))


def write_folder(case, files, path):
    """One safetensors file for each shard number that the tensors name; an index when there are several."""
    os.makedirs(path, exist_ok=True)
    for name, text in {**files, "config.json": case["config"]}.items():
        with open(os.path.join(path, name), "w", encoding="utf-8", newline="") as f:
            f.write(text)
    shards = case["shards"]
    where = {}
    for shard in range(shards):
        name = shard_name(shard, shards)
        header, data = {}, b""
        for t in case["tensors"][shard::shards]:
            raw = tensor_bytes(t)
            header[t["name"]] = {"dtype": t["type"], "shape": t["shape"][::-1], "data_offsets": [len(data), len(data) + len(raw)]}
            data += raw
            where[t["name"]] = name
        text = json.dumps(header, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 8)
        with open(os.path.join(path, name), "wb") as f:
            f.write(struct.pack("<Q", len(text)) + text + data)
    if shards > 1:
        with open(os.path.join(path, "model.safetensors.index.json"), "w", newline="") as f:
            f.write(json.dumps({"metadata": {}, "weight_map": where}, separators=(",", ":")))


def shard_name(shard, shards):
    return "model.safetensors" if shards == 1 else "model-%05d-of-%05d.safetensors" % (shard + 1, shards)
