#!/usr/bin/env python3
"""Trains the needle model: a small Llama that answers questions about long texts of its own words.

  train.py --out FOLDER --minutes 60                 from nothing
  train.py --out FOLDER --minutes 60 --resume        goes on from what FOLDER holds, with the optimiser as it was
  train.py --out FOLDER --score                      only measures

FOLDER gets a model in Hugging Face's form and state.npz, from which training goes on.
"""
import argparse
import json
import queue
import random
import signal
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import model_files
import tasks
from network import Batch, Network
from words import Tokenizer

DEFAULTS = dict(out="needle", minutes=60.0, dim=256, layers=6, heads=4, kv_heads=2, ffn=768, names=400, theta=500000.0, positions=131072,
                lr=3e-3, least_lr=.03, decay_from=.7, start=48, length=0, longest=4096, grow=.85, needed="niah,multikey,trace", look=100, tokens=32768, gaps=.5, seed=1, threads=2,
                mix="recall=3,multikey=.5,trace=1,counting=3,common=1,frequent=.3,repeat=.5", scores="256,1024,4096", samples=24)


def options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in DEFAULTS.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value), default=value)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--score", action="store_true")
    return parser.parse_args()


def sequence(draw, tokenizer, count, task, gaps, limit):
    ids, told = tasks.sample(draw, tokenizer, count, task)
    targets = [-1 if token is None else token for token in told]
    places = tasks.positions(draw, len(ids), limit) if draw.random() < gaps else range(len(ids))
    return ids, targets, list(places)


class Batches:
    """Batches made ahead by a thread; `length` may change at any time."""

    def __init__(self, options, tokenizer, length):
        self.length = length
        self._made = queue.Queue(2)
        self._options, self._tokenizer = options, tokenizer
        threading.Thread(target=self._make, daemon=True).start()

    def next(self):
        return self._made.get()

    def _make(self):
        o, draw = self._options, random.Random(time.time_ns() if self._options.resume else self._options.seed)
        names, weights = zip(*(part.split("=") for part in o.mix.split(",")))
        weights = [float(weight) for weight in weights]
        while True:
            length, rows, left = self.length, [], min(o.tokens, max(8192, 64 * self.length))
            while left > 0:
                # Mostly long ones; the others keep what was learnt of short ones, and are cheap.
                count = length if draw.random() < .5 else int(min(length, 40) * (length / min(length, 40)) ** draw.random())
                task = getattr(tasks, draw.choices(names, weights)[0])
                rows.append(sequence(draw, self._tokenizer, count, task, o.gaps, o.positions))
                left -= len(rows[-1][0])
            self._made.put(Batch(rows))


def scores(network, tokenizer, length, samples):
    """Share of answer tokens right, full stops left out, by task."""
    found, endings = {}, [-1, tokenizer.ids["."], tokenizer.end]
    for name, task in tasks.TASKS.items():
        draw = random.Random(99)
        batch = Batch([sequence(draw, tokenizer, length, task, 0, 0) for _ in range(samples)])
        *_, choices, _ = network.evaluate(batch)
        asked = ~np.isin(batch.targets, endings)
        found[name] = round(float((choices == batch.targets)[asked].mean()), 3)
    return found


def rate(o, share, step):
    return o.lr * min(1, (step + 1) / 100) * (1 if share < o.decay_from else o.least_lr + (1 - o.least_lr) * (1 - share) / (1 - o.decay_from))


def train(o, network, tokenizer, state):
    batches, began, said, saved = Batches(o, tokenizer, state.length), time.time(), time.time(), time.time()
    mean, tokens = None, 0
    while (share := (time.time() - began) / (60 * o.minutes)) < 1:
        batch = batches.next()
        network.zero_gradients()
        loss, _, targets = network.accumulate(batch, 1 / max(1, batch.target_count))
        norm = network.step(rate(o, share, state.step))
        state.step, tokens = state.step + 1, tokens + len(batch.ids)
        state.seen += len(batch.ids)
        mean = loss / targets if mean is None else .95 * mean + .05 * loss / targets
        if state.step % o.look == 0:
            found = scores(network, tokenizer, state.length, o.samples)
            if all(found[name] > o.grow for name in o.needed.split(",")) and state.length < o.longest:
                batches.length = state.length = min(o.longest, int(state.length * 1.5))
            print("right", found, "length", state.length, flush=True)
        if time.time() - said > 30:
            print(f"step {state.step} length {state.length} loss {mean:.3f} norm {norm:.2f} seen {state.seen / 1e6:.1f}M tokens/s {tokens / (time.time() - said):.0f} minute {(time.time() - began) / 60:.1f}", flush=True)
            said, tokens = time.time(), 0
        if time.time() - saved > 300:
            save(o, network, tokenizer, state)
            saved = time.time()


def save(o, network, tokenizer, state):
    model_files.save(network, tokenizer, o, o.out)
    partial = Path(o.out, "partial.npz")
    np.savez(partial, parameters=network.parameters, state=network.state, progress=json.dumps(vars(state)))
    partial.replace(Path(o.out, "state.npz"))


def main():
    o = options()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.default_int_handler)
    tokenizer = Tokenizer(o.names)
    network = Network(tokenizer.size, o.dim, o.layers, o.heads, o.kv_heads, o.ffn, o.theta, o.threads)
    network.initialise(o.seed)
    state = SimpleNamespace(step=0, seen=0, length=o.start)
    print(f"{len(network.parameters) / 1e6:.2f} million parameters, vocabulary {tokenizer.size}", flush=True)
    if o.resume:
        with np.load(Path(o.out, "state.npz")) as kept:
            network.parameters[:], network.state[:] = kept["parameters"], kept["state"]
            state = SimpleNamespace(**json.loads(str(kept["progress"])))
            state.length = min(o.longest, o.length or state.length)
        network.prepare()
    elif o.score:
        model_files.load(network, o.out)
    if not o.score:
        try:
            train(o, network, tokenizer, state)
        except KeyboardInterrupt:
            print("stopped", flush=True)
        finally:
            save(o, network, tokenizer, state)
    for length in map(int, o.scores.split(",")):
        print("right at", length, scores(network, tokenizer, length, o.samples), flush=True)


if __name__ == "__main__":
    main()
