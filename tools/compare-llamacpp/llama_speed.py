"""Speed of one llama.cpp library on one model: a job (JSON) on standard input, the result (JSON) on standard output.

job: library, header or null, model, threads, flash (0, 1), kv (f16, q8_0, ...), repack, cases, seconds, state (a file that keeps the short
KV state between runs), real (prefill the depth in earnest instead of repeating a short state), or with check (a depth) instead of cases.
case: kind (prefill or decode), depth, tokens. seconds: a case ends when it has taken that long and has been timed three times (a prefill: once).
"""
import json, os, resource, statistics, sys, time
sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "llamacpp"))
import c_header, kv_state
from llamacpp import KV_TYPES, STRUCTS, LlamaCpp

SHORT = 512     # tokens of the real state; also the largest batch
DECODES = 32    # single tokens timed for a decode case, at most


def token(session, i):
    return (i * 7919 + 13) % session.size


def timed(session, first, count):
    tokens = [token(session, first + i) for i in range(count)]
    start = time.perf_counter()
    session.decode(tokens, first, False)
    return time.perf_counter() - start


def prefill(session, first, count):
    return sum(timed(session, first + i, min(SHORT, count - i)) for i in range(0, count, SHORT))


def short_state(session, job):
    """The state of SHORT real tokens, made once for a model and a KV setting and then kept in job["state"]."""
    if os.path.exists(job["state"]):
        with open(job["state"], "rb") as f:
            return f.read()
    session.reopen(SHORT, KV_TYPES[job["kv"]], job["flash"], SHORT)
    prefill(session, 0, SHORT)
    blob = session.state()
    with open(job["state"], "wb") as f:
        f.write(blob)
    return blob


def fill(session, short, depth):
    """Brings an empty context to a depth: by the short state, repeated, or in earnest where there is none."""
    if depth and short:
        session.set_state(kv_state.tile(short, depth))
    elif depth:
        prefill(session, 0, depth)


def measure(session, job, case):
    """Tokens a second of one case on a context that is filled to its depth."""
    depth, times, start = case["depth"], [], time.perf_counter()
    if case["kind"] == "decode":
        timed(session, depth, 1)        # brings the cache's pages and the graph into place; not counted
        for i in range(1, 1 + DECODES):
            times.append(timed(session, depth + i, 1))
            if i >= 3 and time.perf_counter() - start > job["seconds"]: break
        rate = 1 / statistics.median(times)
    else:
        for i in range(3):
            if i and time.perf_counter() - start + times[-1] > job["seconds"]: break
            times.append(prefill(session, depth, case["tokens"]))
            session.cut(depth)
        rate = case["tokens"] / statistics.median(times)
    session.cut(depth)
    return {**case, "tokensPerSecond": round(rate, 4), "seconds": [round(t, 6) for t in times]}


def check(session, job):
    """Best seconds of a decode step and of a batch at a depth: on a cache that was really computed, and on a repeated one; in turn."""
    depth, kv = job["check"], KV_TYPES[job["kv"]]
    short = short_state(session, job)
    session.reopen(depth + SHORT + 256, kv, job["flash"], SHORT)
    prefill(session, 0, depth)
    caches = {"real": bytearray(session.state()), "repeated": kv_state.tile(short, depth)}
    best = {}
    for turn in range(4):
        for name, state in caches.items():
            if turn: session.set_state(state)
            elif name == "repeated": continue       # the first turn takes the cache as the prefill left it
            steps = [timed(session, depth + i, 1) for i in range(16)]
            session.cut(depth)
            for kind, seconds in (("decode", min(steps)), ("prefill", prefill(session, depth, SHORT))):
                key = "computed" if not turn else name
                best.setdefault(kind, {}).setdefault(key, []).append(seconds)
            session.cut(depth)
    return {kind: {name: min(seconds) for name, seconds in names.items()} for kind, names in best.items()}


def main():
    job = json.load(sys.stdin)
    structs = STRUCTS
    if job["header"]:
        with open(job["header"], encoding="utf-8") as f:
            structs = c_header.read(f.read(), STRUCTS)
    llama = LlamaCpp(job["library"], structs)
    kv = KV_TYPES[job["kv"]]
    start = time.perf_counter()
    session = llama.open(job["model"], SHORT, job["threads"], kv, job["flash"], job["repack"], SHORT)
    load_seconds = time.perf_counter() - start
    prefill(session, 0, 16)
    if job.get("check"):
        return print(json.dumps(check(session, job)))
    deep = any(c["depth"] for c in job["cases"])
    short = short_state(session, job) if deep and not job["real"] else None
    results = []
    for depth in sorted({c["depth"] for c in job["cases"]}):
        cases = [c for c in job["cases"] if c["depth"] == depth]
        # Without flash attention the scores of a whole batch are held at once: single tokens are given a small batch.
        longest = max(c.get("tokens", 0) for c in cases)
        session.reopen(depth + max(longest, DECODES) + 256, kv, job["flash"], SHORT if longest or job["real"] else 32)
        fill(session, short, depth)
        results += [measure(session, job, c) for c in cases]
    session.close()
    print(json.dumps({"version": llama.version(), "loadSeconds": round(load_seconds, 3),
                      "peakBytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024, "results": results}))


if __name__ == "__main__":
    main()
