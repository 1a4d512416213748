#!/usr/bin/env python3
"""Kvasir beside llama.cpp, and beside one more engine if wanted, on the same GGUF files and threads, in turn.

  npm ci --prefix ../llamacpp                 # llama.cpp, prebuilt; done by this script when it is missing
  dotnet build -c Release                     # Kvasir, in the root of the repository
  python3 compare.py model.gguf --results ../../bench/results
"""
import argparse, datetime, itertools, json, os, shutil, subprocess, sys, time
sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(HERE, "..", "llamacpp"))
import figures, llamacpp, machine, report
from engines import EngineError, Kvasir, LlamaBench, LlamaLibrary, read_setting

HOPELESS = 0.7      # a setting below this share of its engine's best in round 1 is not run again for that case


def numbers(text):
    return [int(part) for part in text.split(",") if part]


def names(text):
    return [part for part in text.split(",") if part]


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("models", nargs="*", metavar="GGUF", help="model files; random weights of a real shape are as good as real ones for speed")
    p.add_argument("--threads", type=int, default=machine.cores(), help="of every engine (default: the physical cores)")
    p.add_argument("--rounds", type=int, default=5)
    p.add_argument("--depth", type=numbers, default=[0, 4096, 16384, 32768], metavar="N,...", help="tokens in the cache before decode steps")
    p.add_argument("--prefill", type=numbers, default=[512], metavar="N,...", help="prompt lengths on an empty cache")
    p.add_argument("--prefill-depth", type=numbers, default=[], metavar="N,...", help="depths at which 512 more prompt tokens are timed")
    p.add_argument("--seconds", type=float, default=10, help="a llama.cpp case ends after this long and three timings (default 10)")
    p.add_argument("--real-depth", action="store_true", help="llama.cpp: fill the cache by a real prefill, not by repeating 512 real tokens' state")
    p.add_argument("--all-settings", action="store_true", help="run every setting in every round, also those that lost clearly in the first")
    p.add_argument("--kvasir", help="the executable (default: artifacts/bin/Kvasir.Cli/release/Kvasir.Cli)")
    p.add_argument("--kvasir-settings", type=names, default=["bf16", "q8"], metavar="KV,...")
    p.add_argument("--llama-settings", type=names, default=["fa+f16", "nofa+f16", "fa+q8_0"], metavar="S,...", help="fa or nofa, + KV type")
    p.add_argument("--peer", default="peer", help="name of one more engine, which comes as one of:")
    p.add_argument("--peer-library", help="its libllama.so, with --peer-header its llama.h")
    p.add_argument("--peer-header")
    p.add_argument("--peer-llama-bench", help="its llama-bench; fills the cache by a real prefill")
    p.add_argument("--peer-settings", type=names, default=["fa+f16", "fa+q8_0"], metavar="S,...")
    p.add_argument("--peer-depth", type=int, default=4096, help="deepest case that --peer-llama-bench is given (default 4096)")
    p.add_argument("--results", metavar="FOLDER", help="add this machine's table, picture and raw figures there")
    p.add_argument("--name", help="file name of this machine in --results (default: from its CPU)")
    p.add_argument("--readme", metavar="FILE", help="put table and picture between the marks of this file; needs --results")
    p.add_argument("--json", metavar="FILE", help="raw figures of this run")
    p.add_argument("--markdown", metavar="FILE", help="the tables of this run")
    p.add_argument("--svg", metavar="FILE", help="the decode curve of this run")
    p.add_argument("--check-depth", type=int, metavar="N", help="only compare llama.cpp at depth N filled by repetition and by a real prefill")
    p.add_argument("--self-test", action="store_true", help="check the tool's own arithmetic, without any engine")
    a = p.parse_args()
    if not a.models and not a.self_test and not (a.results and a.readme): p.error("a GGUF file is missing")
    if bool(a.peer_library) != bool(a.peer_header): p.error("--peer-library and --peer-header go together")
    if a.readme and not a.results: p.error("--readme needs --results")
    for setting in a.llama_settings + a.peer_settings: read_setting(setting)
    return a


