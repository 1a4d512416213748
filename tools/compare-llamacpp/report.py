"""The tables: for the terminal, for bench/results and for the README."""
import os, posixpath
import curve, figures
from engines import setting_words

BEGIN, END = "<!-- figures of tools/compare-llamacpp -->", "<!-- end of figures -->"


def case_name(key):
    kind, depth, tokens = key
    name = "prefill %d" % tokens if kind == "prefill" else "decode"
    return name + (" at depth %s" % f"{depth:,}" if depth else ", empty context" if kind == "decode" else "")


def rows(measurement, with_settings):
    """Header and cells of one model's table. A peer's cell: its speed, and how many times as fast Kvasir is."""
    engines = [e["name"] for e in measurement["engines"]]
    cells = [["tok/s"] + [head for i, name in enumerate(engines) for head in ([name] if not i else [name, "Kvasir is"])]]
    for row in figures.table(measurement):
        line = [case_name(row["key"])]
        for i, name in enumerate(engines):
            figure = row["engines"].get(name)
            line.append(cell(figure, with_settings))
            if i: line.append("%.2f x" % figure["ratio"] if figure and figure["ratio"] else "-")
        cells.append(line)
    return cells + [attention_row(depth, times, engines) for depth, times in figures.attention(measurement)]


def attention_row(depth, times, engines):
    """A row in milliseconds; what noise has made negative is left out."""
    own = times.get(engines[0], 0)
    line = ["attention of a step at depth %s, ms" % f"{depth:,}"]
    for i, name in enumerate(engines):
        ms = times.get(name, 0)
        line.append(number(ms) if ms > 0 else "-")
        if i: line.append("%.2f x" % (ms / own) if ms > 0 and own > 0 else "-")
    return line


def cell(figure, with_settings):
    if not figure: return "-"
    return number(figure["median"]) + (" (%s to %s; %s)" % (number(figure["low"]), number(figure["high"]), setting_words(figure["setting"])) if with_settings else "")


def number(rate):
    return "%.0f" % rate if rate >= 100 else "%.1f" % rate if rate >= 10 else "%.2f" % rate


def plain(cells):
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return "\n".join("  ".join(c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths))) for line in cells)


def markdown(cells):
    bar = lambda line: "| " + " | ".join(line) + " |"
    return "\n".join([bar(cells[0]), "|---" + "|---:" * (len(cells[0]) - 1) + "|"] + [bar(line) for line in cells[1:]])


def summary(measurement):
    """One sentence on how the figures came about."""
    low, middle, high = (p / 1e9 for p in figures.probes(measurement))
    rounds = max(run["round"] for run in measurement["runs"])
    return "%s, %s, %s; memory read at %.1f GB/s beside the runs (%.1f to %.1f); %s." % (
        counted(measurement["threads"], "thread"), "median of %d rounds" % rounds if rounds > 1 else "one round", measurement["date"], middle, low, high,
        ", ".join(("%s %s" % (e["name"], e["version"])).strip() for e in measurement["engines"]))


def counted(number, noun):
    return "%d %s" % (number, noun if number == 1 else noun + "s")


def shares(measurement):
    """How near Kvasir's decode steps come to the memory floor, in one sentence; empty when it does not say."""
    own = measurement["engines"][0]["name"]
    said = []
    for row in figures.table(measurement):
        figure = row["engines"].get(own)
        share = figure and figures.floor_share(measurement, row["key"], figure["setting"])
        if share: said.append("%d %% at %s" % (round(100 * share), curve.short(row["key"][1])))
    return "Of the memory floor (bytes of a step at the measured bandwidth) Kvasir's decode reaches " + ", ".join(said) + "." if said else ""


def failures(measurement):
    """What an engine did not manage, in one sentence; empty when there is nothing."""
    missing = sorted({(f["engine"], setting_words(f["setting"]), f["depth"]) for f in measurement.get("failures", [])})
    return "Failed: " + "; ".join("%s, %s, at depth %d" % one for one in missing) + "." if missing else ""


def describe(machine):
    return "%s, %d logical CPUs, %.0f GB, %s" % (machine["cpu"], machine["logicalCpus"], machine["memoryBytes"] / 1e9, machine["system"])


def page(machine, measurements, name):
    """The whole file of one machine."""
    out = ["# " + machine["cpu"], "", describe(machine) + ".", "Speeds in tokens per second: median (lowest to highest round; the setting that was best).",
           "`Kvasir is` gives Kvasir's speed over the other's, each at its best setting, the median of the ratios within a round.", ""]
    if deepest(measurements): out += ["![Decode speed against context](%s.svg)" % name, ""]
    for m in measurements:
        out += ["## " + m["model"]["file"], "", summary(m)] + [s for s in (shares(m), failures(m)) if s] + ["", markdown(rows(m, True)), ""]
    return "\n".join(out + ["Every single run is in [%s.json](%s.json)." % (name, name), ""])


def deepest(measurements):
    """The measurement with the longest decode curve, or None when none has two points."""
    length = lambda m: max((len(line) for line in figures.curve(m).values()), default=0)
    best = max(measurements, key=length, default=None)
    return best if best and length(best) > 1 else None


def picture(machine, measurement):
    name = os.path.splitext(measurement["model"]["file"])[0]
    return curve.svg("Decode speed against context: " + name, "%s, %s; each engine at its best setting" % (machine["cpu"], counted(measurement["threads"], "thread")),
                     figures.curve(measurement))


def into_readme(text, machine, measurements, folder, name):
    """The README with the picture and the table of one model between the two marks."""
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise SystemExit("The README has no pair of marks %s and %s." % (BEGIN, END))
    chosen = deepest(measurements) or measurements[0]
    where = posixpath.normpath(posixpath.join(folder, name))
    lines = ["`%s` on %s." % (chosen["model"]["file"], describe(machine)), summary(chosen), ""]
    if deepest(measurements): lines += ["![Decode speed against context](%s.svg)" % where, ""]
    lines += [markdown(rows(chosen, False)), "", "Settings, spread and other weights: [%s.md](%s.md)." % (where, where), ""]
    return text[:text.index(BEGIN) + len(BEGIN)] + "\n" + "\n".join(lines) + text[text.index(END):]
