"""Renders templates and small cases with Jinja2 and writes what came out, for the tests to compare with.

    python3 generate.py ../../test/Kvasir.Test/Fixtures/Templates
"""

import gzip
import json
import pathlib
import random
import sys

from cases import CASES, VARIABLES
from conversations import conversation
from reference import CLOCK, environment, outcome

SEED = 20240305
CONVERSATIONS_PER_TEMPLATE = 60


def write(path, document):
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    with open(path, "wb") as file, gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=file, mtime=0) as packed:
        packed.write(text.encode("utf-8", "surrogatepass"))


def renderings(env, folder):
    templates, cases = {}, []
    for path in sorted(folder.glob("*.jinja")):
        # Of its own: what one template is rendered with does not depend on which others there are.
        rng = random.Random(f"{SEED} {path.stem}")
        templates[path.stem] = path.read_text("utf-8")
        for _ in range(CONVERSATIONS_PER_TEMPLATE):
            messages, variables = conversation(rng)
            result = outcome(env, templates[path.stem], {"messages": messages, **variables})
            cases.append({"template": path.stem, "messages": messages, "variables": variables, **result})
    return {"seed": SEED, "clock": CLOCK.isoformat(), "templates": templates, "cases": cases}


def main():
    here = pathlib.Path(__file__).parent
    target = pathlib.Path(sys.argv[1])
    env = environment()
    document = renderings(env, here / "templates")
    write(target / "renderings.json.gz", document)
    small = [{"source": source, **outcome(env, source, VARIABLES)} for source in CASES]
    write(target / "cases.json.gz", {"variables": VARIABLES, "cases": small})
    for name, cases in (("renderings", document["cases"]), ("cases", small)):
        print(name, len(cases), "of them errors", sum("error" in case for case in cases))


main()
