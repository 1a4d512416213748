#!/usr/bin/env python3
"""Teaches the needle model's queries and keys to be signs (HAD: Horton et al. 2025, arXiv 2502.01770), and nothing else of it.

  distil.py --model assets/needle --out FOLDER --minutes 30
  distil.py --model FOLDER --teacher assets/needle --score      only measures

FOLDER gets a model in Hugging Face's form, of which the matrices of queries and keys are other than the teacher's.
"""
import argparse
import ctypes
import json
import random
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

import model_files
import tasks
from network import Network
from train import DEFAULTS, sequence
from words import Tokenizer

OWN = dict(model="assets/needle", teacher="", out="", minutes=30.0, rate=1e-3, least_rate=.05, own=1.0, lengths="256,512,1024,2048", rows=256, texts=2, spread_texts=100,
           gaps=.5, share=.05, samples=24, seed=1, say=30.0, mix="niah=1,multikey=1,trace=1,common=1,frequent=1,recall=3,counting=1")


class Lesson(ctypes.Structure):
    _fields_ = [("c", ctypes.c_float), ("own_weight", ctypes.c_float), ("weight", ctypes.c_float), ("share", ctypes.c_double), ("losses", ctypes.c_void_p)]


class Distiller:
    """The taught matrices beside the network that teaches; `losses` are sums over rows and heads, by layer: of signs, of queries and keys as they are, of mass found."""

    def __init__(self, network, layers, heads):
        self.lib, P, I = network.lib, ctypes.c_void_p, ctypes.c_int
        def declare(name, result, *arguments):
            f = getattr(self.lib, name)
            f.restype, f.argtypes = result, arguments
        declare("distiller", P, P)
        declare("distiller_destroy", None, P)
        declare("distiller_count", ctypes.c_long, P)
        for name in ("student", "gradients", "spreads"): declare(f"distiller_{name}", P, P)
        declare("distiller_measure", I, P, I, P, P, P)
        declare("distiller_learn", None, P, I, P, P, I, P, ctypes.POINTER(Lesson))
        declare("distiller_step", None, P, ctypes.c_float, I)
        self.handle, self.layers, self.heads = self.lib.distiller(network.handle), layers, heads
        count = self.lib.distiller_count(self.handle)
        self.student, self.gradients = (self._view(f, count) for f in ("student", "gradients"))
        self.spreads = self._view("spreads", 2 * layers).reshape(layers, 2)
        self.losses = np.zeros((layers, 3))

    def __del__(self):
        if getattr(self, "handle", None):
            self.lib.distiller_destroy(self.handle)

    def _view(self, name, count):
        return np.ctypeslib.as_array(ctypes.cast(getattr(self.lib, f"distiller_{name}")(self.handle), ctypes.POINTER(ctypes.c_float)), (count,))

    def measure(self, ids, positions, squares):
        ids, positions = (np.ascontiguousarray(x, np.int32) for x in (ids, positions))
        return self.lib.distiller_measure(self.handle, len(ids), ids.ctypes.data, positions.ctypes.data, squares.ctypes.data)

    def learn(self, ids, positions, rows, c, own=1.0, weight=1.0, share=0.0):
        assert len(rows) % 32 == 0 and 0 <= min(rows) and max(rows) < len(ids)
        ids, positions, rows = (np.ascontiguousarray(x, np.int32) for x in (ids, positions, rows))
        lesson = Lesson(c, own, weight, share, self.losses.ctypes.data)
        self.lib.distiller_learn(self.handle, len(ids), ids.ctypes.data, positions.ctypes.data, len(rows), rows.ctypes.data, ctypes.byref(lesson))

    def step(self, rate, number):
        self.lib.distiller_step(self.handle, rate, number)


def sharpness(share):
    """The paper's stages by share of the time: nearly linear, a hyperbolic tangent, nearly a sign, and a sign."""
    if share < .25:
        return 5 * (1 / 5) ** (share / .25)
    if share < .6:
        return .05 ** ((share - .25) / .35)
    return 0


def queries(draw, ids, targets, count):
    """Rows whose queries are looked at: those that answer, and others by chance."""
    answering = [t for t, target in enumerate(targets) if target >= 0][:count]
    others = [t for t in range(1, len(ids)) if targets[t] < 0]
    draw.shuffle(others)
    chosen = answering + others
    # Short texts have few: some come twice.
    while len(chosen) < count:
        chosen += chosen
    return sorted(chosen[:count])


