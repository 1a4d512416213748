"""The engines of a comparison. Each runs in a process of its own: it loads the model, measures the cases it is given, and ends.

A case is {kind: prefill or decode, depth, tokens (prefill only)}; a measured one has tokensPerSecond too. A setting is a string such as
fa+f16 for llama.cpp (fa or nofa, the KV type, rtr for weights repacked on loading) and a KV type for Kvasir.
"""
import json, os, subprocess, sys, tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "llamacpp"))
import llamacpp

DECODES = 32    # tokens that a llama-bench generates
REPEATS = 3     # timed runs of a case within a process, of which the median counts


class EngineError(Exception):
    pass


def run(command, text=None):
    """Standard output of a command."""
    done = subprocess.run(command, input=text, capture_output=True, text=True)
    if done.returncode:
        raise EngineError("%s ended with %d: %s" % (os.path.basename(command[0]), done.returncode, done.stderr.strip()[-600:]))
    return done.stdout


def commit(folder):
    """The commit of the source tree around a folder, with + when files differ from it; empty outside of git."""
    try:
        name = run(["git", "-C", folder, "rev-parse", "--short=12", "HEAD"]).strip()
        return name + ("+" if run(["git", "-C", folder, "status", "--porcelain", "--untracked-files=no"]).strip() else "")
    except (EngineError, OSError):
        return ""


class Kvasir:
    name = "Kvasir"

    def __init__(self, command, settings, threads):
        self.command, self.settings, self.threads, self.said = command, settings, threads, ""

    def version(self):
        name, _, built = self.said.partition("+")
        return name + ("+" + built[:12] if built else "")

    def floors(self):
        """The machine as Kvasir measures it: bandwidth and multiply-add rates."""
        return json.loads(run(self.command + ["bench", "--machine", "--json", "--quiet"]))["machine"]

    def measure(self, model, setting, cases):
        """Long prefills are timed once, in a process of their own; the rest three times."""
        is_long = lambda c: c["kind"] == "prefill" and c["tokens"] * (4096 + c["depth"]) > 1024 * 4096
        got = {"results": [], "raw": []}
        for part, repeats in (([c for c in cases if not is_long(c)], REPEATS), ([c for c in cases if is_long(c)], 1)):
            rows = self.rows(model, setting, part, repeats) if part else []
            got["raw"] += rows
            got["results"] += [self.result(c, rows) for c in part]
        return got

    def rows(self, model, setting, cases, repeats):
        prefills = ",".join(str(c["tokens"]) for c in cases if c["kind"] == "prefill")
        decodes = any(c["kind"] == "decode" for c in cases)
        said = json.loads(run(self.command + [
            "bench", model, "--threads", str(self.threads), "--kv", setting, "--depth", str(cases[0]["depth"]), "--fill", "random",
            "--prefill", prefills or "0", "--repeat", str(repeats), "--json", "--quiet"] + ([] if decodes else ["--decode", "0"])))
        self.said = said["machine"]["kvasir"]
        return said["results"]

    @staticmethod
    def result(case, rows):
        """The case with the figures of the row that measured it."""
        for row in rows:
            if case["kind"] == "prefill" and row["prefillTokens"] == case["tokens"]:
                return {**case, "tokensPerSecond": row["prefillTokensPerSecond"]}
            if case["kind"] == "decode" and row["decodeTokensPerSecond"]:
                return {**case, "tokensPerSecond": row["decodeTokensPerSecond"], "floorShare": row["floorShare"]}
        raise EngineError("Kvasir gives no figure for %s" % case)


class LlamaLibrary:
    """llama.cpp, or a fork of it, as shared libraries; llama_speed.py drives them."""

    def __init__(self, name, library, header, settings, options):
        self.name, self.library, self.header, self.settings, self.options = name, library, header, settings, options
        self.states = tempfile.TemporaryDirectory()
        self.said = ""

    def version(self):
        """Of a build with a header, the commit of its source; otherwise what the npm package says."""
        if self.header:
            return " ".join(filter(None, [self.said, commit(os.path.dirname(self.header))]))
        return "%s (ggml %s)" % (llamacpp.package_version(self.library), self.said)

    def measure(self, model, setting, cases):
        done = self.speed(model, setting, cases=cases)
        self.said = self.said or done["version"]
        return {"results": done["results"], "raw": {name: done[name] for name in ("loadSeconds", "peakBytes")}}


    def speed(self, model, setting, **job):
        """What llama_speed.py gives for a job."""
        flash, kv, repack = read_setting(setting)
        job.update(library=self.library, header=self.header, model=model, threads=self.options.threads, flash=flash, kv=kv,
                   repack=repack or not self.header, seconds=self.options.seconds, real=self.options.real_depth,
                   state=os.path.join(self.states.name, "%s-%s" % (os.path.basename(model), setting)))
        return json.loads(run([sys.executable, os.path.join(HERE, "llama_speed.py")], json.dumps(job)))


class LlamaBench:
    """A llama-bench executable. It fills the cache in earnest, so cases deeper than options.peer_depth are left out."""

    def __init__(self, name, path, settings, options):
        self.name, self.path, self.settings, self.options = name, path, settings, options
        self.usage = subprocess.run([path, "--help"], capture_output=True, text=True).stdout
        self.said = ""

    def version(self):
        return self.said

    def measure(self, model, setting, cases):
        flash, kv, repack = read_setting(setting)
        base = [self.path, "-m", model, "-t", str(self.options.threads), "-ctk", kv, "-ctv", kv, "-o", "json", "-r", str(REPEATS),
                "-fa", ("on" if flash else "off") if "on|off" in self.usage else str(flash)] + (["-rtr", "1"] if repack else [])
        results, raw = [], []
        for case in cases:
            arguments = self.arguments(case)
            if arguments and case["depth"] <= self.options.peer_depth:
                row = json.loads(run(base + arguments))[-1]
                self.said = "%s (%s)" % (row.get("build_number"), row.get("build_commit"))
                results.append({**case, "tokensPerSecond": row["avg_ts"]})
                raw.append(row)
        return {"results": results, "raw": raw}

    def arguments(self, case):
        """The options for a case; None when this executable has none for it."""
        lengths = ["-p", str(case["tokens"]), "-n", "0"] if case["kind"] == "prefill" else ["-p", "0", "-n", str(DECODES)]
        if not case["depth"]: return lengths
        if "--n-depth" in self.usage: return lengths + ["-d", str(case["depth"])]
        if "-gp " in self.usage and case["kind"] == "decode": return ["-p", "0", "-n", "0", "-gp", "%d,%d" % (case["depth"], DECODES)]
        return None


def read_setting(text):
    """(flash, KV type, repack) of a setting such as fa+q8_0 or fa+q8_0+rtr."""
    parts = text.split("+")
    if len(parts) not in (2, 3) or parts[0] not in ("fa", "nofa") or parts[2:] not in ([], ["rtr"]):
        raise SystemExit("%s is not a setting: write fa+f16, nofa+f16, fa+q8_0 or the like, +rtr behind it for weights repacked on loading" % text)
    return int(parts[0] == "fa"), parts[1], len(parts) == 3


def setting_words(text):
    """A setting as a reader of the table knows it."""
    parts = text.split("+")
    if len(parts) == 1: return text + " KV"
    return {"fa": "flash attention, ", "nofa": "no flash attention, "}[parts[0]] + parts[1] + " KV" + (", repacked" if parts[2:] else "")