def llama_folder():
    if not llamacpp.installed():
        if not shutil.which("npm"):
            raise SystemExit("llama.cpp is missing, and npm to install it: run npm ci in tools/llamacpp.")
        subprocess.run(["npm", "ci", "--prefix", os.path.join(HERE, "..", "llamacpp")], check=True, stdout=sys.stderr)
    return llamacpp.installed() or sys.exit("node-llama-cpp has no build for this machine: Linux on x64 or Arm64 is needed.")


def engines(a):
    path = a.kvasir or os.path.join(ROOT, "artifacts", "bin", "Kvasir.Cli", "release", "Kvasir.Cli")
    if not shutil.which(path):
        raise SystemExit("%s is missing: run dotnet build -c Release, or give --kvasir." % path)
    found = [Kvasir([path], a.kvasir_settings, a.threads), LlamaLibrary("llama.cpp", llama_folder(), None, a.llama_settings, a)]
    if a.peer_library: found.append(LlamaLibrary(a.peer, a.peer_library, a.peer_header, a.peer_settings, a))
    elif a.peer_llama_bench: found.append(LlamaBench(a.peer, a.peer_llama_bench, a.peer_settings, a))
    return found


def cases(a):
    """Groups of cases at one depth: what an engine's process measures before the next engine has its turn."""
    groups = {}
    for tokens in a.prefill: groups.setdefault(0, []).append({"kind": "prefill", "depth": 0, "tokens": tokens})
    for depth in a.prefill_depth: groups.setdefault(depth, []).append({"kind": "prefill", "depth": depth, "tokens": 512})
    for depth in a.depth: groups.setdefault(depth, []).append({"kind": "decode", "depth": depth})
    return [groups[depth] for depth in sorted(groups)]


def turns(found):
    """(engine, setting) so that the engines alternate: A1 B1 C1 A2 B2 C2 ..."""
    columns = [[(engine, setting) for setting in engine.settings] for engine in found]
    return [turn for turns in itertools.zip_longest(*columns) for turn in turns if turn]


def hopeless(measurement, engine, setting, case):
    """Whether this setting lost so clearly in the first round that it is left out for this case."""
    first = figures.samples(measurement).get(figures.key(case), {}).get(engine.name, {})
    rates = {s: rounds[1] for s, rounds in first.items() if 1 in rounds}
    return setting in rates and rates[setting] < HOPELESS * max(rates.values())


def measure(a, model, found):
    began = time.time()
    m = {"date": datetime.date.today().isoformat(), "model": {"file": os.path.basename(model), "bytes": os.path.getsize(model)},
         "threads": a.threads, "engines": [], "failures": [], "runs": []}
    plan = list(itertools.product(range(1, a.rounds + 1), cases(a), turns(found)))
    for done, (round_number, group, (engine, setting)) in enumerate(plan):
        wanted = group if a.all_settings else [c for c in group if round_number == 1 or not hopeless(m, engine, setting, c)]
        if not wanted: continue
        probe = round(machine.read_bandwidth(a.threads))
        try:
            got = engine.measure(model, setting, wanted)
        except EngineError as error:
            if engine is found[0] and setting == engine.settings[-1] and not any(run["engine"] == engine.name for run in m["runs"]):
                raise SystemExit("%s: %s" % (model, error))
            print("%s %s: %s" % (engine.name, setting, error), file=sys.stderr)
            m["failures"].append({"round": round_number, "engine": engine.name, "setting": setting, "depth": wanted[0]["depth"], "error": str(error)})
            continue
        except KeyboardInterrupt:
            print("stopped: the figures are those of the runs until here", file=sys.stderr)
            break
        m["runs"].append({"round": round_number, "engine": engine.name, "setting": setting, "probe": probe, "load": round(os.getloadavg()[0], 2), **got})
        for c in got["results"]:
            print("[%d/%d, %d min] %-12s %-12s %-28s %9s tok/s   %.1f GB/s" % (
                done + 1, len(plan), (time.time() - began) / 60, engine.name, setting, report.case_name(figures.key(c)),
                report.number(c["tokensPerSecond"]), probe / 1e9), file=sys.stderr)
    m["engines"] = [{"name": e.name, "version": e.version(), "settings": e.settings} for e in found]
    return m


