#!/usr/bin/env python3
"""Kvasir's server beside llama.cpp's, with the same model, load and threads: see README.md.

  python3 peer.py 1b-q4_0.gguf --llama-server PATH --into figures                   # three rounds of each kind of load, each server in turn
  python3 peer.py 1b-q4_0.gguf --llama-server PATH --into figures --ways cold,apart --rounds 1 --seconds 1200
  python3 peer.py --into figures --table ../../bench/results/serving/llamacpp.md    # the table alone
"""
import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
import report
from servers import KVASIR, Server, kvasir

WAYS = {"cold": "prefix of %d, nobody has it", "warm": "prefix of %d, there before", "apart": "no shared prefix"}


def load(options, server, seed, way, **other):
    """What `kvasir bench serve` sees. After so many seconds it is told to say what has ended by then."""
    prefix = 0 if way == "apart" else options.prefix
    asked = {"num-prompts": options.clients, "turns": options.turns, "prefix-len": prefix, "input-len": options.input, "output-len": options.output, "seed": seed, **other}
    words = [word for name, value in asked.items() if value for word in ("--" + name, str(value))]
    goals = [word for goal in options.goals for word in ("--goodput", goal)]
    bench = subprocess.Popen([options.kvasir, "bench", "serve", server.url, *words, *goals, "--json", "-q"], stdout=subprocess.PIPE)
    over = None
    try:
        said, _ = bench.communicate(timeout=options.seconds)
    except subprocess.TimeoutExpired:
        over = options.seconds
        # Not an interrupt: who was started in the background of a shell without jobs does not hear those.
        bench.terminate()
        try:
            said, _ = bench.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            bench.kill()
            raise
    if not said:
        raise SystemExit("bench serve ended with %d and said nothing" % bench.returncode)
    seen = {**json.loads(said), "over_seconds": over}
    if over:
        # What had not ended counts for nothing, and its time for all.
        for rate in ("request_throughput", "request_goodput"):
            seen[rate] = (seen.get(rate) or 0) * seen["duration"] / over
    return seen


def warm(options, server, seed):
    """The prefix is computed once. llama.cpp's slots share nothing, so that each is given the state of the one that has it."""
    load(options, server, seed, "warm", **{"num-prompts": 1, "turns": 1, "input-len": 1, "output-len": 1})
    if server.ready != "/health":
        return
    saved = [server.post("/slots/%d?action=save" % slot, {"filename": "%d.bin" % slot}).get("n_saved", 0) for slot in range(options.clients)]
    full = saved.index(max(saved))
    for slot in range(options.clients):
        if slot != full:
            server.post("/slots/%d?action=restore" % slot, {"filename": "%d.bin" % full})


def measure(options, name, way, seed):
    with tempfile.TemporaryDirectory() as folder:
        if name == "kvasir":
            server = kvasir(options.kvasir, options.port, options.model, "--threads", options.threads, "--context", "32k", "--kv-memory", "6G", "--attention", "dense", *options.kvasir_flags)
        else:
            server = Server([options.llama_server, "-m", options.model, "-t", str(options.threads), "--port", str(options.port), "-np", str(options.clients), "-c", "131072",
                             "--slot-save-path", folder, *options.llama_flags], options.port, "/health")
        with server:
            if way == "warm":
                warm(options, server, seed)
            return load(options, server, seed, way)


def ended(seen):
    """How many requests, and in which time: of rounds that did not end, those that did until then."""
    return "; ".join("%d in %s%.0f s" % (one["completed"], "> " if one.get("over_seconds") else "", one.get("over_seconds") or one["duration"]) for one in seen)


def spread(seen, field, part, unit, digits):
    """Of the rounds in which there was anything of it."""
    values = [one[field] / part for one in seen if one.get(field) is not None]
    return report.spread(values, digits) + unit if values else "none"


