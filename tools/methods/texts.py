#!/usr/bin/env python3
"""Prompts of the bundled model's five tasks, to calibrate by: texts.py COUNT WORDS [SEED] > prompts.jsonl

A prompt a line, task by task, each with a question at its end. They are drawn as for training and are none of those that an evaluation asks.
"""

import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "train-needle"))
import tasks
from words import names

count, words, seed = int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 1
draw, known = random.Random(seed), names(400)
for number in range(count):
    task = list(tasks.TASKS.values())[number % len(tasks.TASKS)]
    text, asked = task(draw, known, words)
    print(json.dumps({"prompt": " " + " ".join(text + asked[0][0])}))