def made(o, tokenizer, draw):
    names, weights = zip(*(part.split("=") for part in o.mix.split(",")))
    lengths = [int(length) for length in o.lengths.split(",")]
    while True:
        length, task = draw.choice(lengths), getattr(tasks, draw.choices(names, [float(w) for w in weights])[0])
        yield sequence(draw, tokenizer, length, task, o.gaps, DEFAULTS["positions"])


def take_spreads(o, distiller, texts):
    squares, count = np.zeros((distiller.layers, 2)), 0
    for _ in range(o.spread_texts):
        ids, _, positions = next(texts)
        count += distiller.measure(ids, positions, squares)
    distiller.spreads[:] = np.sqrt(squares / count / np.array(o.widths))


def scores(o, distiller, tokenizer, length, rows=64):
    """By layer: loss of signs, loss of queries and keys as they are, mass that the best share of signs finds; of every task's answers."""
    draw, seen = random.Random(99), 0
    distiller.losses[:] = 0
    for task in tasks.TASKS.values():
        for _ in range(o.samples):
            ids, targets, positions = sequence(draw, tokenizer, length, task, 0, 0)
            chosen = queries(draw, ids, targets, rows)
            distiller.learn(ids, positions, chosen, 0, share=o.share)
            seen += rows * distiller.heads
    distiller.gradients[:] = 0
    return (distiller.losses / seen).round(3)


def teach(o, distiller, texts, draw):
    began = said = time.time()
    step, rows = 0, 0
    distiller.losses[:] = 0
    while (share := (time.time() - began) / (60 * o.minutes)) < 1:
        distiller.gradients[:] = 0
        for _ in range(o.texts):
            ids, targets, positions = next(texts)
            distiller.learn(ids, positions, queries(draw, ids, targets, o.rows), sharpness(share), o.own, 1 / (o.texts * o.rows))
            rows += o.rows * distiller.heads
        step += 1
        distiller.step(o.rate * min(1, step / 50) * (1 if share < .6 else o.least_rate + (1 - o.least_rate) * (1 - share) / .4), step)
        if time.time() - said > o.say:
            signs, own, _ = distiller.losses.mean(0) / rows
            print(f"step {step} minute {(time.time() - began) / 60:.1f} c {sharpness(share):.3f} loss of signs {signs:.3f}, as they are {own:.4f}", flush=True)
            said, rows = time.time(), 0
            distiller.losses[:] = 0


def matrices(network, distiller):
    """Name of each taught matrix, and where it lies in the student."""
    at = 0
    for layer in range(distiller.layers):
        for part in "qk":
            shape = network.tensor(f"{layer}.{part}").shape
            yield f"{layer}.{part}", distiller.student[at:at + shape[0] * shape[1]].reshape(shape)
            at += shape[0] * shape[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in OWN.items():
        parser.add_argument("--" + name.replace("_", "-"), type=type(value), default=value)
    parser.add_argument("--score", action="store_true")
    o = parser.parse_args()
    shape = SimpleNamespace(**DEFAULTS)
    tokenizer = Tokenizer(shape.names)
    network = Network(tokenizer.size, shape.dim, shape.layers, shape.heads, shape.kv_heads, shape.ffn, shape.theta, 1, plain=True)
    model_files.load(network, o.teacher or o.model)
    distiller = Distiller(network, shape.layers, shape.heads)
    o.widths = [shape.dim, shape.dim // shape.heads * shape.kv_heads]
    draw = random.Random(o.seed)
    texts = made(o, tokenizer, draw)
    take_spreads(o, distiller, texts)
    print("spreads of queries and keys", distiller.spreads.round(2).tolist(), flush=True)
    if o.teacher:
        model_files.load(network, o.model)
        for name, taught in matrices(network, distiller):
            taught[:] = network.tensor(name)
    print("before", scores(o, distiller, tokenizer, 1024).tolist(), flush=True)
    if o.score:
        return
    teach(o, distiller, texts, draw)
    for name, taught in matrices(network, distiller):
        network.tensor(name)[:] = taught
    model_files.save(network, tokenizer, shape, o.out)
    print("after", scores(o, distiller, tokenizer, 1024).tolist(), flush=True)
    print(json.dumps(dict(spreads=distiller.spreads.tolist(), log_factors=distiller.student[-shape.layers * shape.heads:].tolist())))


if __name__ == "__main__":
    main()
