#!/usr/bin/env python3
"""Compares distil.h with the formulas written out in double precision, and their gradients with finite differences. Exits with 1 if anything is out of tolerance.

  check_distil.py [--seed N]
"""
import argparse
import sys

import numpy as np

from distil import Distiller
from network import Network

SHAPE = dict(vocab=96, dim=64, layers=2, heads=2, kv_heads=1, ffn=96, theta=10000.0)
failures = 0


def report(good, text):
    global failures
    failures += not good
    print(("ok    " if good else "WRONG ") + text, flush=True)


def norm(x, w):
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w


def rope(x, positions):
    half = x.shape[-1] // 2
    angle = np.asarray(positions, np.float64)[:, None, None] * SHAPE["theta"] ** (-np.arange(half) / half)
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * np.cos(angle) - b * np.sin(angle), b * np.cos(angle) + a * np.sin(angle)], -1)


def heads(x, w, positions):
    return rope((x @ w.T).reshape(len(x), -1, SHAPE["dim"] // SHAPE["heads"]), positions)


def attention(q, k, rows, factor=1.0):
    """Logarithms of softmaxed scores of one head's queries of `rows`."""
    s = factor * (q @ k.T) / np.sqrt(q.shape[1])
    s = np.where(np.arange(len(k))[None] <= np.asarray(rows)[:, None], s, -np.inf)
    s = s - s.max(1, keepdims=True)
    return s - np.log(np.exp(s).sum(1, keepdims=True))


def inputs(p, ids, positions):
    """What each layer's queries and keys are made of, and the model's own."""
    x, out = p["embedding"][ids], []
    for layer in range(SHAPE["layers"]):
        w = lambda part: p[f"{layer}.{part}"]
        h = norm(x, w("norm1"))
        q, k, v = heads(h, w("q"), positions), heads(h, w("k"), positions), (h @ w("v").T).reshape(len(ids), SHAPE["kv_heads"], -1)
        out.append((h, q, k))
        group, rows = SHAPE["heads"] // SHAPE["kv_heads"], range(len(ids))
        x = x + np.concatenate([np.exp(attention(q[:, i], k[:, i // group], rows)) @ v[:, i // group] for i in range(SHAPE["heads"])], -1) @ w("o").T
        h = norm(x, w("norm2"))
        gate = h @ w("gate").T
        x = x + (gate / (1 + np.exp(-gate)) * (h @ w("up").T)) @ w("down").T
    return out


def softened(x, spread, c):
    return spread * (np.sign(x) + (x == 0) if c <= 0 else max(c, 1) * np.tanh(x / (c * spread)))


def losses(given, wq, wk, logs, spread, positions, rows, c):
    """Of one layer: the loss of signs and that of queries and keys as they are, summed over rows and heads."""
    h, q, k = given
    mine_q, mine_k = heads(h, wq, positions), heads(h, wk, positions)
    group, found = SHAPE["heads"] // SHAPE["kv_heads"], np.zeros(2)
    for i in range(SHAPE["heads"]):
        own = attention(q[rows, i], k[:, i // group], rows)
        weight = np.exp(own)
        for which, (a, b, factor) in enumerate(((softened(mine_q, spread[0], c), softened(mine_k, spread[1], c), np.exp(logs[i])), (mine_q, mine_k, 1.0))):
            mine = attention(a[rows, i], b[:, i // group], rows, factor)
            seen = weight > 0
            found[which] += (weight[seen] * (own[seen] - mine[seen])).sum()
    return found


def split(flat, queries, keys):
    """Matrices of queries and keys by layer, and logarithms of factors."""
    dim, at, out = SHAPE["dim"], 0, []
    for _ in range(SHAPE["layers"]):
        out.append((flat[at:at + queries * dim].reshape(queries, dim), flat[at + queries * dim:at + (queries + keys) * dim].reshape(keys, dim)))
        at += (queries + keys) * dim
    return out, flat[at:].reshape(SHAPE["layers"], -1)


def straight(given, wq, wk, logs, spread, positions, rows, own_weight):
    """Gradients at signs by their own formula: as if an element were itself where it is not further from its border than the spread."""
    h, q, k = given
    group, dim = SHAPE["heads"] // SHAPE["kv_heads"], SHAPE["dim"] // SHAPE["heads"]
    mine_q, mine_k = heads(h, wq, positions), heads(h, wk, positions)
    dq, dk = np.zeros_like(mine_q), np.zeros_like(mine_k)
    for i in range(SHAPE["heads"]):
        own = np.exp(attention(q[rows, i], k[:, i // group], rows))
        for signs in (True, False):
            a, b = (softened(x, s, 0) if signs else x for x, s in ((mine_q[:, i], spread[0]), (mine_k[:, i // group], spread[1])))
            factor, weight = (np.exp(logs[i]), 1) if signs else (1.0, own_weight)
            ds = weight * factor / np.sqrt(dim) * (np.exp(attention(a[rows], b, rows, factor)) - own)
            np.add.at(dq[:, i], rows, (ds @ b) * (np.abs(mine_q[rows, i]) <= spread[0] if signs else 1))
            dk[:, i // group] += (ds.T @ a[rows]) * (np.abs(mine_k[:, i // group]) <= spread[1] if signs else 1)
    back = -np.asarray(positions)
    return rope(dq, back).reshape(len(h), -1).T @ h, rope(dk, back).reshape(len(h), -1).T @ h


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    o = parser.parse_args()
    random = np.random.default_rng(o.seed)
    network = Network(**SHAPE, threads=1, plain=True)
    network.initialise(o.seed)
    for name in network.names: network.tensor(name)[:] *= 8 if name == "embedding" else random.uniform(1, 2)
    distiller = Distiller(network, SHAPE["layers"], SHAPE["heads"])
    queries, keys = SHAPE["dim"], SHAPE["dim"] // SHAPE["heads"] * SHAPE["kv_heads"]
    # Other matrices than the teacher's, and factors other than 1.
    distiller.student[:] += 0.05 * random.standard_normal(len(distiller.student), np.float32)
    distiller.spreads[:] = random.uniform(0.5, 1.5, distiller.spreads.shape)
    p = {name: network.tensor(name).astype(np.float64) for name in network.names}
    for length, c in ((33, 3.0), (50, 0.7), (50, 0.0)):
        ids, positions = random.integers(0, SHAPE["vocab"], length), np.cumsum(random.integers(1, 5, length))
        rows = sorted(random.choice(np.arange(1, length), 32, replace=False))
        distiller.losses[:], distiller.gradients[:] = 0, 0
        distiller.learn(ids, positions, rows, c, own=0.5)
        given = inputs(p, ids, positions)

        def whole(flat):
            matrices, logs = split(flat, queries, keys)
            return np.array([losses(given[l], *matrices[l], logs[l], distiller.spreads[l], positions, rows, c) for l in range(SHAPE["layers"])])

        student = distiller.student.astype(np.float64)
        want = whole(student)
        apart = np.abs(distiller.losses[:, :2] - want).max() / want.max()
        report(apart < 1e-4, f"seed {o.seed} length {length} c {c}: losses {apart:.1e}")
        floor = 1e-3 * np.abs(distiller.gradients).max()
        if c > 0:
            worst = 0
            for i in [*random.integers(0, len(student) - 4, 40), *range(len(student) - 4, len(student))]:
                up, down = student.copy(), student.copy()
                up[i] += 1e-5
                down[i] -= 1e-5
                slope = ((whole(up) - whole(down)) @ [1, 0.5]).sum() / 2e-5
                worst = max(worst, abs(distiller.gradients[i] - slope) / max(abs(slope), floor))
            report(worst < 2e-2, f"  gradients against finite differences: {worst:.1e}")
        else:
            (matrices, logs), (found, _) = split(student, queries, keys), split(distiller.gradients, queries, keys)
            for l in range(SHAPE["layers"]):
                for got, right in zip(found[l], straight(given[l], *matrices[l], logs[l], distiller.spreads[l], positions, rows, 0.5)):
                    worst = np.linalg.norm(got - right) / np.linalg.norm(right)
                    report(worst < 1e-3, f"  layer {l}: gradients of signs {worst:.1e}")
    print("failures", failures)
    sys.exit(failures > 0)


main()
