"""From the runs of a measurement to its figures: medians over rounds, ratios within a round.

measurement: date, model {file, bytes}, threads, engines [{name, version}], runs [{round, engine, setting, probe, results [case with
tokensPerSecond]}]. The first engine is the one that the others are compared with.
"""
import statistics


def key(case):
    return case["kind"], case["depth"], case.get("tokens")


def samples(measurement):
    """{case key: {engine: {setting: {round: tokens a second}}}}, cases in the order of the table."""
    found = {}
    for run in measurement["runs"]:
        for case in run["results"]:
            at = found.setdefault(key(case), {}).setdefault(run["engine"], {}).setdefault(run["setting"], {})
            at[run["round"]] = case["tokensPerSecond"]
    return dict(sorted(found.items(), key=lambda item: (item[0][0] != "prefill", item[0][2] or 0, item[0][1])))


def best_setting(settings):
    """The setting with the highest median; one that was left out after the first round cannot win, one that failed once can."""
    rounds = max(map(len, settings.values()))
    return max((s for s in settings if 2 * len(settings[s]) > rounds), key=lambda s: statistics.median(settings[s].values()))


def table(measurement):
    """One row for each case: {key, engines: {name: {setting, median, low, high, rounds, ratio}}}. ratio is Kvasir's speed over that
    engine's: the median over the rounds that have both, because neighbours in time share the machine's mood."""
    first = measurement["engines"][0]["name"]
    rows = []
    for case, engines in samples(measurement).items():
        best = {name: best_setting(engines[name]) for name in engines}
        own = engines[first][best[first]] if first in engines else {}
        row = {"key": case, "engines": {}}
        for name, setting in best.items():
            rates = engines[name][setting]
            ratios = [own[r] / rates[r] for r in rates if r in own]
            row["engines"][name] = {"setting": setting, "median": statistics.median(rates.values()), "low": min(rates.values()),
                                    "high": max(rates.values()), "rounds": len(rates),
                                    "ratio": statistics.median(ratios) if ratios and name != first else None}
        rows.append(row)
    return rows


def attention(measurement):
    """[(depth, {engine: milliseconds})]: what a decode step takes beyond that on an empty context, which is all layers' attention."""
    steps = {row["key"][1]: {name: 1e3 / f["median"] for name, f in row["engines"].items()} for row in table(measurement) if row["key"][0] == "decode"}
    empty = steps.pop(0, {})
    return [(depth, {name: ms - empty[name] for name, ms in step.items() if name in empty}) for depth, step in steps.items()]


def floor_share(measurement, case, setting):
    """Median share of the memory floor that Kvasir states for its decode steps, or None."""
    shares = [c["floorShare"] for run in measurement["runs"] if run["setting"] == setting
              for c in run["results"] if key(c) == case and c.get("floorShare")]
    return statistics.median(shares) if shares else None


def probes(measurement):
    """(low, median, high) of the bandwidth probes beside the runs, in bytes a second."""
    seen = [run["probe"] for run in measurement["runs"]]
    return min(seen), statistics.median(seen), max(seen)


def curve(measurement):
    """{engine: [(depth, tokens a second)]} of the decode cases, engines in their order."""
    lines = {engine["name"]: [] for engine in measurement["engines"]}
    for row in table(measurement):
        if row["key"][0] == "decode":
            for name, figure in row["engines"].items():
                lines[name].append((row["key"][1], figure["median"]))
    return {name: sorted(points) for name, points in lines.items() if points}
