#!/usr/bin/env python3
"""Compares the network with PyTorch: losses, choices and every gradient on small random shapes, one optimiser step,
and a short training run. Prints what it compared; exits with 1 if anything is out of tolerance.

  check_network.py [--seed N] [--paths plain,tiles]
"""
import argparse, sys
import numpy as np, torch, torch.nn.functional as F
from network import Batch, Network

# Relative norm of the difference, for losses and for each tensor's gradient. For bf16 it is a bound for q and k of
# short sequences, whose gradients are differences of nearly equal sums; most tensors are within 0.02.
TOLERANCE = dict(plain=(1e-5, 1e-4), tiles=(1e-2, 7e-2))
failures = 0


def report(good, text):
    global failures
    failures += not good
    print(("ok    " if good else "WRONG ") + text, flush=True)


def distance(a, b, floor=1e-30):
    return float(np.linalg.norm(np.asarray(a, np.float64) - b) / max(np.linalg.norm(b), floor))


def norm(x, w):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-5) * w


def rope(x, angle):
    a, b = x.chunk(2, -1)
    c, s = angle.cos()[:, None], angle.sin()[:, None]
    return torch.cat([a * c - b * s, b * c + a * s], -1)


def reference(p, shape, ids, positions):
    """Logits [tokens, vocab] of one sequence, by the plainest means."""
    T, heads, kv, hd = len(ids), shape["heads"], shape["kv_heads"], shape["dim"] // shape["heads"]
    angle = positions.float()[:, None] * shape["theta"] ** (-torch.arange(0, hd, 2).float() / hd)
    hidden = torch.full((T, T), float("-inf")).triu(1)
    x = p["embedding"][ids]
    for l in range(shape["layers"]):
        w = lambda part: p[f"{l}.{part}"]
        h = norm(x, w("norm1"))
        q, k = rope((h @ w("q").T).view(T, heads, hd), angle), rope((h @ w("k").T).view(T, kv, hd), angle)
        v = (h @ w("v").T).view(T, kv, hd)
        k, v = k.repeat_interleave(heads // kv, 1), v.repeat_interleave(heads // kv, 1)
        attention = torch.softmax(torch.einsum("qhd,khd->hqk", q, k) / hd ** 0.5 + hidden, -1)
        x = x + torch.einsum("hqk,khd->qhd", attention, v).reshape(T, -1) @ w("o").T
        h = norm(x, w("norm2"))
        x = x + (F.silu(h @ w("gate").T) * (h @ w("up").T)) @ w("down").T
    return norm(x, p["norm"]) @ p["embedding"].T


def sequences(random, shape, lengths, share=0.4):
    out = []
    for T in lengths:
        targets = np.where(random.random(T) < share, random.integers(0, shape["vocab"], T), -1)
        targets[-1] = random.integers(0, shape["vocab"])
        skips = np.where(random.random(T) < 0.05, random.integers(1, 200, T), 1)
        out.append((random.integers(0, shape["vocab"], T), targets, np.cumsum(skips) - 1))
    return out


def compare(seed, path, shape, lengths):
    random = np.random.default_rng(seed)
    net = Network(**shape, threads=2, plain=path == "plain")
    net.initialise(seed)
    # Larger weights than a fresh network has, so that attention is not nearly uniform.
    for name in net.names: net.tensor(name)[:] *= 5 if name == "embedding" else random.uniform(0.8, 1.8)
    # Weights that bf16 holds exactly leave only the rounding of activations to see.
    if path == "tiles": net.parameters.view(np.uint32)[:] &= 0xffff0000
    net.prepare()
    rows = sequences(random, shape, lengths)
    p = {name: torch.tensor(net.tensor(name).copy(), requires_grad=True) for name in net.names}
    losses, scores = [], []
    for ids, targets, positions in rows:
        at = np.flatnonzero(targets >= 0)
        logits = reference(p, shape, torch.tensor(ids), torch.tensor(positions))[at]
        losses.append(F.cross_entropy(logits, torch.tensor(targets[at]), reduction="none"))
        scores.append(logits.detach())
    losses, scores = torch.cat(losses), torch.cat(scores).numpy()
    weight = 1 / len(losses)
    (losses.sum() * weight).backward()

    batch = Batch(rows)
    loss, correct, targets = net.accumulate(batch, weight)
    evaluated, correct2, targets2, chosen, each = net.evaluate(batch)
    at = batch.targets >= 0
    loss_limit, limit = TOLERANCE[path]
    # With a single token the gradients of q and k are rounding alone, so they are held against the whole gradient.
    floor = 1e-3 * float(torch.cat([t.grad.flatten() for t in p.values()]).norm())
    apart = {name: distance(net.tensor(name, net.gradients), p[name].grad.numpy().reshape(net.tensor(name).shape), floor) for name in net.names}
    worst = max(apart, key=apart.get)
    # Another choice than the reference's is fair only where the two scores are nearly the same.
    behind = float(((scores.max(1) - scores[np.arange(len(scores)), chosen[at]]) / scores.std(1)).max())
    far = distance(each[at], losses.detach().numpy())
    report(far < loss_limit and apart[worst] < limit and behind < 10 * loss_limit,
           f"{path} seed {seed} dim {shape['dim']} heads {shape['heads']}/{shape['kv_heads']} lengths {lengths}: "
           f"losses {far:.1e}, worst gradient {apart[worst]:.1e} ({worst}), choices behind by {behind:.1e}")
    consistent = abs(loss - evaluated) < 1e-5 * abs(loss) and (correct, targets) == (correct2, targets2) and targets == len(losses)
    report(consistent and correct == int((chosen == batch.targets)[at].sum()), "  evaluate agrees with accumulate")


def orthogonal(x):
    x = x / x.norm()
    if x.shape[0] > x.shape[1]: return orthogonal(x.T).T
    for _ in range(5):
        a = x @ x.T
        x = 3.4445 * x + (-4.7750 * a + 2.0315 * a @ a) @ x
    return x


def compare_steps(seed, path):
    """Three optimiser steps on the same random gradients, clipped, against the formulas written out."""
    shape = dict(vocab=96, dim=64, layers=1, heads=2, kv_heads=1, ffn=160, theta=10000.0)
    net = Network(**shape, plain=path == "plain")
    net.initialise(seed)
    net.configure("0.up", lr_multiplier=0.5, decay_multiplier=0.5, muon=False)
    random, lr = np.random.default_rng(seed), 0.01
    start = {n: torch.tensor(net.tensor(n).copy()).double() for n in net.names}
    want = {n: t.clone() for n, t in start.items()}
    first, second = ({n: torch.zeros_like(t) for n, t in want.items()} for _ in range(2))
    for step in range(1, 4):
        net.gradients[:] = random.standard_normal(len(net.gradients), np.float32)
        scale = 1 / np.linalg.norm(net.gradients.astype(np.float64))
        for n, w in want.items():
            g = torch.tensor(net.tensor(n, net.gradients).copy()).double() * scale
            rate = lr * (0.5 if n == "0.up" else 1)
            decay = 0 if w.dim() == 1 else 0.05 if n == "0.up" else 0.1
            if n != "0.up" and n != "embedding" and w.dim() == 2:
                first[n] = 0.95 * first[n] + g
                update = orthogonal(g + 0.95 * first[n]) * 0.2 * max(w.shape) ** 0.5
            else:
                first[n], second[n] = 0.9 * first[n] + 0.1 * g, 0.98 * second[n] + 0.02 * g * g
                update = first[n] / (1 - 0.9 ** step) / ((second[n] / (1 - 0.98 ** step)).sqrt() + 1e-8)
            want[n] = w * (1 - rate * decay) - rate * update
        net.step(lr)
    apart = {n: distance(net.tensor(n) - start[n].numpy(), (want[n] - start[n]).numpy()) for n in net.names}
    worst = max(apart, key=apart.get)
    report(apart[worst] < (1e-3 if path == "plain" else 5e-2), f"{path} seed {seed} three steps: worst update {apart[worst]:.1e} ({worst})")


def learn(path, seed, steps=400):
    """Losses while a small network learns to repeat what it has read."""
    net = Network(vocab=64, dim=128, layers=2, heads=4, kv_heads=2, ffn=256, theta=10000.0, plain=path == "plain")
    net.initialise(seed)
    random, curve = np.random.default_rng(seed), []
    for step in range(steps):
        rows = []
        for _ in range(16):
            half = random.integers(1, 64, random.integers(8, 20))
            ids = np.concatenate([half, [0], half])
            targets = np.where(np.arange(len(ids) - 1) >= len(half), ids[1:], -1)
            rows.append((ids[:-1], targets, np.arange(len(ids) - 1)))
        batch = Batch(rows)
        net.zero_gradients()
        loss, _, count = net.accumulate(batch, 1 / batch.target_count)
        net.step(0.004 * min(1, (step + 1) / 20))
        curve.append(loss / count)
    return np.array(curve)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--paths", default="plain,tiles")
    options = parser.parse_args()
    paths = options.paths.split(",")
    for path in paths:
        case = 0
        for dim, heads, kv_heads in ((64, 2, 2), (128, 4, 2), (192, 3, 1), (256, 4, 2)):
            shape = dict(vocab=160, dim=dim, layers=2, heads=heads, kv_heads=kv_heads, ffn=dim + 32, theta=10000.0)
            for lengths in ([1], [2, 1], [17], [65, 32, 33], [200, 17, 2, 65], [300], [1300]):
                if lengths == [1300] and dim != 256: continue
                compare(options.seed + case, path, shape, lengths)
                case += 1
        compare_steps(options.seed, path)
    curves = {path: learn(path, options.seed) for path in paths}
    for path, curve in curves.items():
        report(curve[-10:].mean() < 0.3 * curve[:5].mean(), f"{path} learns to copy: " + " ".join(f"{x:.2f}" for x in curve[::40]) + f" {curve[-10:].mean():.2f}")
    if len(curves) == 2:
        a, b = curves.values()
        report(np.abs(a - b)[:40].max() < 0.15, f"curves of both paths: largest difference in the first 40 steps {np.abs(a - b)[:40].max():.3f}, in all {np.abs(a - b).max():.3f}")
    print("failures", failures)
    sys.exit(failures > 0)


main()
