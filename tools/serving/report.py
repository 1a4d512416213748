"""The table of what load.py has measured."""
import glob
import json
import os
import re
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "compare-llamacpp"))
import machine

HEAD = """# %s

%s, %d logical CPUs, %.0f GB, %s; Kvasir %s, %s. Random weights in the shape of Llama 3.2 1B, Q4_0; 16-bit KV; as many threads as CPUs, which client and server share.

    cd tools/serving && %s

Medians of rounds, lowest to highest behind them; a ratio is taken within its round.

"""


def head(program, title, command):
    """What the table was measured on, and how."""
    here = machine.describe()
    version = subprocess.run([program, "--version"], stdout=subprocess.PIPE, universal_newlines=True).stdout
    version = re.sub(r"\+([0-9a-f]{12})[0-9a-f]*", r"+\1", version.split()[-1])
    return HEAD % (title, here["cpu"], here["logicalCpus"], here["memoryBytes"] / 1e9, here["system"], version, time.strftime("%-d %B %Y"), command)


def rounds(folder, part):
    found = [json.load(open(path)) for path in sorted(glob.glob(os.path.join(folder, part + "-*.json")))]
    return found


def spread(values, digits=1):
    """The median, and what it lies between."""
    ordered = sorted(values)
    middle = (ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2
    return "%.*f (%.*f to %.*f)" % (digits, middle, digits, ordered[0], digits, ordered[-1]) if len(ordered) > 1 else "%.*f" % (digits, middle)


def streams(found):
    cost = [100 * (1 - one["served-16"] / one["engine-16"]) for one in found]
    yield "HTTP, parsing and streaming at 16 streams, %% of the engine's tokens a second|%s: engine %s tok/s, over HTTP %s|at most 3" % (
        spread(cost), spread([one["engine-16"] for one in found]), spread([one["served-16"] for one in found]))
    if whole := [one for one in found if "whole-16" in one]:
        yield "the same beside 16 answers that are not streamed, in one server|%s: %s tok/s|" % (
            spread([100 * (1 - one["served-16"] / one["whole-16"]) for one in whole]), spread([one["whole-16"] for one in whole]))
        yield "CPU seconds of 1,000 tokens at 16 streams: engine; rest of the server; client|%s; %s; %s|" % tuple(
            spread([one["cpu-16"][i] / 1000 for one in whole], 3) for i in range(3))
    yield "tokens a second of 16 streams over those of one|%s x: %s and %s tok/s (engine alone %s x)|at least 5" % (
        spread([one["served-16"] / one["served-1"] for one in found], 2), spread([one["served-16"] for one in found]), spread([one["served-1"] for one in found]),
        spread([one["engine-16"] / one["engine-1"] for one in found], 2))


def cached(found):
    for policy in [name for name in found[0] if name != "layers"]:
        has = [one[policy] for one in found if policy in one]
        yield "first token of a cached 32k prompt, %s, %% of the cold one (%d layers)|%s: %s ms and %s s|at most 3" % (
            policy, found[0]["layers"], spread([100 * one["cached"] / one["cold"] for one in has], 2), spread([one["cached"] for one in has], 0),
            spread([one["cold"] / 1000 for one in has]))


def beside(found):
    for layers, step in sorted({(one["layers"], one["step"]) for one in found}):
        has = [one for one in found if (one["layers"], one["step"]) == (layers, step)]
        yield "time between pieces of 8 streams beside a 32k prompt (%d layers, --step-ms %d), p99 in ms|%s: median %s, most %s; %s without it; the prompt takes %s s|at most %d" % (
            layers, step, spread([one["p99"] for one in has], 0), spread([one["p50"] for one in has], 0), spread([one["most"] for one in has], 0),
            spread([one["alone"] for one in has], 0), spread([one["long"] / 1000 for one in has]), 2 * step)


def behind(found):
    questions = [question for one in found for question in one["questions"]]
    yield "steps until a 20-token question behind a 100k prompt has its first token (1 layer)|%s, in %s ms|at most 5" % (
        spread([question["steps"] for question in questions], 0), spread([question["ms"] for question in questions], 0))


def restart(found):
    for store, most in (("disk", 10), ("redis", 15)):
        if has := [one for one in found if store in one]:
            yield "first token of a 32k prompt that another process computed, from %s, %% of the cold one (%d layers)|%s: %s ms and %s s|at most %d" % (
                store, has[0]["layers"], spread([100 * one[store]["warm"] / one[store]["cold"] for one in has], 2), spread([one[store]["warm"] for one in has], 0),
                spread([one[store]["cold"] / 1000 for one in has]), most)


def write(folder, path, program):
    lines = [head(program, "A server under load", "python3 load.py --into figures --table ../../bench/results/serving/load.md"), "| what | measured | bar |\n|---|---|---|\n"]
    for part in (streams, cached, beside, behind, restart):
        found = rounds(folder, part.__name__)
        lines += ["| %s |\n" % row.replace("|", " | ") for row in (part(found) if found else [])]
    with open(path, "w") as file:
        file.write("".join(lines))