def table(folder, path, options):
    """A row for each kind of load: requests a second of both, and times."""
    lines = [report.head(options.kvasir, "Kvasir's server beside llama.cpp's", "python3 peer.py MODEL --llama-server PATH --into figures"),
             "| load | server | ended | requests/s | of them in time | Kvasir is | first token, first turns | first token, later turns | time per token | prompt tokens cached |\n"
             "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|\n"]
    found = report.rounds(folder, "peer")
    for key in dict.fromkeys((one["model"], one["way"], one["prefix"]) for one in found):
        pairs = [one for one in found if (one["model"], one["way"], one["prefix"]) == key]
        ratios = [one["kvasir"]["request_goodput"] / one["llama.cpp"]["request_goodput"] for one in pairs if one["llama.cpp"]["request_goodput"] > 0]
        whole = [one["kvasir"]["request_throughput"] / one["llama.cpp"]["request_throughput"] for one in pairs if one["llama.cpp"]["request_throughput"] > 0]
        what = "%s, %s" % (key[0], WAYS[key[1]] % key[2] if "%" in WAYS[key[1]] else WAYS[key[1]])
        for name in ("kvasir", "llama.cpp"):
            seen = [one[name] for one in pairs]
            times = [spread(seen, field, 1000, " s", 2) for field in ("mean_cold_ttft_ms", "mean_warm_ttft_ms")]
            lines.append("| %s | %s | %s | %s | %s | %s | %s | %s | %s | %s %% |\n" % (
                what, name, ended(seen), report.spread([one["request_throughput"] for one in seen], 2), report.spread([one["request_goodput"] for one in seen], 2),
                "" if name != "kvasir" else "%s; in time %s" % (report.spread(whole, 2) + " x" if whole else "the only one", report.spread(ratios, 2) + " x" if ratios else "the only one"), *times,
                spread(seen, "mean_tpot_ms", 1, " ms", 0), report.spread([100 * one["cached_tokens"] / max(one["total_input_tokens"], 1) for one in seen], 0)))
    with open(path, "w") as file:
        file.write("".join(lines))


def pair(options, way, servers):
    """One server after the other under the same load; what they did is a file."""
    seed = random.randrange(1 << 30)
    figures = {name: measure(options, name, way, seed) for name in servers}
    figures.update({"model": os.path.basename(options.model), "way": way, "prefix": options.prefix})
    shown = ("over_seconds", "completed", "failed", "request_throughput", "request_goodput", "mean_cold_ttft_ms", "mean_warm_ttft_ms", "mean_tpot_ms", "cached_tokens",
             "total_input_tokens", "duration")
    print(way, json.dumps({name: {field: figures[name].get(field) for field in shown} for name in servers}), flush=True)
    with open(os.path.join(options.into, "peer-%d.json" % time.time_ns()), "w") as file:
        json.dump(figures, file)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("model", nargs="?", help="a GGUF file that both load")
    options.add_argument("--llama-server", metavar="PROGRAM")
    options.add_argument("--llama-flags", type=str.split, default=["-fa", "on", "-kvu", "--no-cache-idle-slots", "-b", "2048", "-ub", "512"], metavar="WORDS")
    options.add_argument("--kvasir-flags", type=str.split, default=[], metavar="WORDS")
    options.add_argument("--kvasir", default=KVASIR, metavar="PROGRAM")
    options.add_argument("--into", required=True, metavar="FOLDER")
    options.add_argument("--table", metavar="FILE")
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--ways", type=lambda value: value.split(","), default=list(WAYS), metavar="LIST",
                         help="cold: nobody has computed the shared prefix; warm: it is there; apart: prompts share nothing; default: all of them")
    options.add_argument("--seconds", type=int, default=900, help="after which a server's round is over, whatever has ended; default: 900")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--port", type=int, default=8096)
    for name, value in (("clients", 8), ("turns", 4), ("prefix", 8192), ("input", 128), ("output", 32)):
        options.add_argument("--" + name, type=int, default=value, help="default: %d" % value)
    options.add_argument("--goals", type=lambda value: value.split(","), default=["ttft:10000", "tpot:500"], help="what a good answer keeps to; default: ttft:10000,tpot:500")
    options = options.parse_args()
    os.makedirs(options.into, exist_ok=True)
    if unknown := [way for way in options.ways if way not in WAYS]:
        sys.exit("%s is none of %s" % (unknown[0], ", ".join(WAYS)))
    for i in range(options.rounds if options.model else 0):
        for way in options.ways:
            pair(options, way, ["kvasir", "llama.cpp"][::1 if i % 2 == 0 else -1])
    if options.table:
        table(options.into, options.table, options)


if __name__ == "__main__":
    main()
