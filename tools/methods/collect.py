#!/usr/bin/env python3
"""What quality.sh wrote, as one file without the samples: collect.py FOLDER... > bench/results/methods/quality.json

Every run keeps its settings, the command and the machine among them; of each point what docs/methods.md shows. Points keep six digits: time is as it
came, on a machine that did other things beside, and is left out. What a policy was calibrated by is a file of the folder, and its path too.
"""

import json
import re
import sys
from pathlib import Path


def name(policy):
    return re.sub(r"\b(file|min-context)=[^,]*(,|$)", "", policy).rstrip(",:")


def command(settings, policies):
    """As it was typed, with its policies: the report has them beside it."""
    chosen = f"{settings['command']} --attention {','.join(dict.fromkeys(policies))}"
    return chosen if "--min-context" in chosen else f"{chosen} --min-context 0"


def point(found):
    difference = found.get("difference") or {}
    kept = {
        "context": found["context"],
        "protocol": found["protocol"],
        "policy": name(found["policy"]),
        "samples": found["sampleCount"],
        "score": found["score"],
        "low": difference.get("low"),
        "high": difference.get("high"),
        "difference": difference.get("mean"),
        "keysRead": found["keysRead"],
        "bytesPerToken": found["bytesPerToken"],
    }
    return {key: round(value, 6) if isinstance(value, float) else value for key, value in kept.items() if value is not None}


runs = []
for folder in sys.argv[1:]:
    for path in sorted(Path(folder).glob("quality-*.json")):
        report = json.loads(path.read_text())
        settings = {key: report["settings"].get(key) for key in ("model", "shape", "machine", "version", "seed", "kv", "command")}
        policies = [found["policy"].replace(folder.rstrip("/"), "FOLDER") for found in report["overall"]]
        settings["command"] = command(settings, [re.sub(r"(,|:)min-context=0$|min-context=0,", "", policy) for policy in policies])
        runs.append({"name": path.stem.removeprefix("quality-"), "settings": settings, "points": [point(found) for found in report["overall"]]})

print('{"made": "tools/methods/quality.sh, then tools/methods/collect.py", "runs": [')
for number, run in enumerate(runs):
    head = json.dumps({"name": run["name"], "settings": run["settings"]})[:-1]
    print(f'{head}, "points": [')
    print(",\n".join(json.dumps(found) for found in run["points"]))
    print("]}" + ("," if number + 1 < len(runs) else ""))
print("]}")
