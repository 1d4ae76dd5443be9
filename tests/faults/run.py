"""Runs the fault tests of this folder, each as one test. The last line is `N passed, M failed`."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", HERE.parents[1] / "target")).resolve()
WORKER = ("--worker", str(TARGET / "debug/examples/worker"))
BINARY = ("--binary", str(TARGET / "debug/phasegate"))
RUNS = [
    ("kill_points.py", "--limit", "400"),
    ("kill_points.py", "--mode", "seed", "--limit", "200"),
    ("approved_acts.py",),
    ("hooks.py",),
    ("power_cut.py", "--run", "work", "--states", "1500"),
    ("power_cut.py", "--run", "seed", "--states", "300"),
]
# A run without syncs loses what it acknowledged; a check that does not see that sees nothing.
GUILTY = ("power_cut.py", "--run", "unsynced", "--states", "200")
LONGEST = 600


def ended_well(program, *options, guilty=False):
    subject = BINARY if program in ("approved_acts.py", "hooks.py") else WORKER
    command = [sys.executable, str(HERE / program), *subject, *options]
    out = subprocess.PIPE if guilty else None
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=out, text=True, timeout=LONGEST)
    except subprocess.TimeoutExpired:
        print(f"it took more than {LONGEST} s")
        return False
    if not guilty:
        return done.returncode == 0
    lines = done.stdout.splitlines() or [""]
    print(f"found guilty, as it must be: {lines[-1]}")
    return done.returncode == 1 and re.fullmatch(r"\d+ states, [1-9]\d* failures", lines[-1]) is not None


def main():
    passed = failed = 0
    for run in [*RUNS, GUILTY]:
        begun = time.monotonic()
        good = ended_well(*run, guilty=run is GUILTY)
        passed, failed = passed + good, failed + (not good)
        print(f"{'ok' if good else 'FAILED':<6} {time.monotonic() - begun:6.1f} s  {' '.join(run)}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
