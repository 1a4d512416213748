"""The network as a folder that any engine reads: config.json, tokenizer files and model.safetensors; and back."""
import json
import struct
from pathlib import Path

import numpy as np

PARTS = dict(norm1="input_layernorm", q="self_attn.q_proj", k="self_attn.k_proj", v="self_attn.v_proj", o="self_attn.o_proj",
             norm2="post_attention_layernorm", gate="mlp.gate_proj", up="mlp.up_proj", down="mlp.down_proj")


def stored_name(name):
    if name in ("embedding", "norm"):
        return dict(embedding="model.embed_tokens.weight", norm="model.norm.weight")[name]
    layer, part = name.split(".")
    return f"model.layers.{layer}.{PARTS[part]}.weight"


def to_bf16(values):
    """Rounded to nearest, ties to even."""
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)


def save(network, tokenizer, shape, folder):
    Path(folder).mkdir(parents=True, exist_ok=True)
    tokenizer.save(folder, shape.positions)
    header, parts, end = {"__metadata__": {"format": "pt"}}, [], 0
    for name in network.names:
        raw = to_bf16(network.tensor(name)).tobytes()
        header[stored_name(name)] = dict(dtype="BF16", shape=list(network.tensor(name).shape), data_offsets=[end, end + len(raw)])
        parts.append(raw)
        end += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    Path(folder, "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
    config = dict(architectures=["LlamaForCausalLM"], model_type="llama", vocab_size=tokenizer.size, hidden_size=shape.dim, intermediate_size=shape.ffn,
                  num_hidden_layers=shape.layers, num_attention_heads=shape.heads, num_key_value_heads=shape.kv_heads, head_dim=shape.dim // shape.heads,
                  max_position_embeddings=shape.positions, rms_norm_eps=1e-5, rope_theta=shape.theta, rope_scaling=None, hidden_act="silu",
                  tie_word_embeddings=True, attention_bias=False, mlp_bias=False, bos_token_id=tokenizer.begin, eos_token_id=tokenizer.end,
                  pad_token_id=tokenizer.pad, torch_dtype="bfloat16")
    Path(folder, "config.json").write_text(json.dumps(config, indent=1))
    Path(folder, "generation_config.json").write_text(json.dumps(dict(bos_token_id=tokenizer.begin, eos_token_id=tokenizer.end, do_sample=False), indent=1))


def load(network, folder):
    raw = Path(folder, "model.safetensors").read_bytes()
    size, = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8:8 + size])
    for name in network.names:
        entry = header[stored_name(name)]
        first, end = entry["data_offsets"]
        bits = np.frombuffer(raw[8 + size + first:8 + size + end], np.uint16).astype(np.uint32) << 16
        network.tensor(name)[...] = bits.view(np.float32).reshape(entry["shape"])
    network.prepare()
