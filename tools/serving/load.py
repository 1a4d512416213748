#!/usr/bin/env python3
"""Measures `kvasir serve` under load, in rounds, and writes what came of it as a table: see README.md.

  python3 load.py --into figures                                  # every part, three rounds of each
  python3 load.py streams beside --rounds 1 --into figures        # some; what a folder has grows by each run
  python3 load.py --table ../../bench/results/serving/load.md --into figures     # nothing is run: the table alone
"""
import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import report
from servers import KVASIR, Crowd, Stream, kvasir, percentile, redis, text

SHAPE = "llama3.2-1b"
POLICIES = ["dense", "psa", "magicpig", "guarded"]
LONG, BEHIND = 32 * 1024, 100 * 1000
QUESTION = 20


def model(options, layers=None):
    """How a model of so many layers is named; of all of them without a number."""
    if options.model:
        return [options.model.replace("LAYERS", str(layers or 16))]
    return ["--synthetic", "%s:%d" % (SHAPE, layers) if layers else SHAPE]


def tokens(server, count, seed):
    """A text of about so many tokens."""
    sample = text(4000, 1)
    return text(round(count * len(sample) / len(server.post("/tokenize", {"content": sample})["tokens"])), seed)


def bench(options, *words):
    """What a verb of Kvasir says in JSON."""
    done = subprocess.run([options.kvasir, "bench", *map(str, words), "--json", "-q"], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def streams(options):
    """The engine alone, sixteen streams over HTTP, sixteen answers that are not streamed, and one stream: tokens a second. The first third of a stream is not counted, in which code is still compiled."""
    begun, counted = options.tokens // 3, options.tokens - options.tokens // 3
    engine = bench(options, *model(options), "--depth", 32 + begun, "--prefill", 0, "--decode", counted, "--batch", "1,16", "--repeat", 1, "--kv-memory", "2G")["results"]
    figures = {"engine-%d" % row["batch"]: row["decodeTokensPerSecond"] for row in engine}
    with kvasir(options.kvasir, options.port, *model(options), "--attention", "dense", "--kv-memory", "2G") as server:
        for count in (16, 1):
            start, prompts = [], [tokens(server, 32, random.randrange(1 << 30)) for _ in range(count)]
            ends = Crowd(server, prompts, options.tokens, True, lambda: start.append((server.cpu_ms(), time.process_time()))).pieces()
            each = [(pieces[-1] - pieces[len(pieces) // 3]) / (options.tokens * (1 - len(pieces) // 3 / (len(pieces) - 1))) for pieces in ends]
            figures["served-%d" % count] = count / (sum(each) / count)
            (computing, others), client = server.cpu_ms(), time.process_time()
            if start:
                spent = [computing - start[0][0][0], others - start[0][0][1], (client - start[0][1]) * 1000]
                figures["cpu-%d" % count] = [ms * 1000 / (options.tokens * count * 2 / 3) for ms in spent]
        prompts = [tokens(server, 32, random.randrange(1 << 30)) for _ in range(16)]
        figures["whole-16"] = sum(one["predicted_n"] / one["predicted_ms"] * 1000 for one in Crowd(server, prompts, options.tokens, False).timings())
    return figures


def cached(options):
    """The time to the first token of 32k tokens that nobody sent before, and of other questions behind them."""
    figures = {}
    with kvasir(options.kvasir, options.port, *model(options, options.layers), "--context", "40k", "--kv-memory", "4G", "--attention", "dense") as server:
        for policy in options.policies:
            seed = random.randrange(1 << 30)
            prefix = tokens(server, LONG - QUESTION, seed)
            asked = [Stream(server, prefix + tokens(server, QUESTION, seed + i), 2, kvasir={"attention": policy}).wait() for i in range(1, 5)]
            if asked[0].cached > 0 or min(one.cached for one in asked[1:]) < LONG - QUESTION - 96:
                raise SystemExit("%s: cached %s" % (policy, [one.cached for one in asked]))
            figures[policy] = {"cold": asked[0].first_ms, "cached": percentile([one.first_ms for one in asked[1:]], 50)}
    return figures


def beside(options):
    """Times between the pieces of eight running streams while 32k tokens are computed beside them."""
    with kvasir(options.kvasir, options.port, *model(options, options.layers), "--context", "64k", "--kv-memory", "4G", "--attention", "dense",
                "--step-ms", options.step_ms) as server:
        running = [Stream(server, tokens(server, 32, i), 30_000) for i in range(8)]
        for one in running:
            one.wait(16)
        start = time.monotonic()
        long = Stream(server, tokens(server, LONG, random.randrange(1 << 30)), 1).wait()
        for one in running:
            one.stop()
        alone = [gap for one in running for gap in gaps(one.pieces, one.started, start)]
        during = [gap for one in running for gap in gaps(one.pieces, start, long.pieces[0])]
    return {"step": options.step_ms, "p50": percentile(during, 50), "p99": percentile(during, 99), "most": max(during), "count": len(during),
            "alone": percentile(alone, 50), "long": long.first_ms}


def behind(options):
    """Steps until a short question that comes while 100k tokens are computed has its first token."""
    figures = []
    with kvasir(options.kvasir, options.port, *model(options, 1), "--context", "128k", "--kv-memory", "2G", "--attention", "dense") as server:
        long = Stream(server, tokens(server, BEHIND, random.randrange(1 << 30)), 1)
        for depth in (0.02, 0.25, 0.5):
            while server.metric("kvasir_step_rows_total") < depth * BEHIND and not long.pieces:
                time.sleep(0.02)
            before = server.metric("kvasir_step_seconds_count")
            short = Stream(server, tokens(server, QUESTION, random.randrange(1 << 30)), 1).wait(1)
            figures.append({"depth": depth * BEHIND, "steps": server.metric("kvasir_step_seconds_count") - before, "ms": short.first_ms})
            if long.pieces:
                raise SystemExit("the long prompt ended too soon")
        long.stop()
    return {"questions": figures}


def gaps(pieces, start, end):
    """Milliseconds between one piece and the next, of those that end between two times."""
    return [(to - last) * 1000 for last, to in zip(pieces, pieces[1:]) if start <= to <= end]


def restart(options):
    """The time to the first token of 32k tokens that a server before this one has computed, and left on disk and at a server of Redis' protocol."""
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        stores = {"disk": ["--kv-dir", folder, "--kv-disk", "8G", "--kv-disk-rate", "1G"]}
        with contextlib.ExitStack() as running:
            if options.redis:
                stores["redis"] = ["--kv-redis", running.enter_context(redis(options.redis, options.port + 1))]
            for name, flags in stores.items():
                prefix = None
                for turn in ("cold", "warm"):
                    with kvasir(options.kvasir, options.port, *model(options, options.layers), "--context", "40k", "--kv-memory", "2G", "--attention", "dense", *flags) as server:
                        prefix = prefix or tokens(server, LONG - QUESTION, random.randrange(1 << 30))
                        asked = Stream(server, prefix + tokens(server, QUESTION, len(turn)), 2).wait()
                        settle(server)
                    figures[name] = {**figures.get(name, {}), turn: asked.first_ms, "cached": asked.cached}
                if figures[name]["cached"] < LONG - QUESTION - 512:
                    raise SystemExit("%s: cached %d" % (name, figures[name]["cached"]))
    return figures


def settle(server):
    """Until nothing is written behind an answer any more."""
    written, quiet = -1, 0
    while quiet < 3:
        time.sleep(1)
        now = server.metric("kvasir_kv_tier_transfer_bytes_total")
        written, quiet = now, quiet + 1 if now == written else 0


PARTS = {"streams": streams, "cached": cached, "beside": beside, "behind": behind, "restart": restart}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("parts", nargs="*", metavar="PART", help="of %s; default: all" % ", ".join(PARTS))
    options.add_argument("--rounds", type=int, default=3, help="of each part; default: 3")
    options.add_argument("--into", required=True, metavar="FOLDER", help="where each round's figures lie, a file each")
    options.add_argument("--table", metavar="FILE", help="write the table of all rounds that lie there; without parts nothing is run")
    options.add_argument("--kvasir", default=KVASIR, metavar="PROGRAM", help="default: that of this repository, built for release")
    options.add_argument("--model", metavar="FILE", help="in place of random weights that are made at each start; LAYERS in it becomes their number")
    options.add_argument("--port", type=int, default=8097)
    options.add_argument("--layers", type=int, default=4, help="of the 1B shape, where 32k tokens are computed cold; default: 4")
    options.add_argument("--redis", metavar="PROGRAM|URL", help="a program that takes --port as redis-server does, or one that runs and keeps nothing of before; default: restart measures the disk alone")
    options.add_argument("--step-ms", type=int, default=300, help="of the server, where a prompt is computed beside streams; default: 300")
    options.add_argument("--tokens", type=int, default=384, help="of each answer, where streams are counted; default: 384")
    options.add_argument("--policies", type=lambda value: value.split(","), default=POLICIES, metavar="LIST", help="default: %s" % ",".join(POLICIES))
    options = options.parse_args()
    if unknown := [part for part in options.parts if part not in PARTS]:
        sys.exit("%s is none of %s" % (unknown[0], ", ".join(PARTS)))
    os.makedirs(options.into, exist_ok=True)
    for part in options.parts or ([] if options.table else PARTS):
        for _ in range(options.rounds):
            figures = PARTS[part](options)
            figures["layers"] = options.layers
            print(part, json.dumps(figures), flush=True)
            with open(os.path.join(options.into, "%s-%d.json" % (part, time.time_ns())), "w") as file:
                json.dump(figures, file)
    if options.table:
        report.write(options.into, options.table, options.kvasir)


if __name__ == "__main__":
    main()