def check_depth(a, model):
    """The repeated state against real prefill: the same steps at the same depth."""
    for setting in a.llama_settings:
        got = LlamaLibrary("llama.cpp", llama_folder(), None, [setting], a).speed(model, setting, check=a.check_depth)
        for kind, seconds in got.items():
            print("%-9s depth %d, %s: real %.2f ms, its state given back %.2f ms, repeated %.2f ms (%+.1f %%)" % (
                setting, a.check_depth, "512 more tokens" if kind == "prefill" else "decode", *(1e3 * seconds[n] for n in ("computed", "real", "repeated")),
                100 * (seconds["repeated"] / min(seconds["computed"], seconds["real"]) - 1)), flush=True)


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(path, text):
    with open(path, "w", encoding="utf-8", newline="\n") as f:
        f.write(text)


def raw(here, measurements):
    """All figures as JSON, a run to a line."""
    lines = []
    for m in measurements:
        runs = ",\n".join(json.dumps(run) for run in m["runs"])
        lines.append(json.dumps({**{k: v for k, v in m.items() if k != "runs"}, "runs": []})[:-2] + "\n%s\n]}" % runs)
    return '{"machine": %s,\n"measurements": [\n%s\n]}\n' % (json.dumps(here), ",\n".join(lines))


def update_results(a, here, measurements):
    """Adds measurements to the machine's files; one of the same model on the same threads takes the place of the older one."""
    os.makedirs(a.results, exist_ok=True)
    name = a.name or machine.slug(here)
    path = os.path.join(a.results, name)
    kept = json.loads(read(path + ".json")) if os.path.exists(path + ".json") else {"measurements": []}
    same = lambda m: (m["model"]["file"], m["threads"])
    new = {same(m): m for m in kept["measurements"] + measurements}
    kept = {"machine": {**kept.get("machine", {}), **here}, "measurements": list(new.values())}
    write(path + ".json", raw(kept["machine"], kept["measurements"]))
    write(path + ".md", report.page(kept["machine"], kept["measurements"], name))
    if report.deepest(kept["measurements"]):
        write(path + ".svg", report.picture(kept["machine"], report.deepest(kept["measurements"])))
    if a.readme:
        folder = os.path.relpath(a.results, os.path.dirname(os.path.abspath(a.readme)))
        write(a.readme, report.into_readme(read(a.readme), kept["machine"], kept["measurements"], folder, name))


def main():
    a = arguments()
    if a.self_test:
        import self_test
        return self_test.run()
    if a.check_depth:
        return [check_depth(a, os.path.abspath(model)) for model in a.models] and None
    here, measurements = machine.describe(), []
    if a.models:
        found = engines(a)
        here["floors"] = found[0].floors()
    for model in a.models:
        m = measure(a, os.path.abspath(model), found)
        if not m["runs"]: raise SystemExit("%s: no engine measured anything" % model)
        measurements.append(m)
        print("\n%s: %s\n%s\n%s\n" % (m["model"]["file"], report.summary(m), report.plain(report.rows(m, False)), " ".join(filter(None, (report.shares(m), report.failures(m))))), flush=True)
        if a.results: update_results(a, here, measurements)
    if a.results and not measurements: update_results(a, here, [])
    if a.json: write(a.json, raw(here, measurements))
    if a.markdown: write(a.markdown, "\n\n".join(report.summary(m) + "\n\n" + report.markdown(report.rows(m, True)) for m in measurements) + "\n")
    if a.svg and report.deepest(measurements): write(a.svg, report.picture(here, report.deepest(measurements)))


if __name__ == "__main__":
    sys.exit(main())
