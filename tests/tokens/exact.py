"""`phasegate context reduce --exact`, built with the feature `exact-tokens`: its counts are those in counts.tsv, and what it
leaves of a text is within the budget by them. The last line is `N passed, M failed`.

    exact.py PHASEGATE
"""

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def reduced(binary, asked):
    lines = "".join(json.dumps(line) + "\n" for line in asked)
    command = [binary, "context", "reduce", "--exact", "--jsonl"]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, timeout=120, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def main(binary):
    counts = dict(reversed(line.split("\t")) for line in (HERE / "counts.tsv").read_text().splitlines())
    asked = [
        {"id": name, "query": "what is refused and why", "context": (HERE / name).read_text(), "keep": keep}
        for name in counts for keep in (0.1, 0.5, 1.0)
    ]
    answers = reduced(binary, asked)
    # What was left is counted by asking for all of it.
    again = reduced(binary, [{**asked, "context": answer["context"], "keep": 1.0} for asked, answer in zip(asked, answers)])
    bad = 0
    for line, answer, left in zip(asked, answers, again):
        before, after = answer["tokens_before"], answer["tokens_after"]
        if before != int(counts[line["id"]]) or after > before * line["keep"] or after != left["tokens_before"]:
            print(f"FAILED {line['id']}, {line['keep']} kept: {before} counted, {after} left, {left['tokens_before']} counted of it")
            bad += 1
    print(f"{len(asked) - bad} passed, {bad} failed")
    return 1 if bad or not asked else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
