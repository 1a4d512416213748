#!/usr/bin/env python3
"""Kvasir's server beside llama.cpp's, with the same model, load and threads: see README.md.

  python3 peer.py 1b-q4_0.gguf --llama-server PATH --into figures                   # three rounds, each server in turn
  python3 peer.py 1b-q4_0.gguf --llama-server PATH --into figures --prefix 0        # prompts that share nothing
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

WAYS = ("cold", "warm")


def load(options, server, seed, **other):
    """What `kvasir bench serve` sees."""
    asked = {"num-prompts": options.clients, "turns": options.turns, "prefix-len": options.prefix, "input-len": options.input, "output-len": options.output, "seed": seed, **other}
    words = [word for name, value in asked.items() if value for word in ("--" + name, str(value))]
    goals = [word for goal in options.goals for word in ("--goodput", goal)]
    done = subprocess.run([options.kvasir, "bench", "serve", server.url, *words, *goals, "--json", "-q"], stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def warm(options, server, seed):
    """The prefix is computed once. llama.cpp's slots share nothing, so that each is given the state of the one that has it."""
    load(options, server, seed, **{"num-prompts": 1, "turns": 1, "input-len": 1, "output-len": 1})
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
            return load(options, server, seed)


def table(folder, path, options):
    """A row for each kind of load: requests a second of both, and times."""
    lines = [report.head(options.kvasir, "Kvasir's server beside llama.cpp's", "python3 peer.py MODEL --llama-server PATH --into figures"),
             "| load | server | requests/s | of them in time | Kvasir is | first token, first turns | first token, later turns | time per token | prompt tokens cached |\n"
             "|---|---|---:|---:|---:|---:|---:|---:|---:|\n"]
    found = report.rounds(folder, "peer")
    for key in dict.fromkeys((one["model"], one["way"], one["prefix"]) for one in found):
        pairs = [one for one in found if (one["model"], one["way"], one["prefix"]) == key]
        ratios = [one["kvasir"]["request_goodput"] / max(one["llama.cpp"]["request_goodput"], 1e-9) for one in pairs if one["llama.cpp"]["request_goodput"] > 0]
        whole = [one["kvasir"]["request_throughput"] / one["llama.cpp"]["request_throughput"] for one in pairs]
        what = "%s, %s" % (key[0], "no shared prefix" if not key[2] else "prefix of %d, %s" % (key[2], "there before" if key[1] == "warm" else "nobody has it"))
        for name in ("kvasir", "llama.cpp"):
            seen = [one[name] for one in pairs]
            times = [report.spread([one[field] / 1000 for one in seen], 2) + " s" for field in ("mean_cold_ttft_ms", "mean_warm_ttft_ms")]
            lines.append("| %s | %s | %s | %s | %s | %s | %s | %s ms | %s %% |\n" % (
                what, name, report.spread([one["request_throughput"] for one in seen], 2), report.spread([one["request_goodput"] for one in seen], 2),
                "" if name != "kvasir" else "%s x; in time %s" % (report.spread(whole, 2), report.spread(ratios, 2) + " x" if ratios else "alone"), *times,
                report.spread([one["mean_tpot_ms"] for one in seen], 0), report.spread([100 * one["cached_tokens"] / one["total_input_tokens"] for one in seen], 0)))
    with open(path, "w") as file:
        file.write("".join(lines))


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
    options.add_argument("--way", choices=WAYS, default="cold", help="whether the shared prefix was computed before; default: cold")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--port", type=int, default=8096)
    for name, value in (("clients", 8), ("turns", 4), ("prefix", 8192), ("input", 128), ("output", 32)):
        options.add_argument("--" + name, type=int, default=value, help="default: %d" % value)
    options.add_argument("--goals", type=lambda value: value.split(","), default=["ttft:10000", "tpot:500"], help="what a good answer keeps to; default: ttft:10000,tpot:500")
    options = options.parse_args()
    os.makedirs(options.into, exist_ok=True)
    for i in range(options.rounds if options.model else 0):
        seed, servers = random.randrange(1 << 30), ["kvasir", "llama.cpp"]
        figures = {name: measure(options, name, options.way, seed) for name in (servers if i % 2 == 0 else servers[::-1])}
        figures.update({"model": os.path.basename(options.model), "way": options.way, "prefix": options.prefix})
        print(json.dumps({name: {field: figures[name][field] for field in ("completed", "failed", "request_throughput", "request_goodput", "mean_cold_ttft_ms", "mean_warm_ttft_ms",
                          "mean_tpot_ms", "cached_tokens", "total_input_tokens", "duration")} for name in servers}), flush=True)
        with open(os.path.join(options.into, "peer-%d.json" % time.time_ns()), "w") as file:
            json.dump(figures, file)
    if options.table:
        table(options.into, options.table, options)


if __name__ == "__main__":
    main()
