#!/usr/bin/env python3
"""Tokens a second of a whole training step (forward, backward, optimiser), and where the time goes.

  measure_network.py [--lengths 256,1024,4096] [--tokens 32768] [--seconds 6] [--threads 2] [--plain]
"""
import argparse, time
import numpy as np
from network import Batch, Network

parser = argparse.ArgumentParser()
for name, value in dict(lengths="256,1024,4096", tokens=32768, seconds=6.0, threads=2, share=0.3, vocab=1088, dim=256, layers=6, heads=4, kv_heads=2, ffn=768).items():
    parser.add_argument("--" + name.replace("_", "-"), type=type(value), default=value)
parser.add_argument("--plain", action="store_true")
o = parser.parse_args()
net = Network(o.vocab, o.dim, o.layers, o.heads, o.kv_heads, o.ffn, 500000.0, o.threads, o.plain)
net.initialise(1)
random = np.random.default_rng(1)
print(f"{len(net.parameters) / 1e6:.2f}M parameters, {o.threads} threads, {'f32' if o.plain else 'bf16 tiles'}, loss on {o.share:.0%} of the tokens")
for T in map(int, o.lengths.split(",")):
    rows = [(random.integers(0, o.vocab, T), np.where(random.random(T) < o.share, random.integers(0, o.vocab, T), -1), np.arange(T)) for _ in range(max(1, o.tokens // T))]
    batch, rates, start = Batch(rows), [], time.time()
    while len(rates) < 3 or time.time() - start < o.seconds:
        if len(rates) == 1: net.phases()   # the first step grows its memory
        begin, cpu = time.time(), time.process_time()
        net.zero_gradients()
        net.accumulate(batch, 1 / batch.target_count)
        net.step(1e-4)
        rates.append((len(batch.ids) / (time.time() - begin), len(batch.ids) / (time.process_time() - cpu)))
    wall, cpu = np.median(rates[1:], axis=0)
    best = max(rate[1] for rate in rates)
    print(f"T {T}: {wall:.0f} tokens/s, {cpu:.0f} a second of processor time (best {best:.0f}); " + ", ".join(f"{k} {v:.0%}" for k, v in net.phases().items()), flush=True)
