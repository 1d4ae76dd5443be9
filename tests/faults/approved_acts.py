#!/usr/bin/env python3
"""Kill the real binary at every storage call of asking, answering and carrying out an approved act, or make the call fail.

After each run no approval is used twice and none is lost: it is used up exactly where its act was started, what was not
started can still be carried out, what was started never is again. `approved_acts.py [--binary PATH] [--faults kill,EIO]`;
Python 3.11 and strace. Time is the machine's, so what has run out is not looked at here: `cargo test --test it point_6`.
"""

import argparse
import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHANGES = ["pwrite64", "write", "fsync", "fdatasync", "ftruncate", "unlink"]
FAILING = {"kill": [*CHANGES, "openat", "fcntl", "flock"], "EIO": [*CHANGES, "pread64"]}
STORE = ["phasegate.db", "phasegate.db-wal", "phasegate.db-shm", "phasegate.db-journal", "phasegate.db.queue"]
CALL = json.dumps({"call": {"tool": "Bash", "arguments": {"command": "echo x >> lines"}}})
STEPS = {
    "request": ["call", "request_approval", CALL, "--agent", "ana"],
    "approve": ["approvals", "approve", "A-1", "--yes"],
    "exec": ["exec", "A-1", "--agent", "ana"],
}
LONGEST = 60


class Place:
    """A work tree, and what is in its store."""

    def __init__(self, binary, folder):
        self.binary = binary
        self.folder = Path(folder)
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "USER": "lead"}

    def run(self, *words, before=()):
        command = [*before, self.binary, *words]
        done = subprocess.run(command, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=LONGEST)
        return done.returncode, done.stdout + done.stderr

    def lines(self):
        file = self.folder / "lines"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def looked(self):
        """State of A-1, calls, and what the record says of both, in order."""
        store = sqlite3.connect(self.folder / ".phasegate/phasegate.db")
        try:
            state = store.execute("SELECT state FROM approvals WHERE id = 1").fetchone()
            calls = store.execute("SELECT count(*) FROM calls").fetchone()[0]
            bodies = [json.loads(row[0]) for row in store.execute("SELECT body FROM events ORDER BY seq")]
            whole = store.execute("PRAGMA integrity_check").fetchone()[0]
        finally:
            store.close()
        kinds = [body["event"]["type"] for body in bodies]
        return state and state[0], calls, kinds, whole


def wrong(place):
    """What no fault may bring about."""
    state, calls, kinds, whole = place.looked()
    count = kinds.count
    found = [] if whole == "ok" else [whole]
    if not (count("ApprovalConsumed") == count("CallStarted") == calls == (state == "consumed")):
        found.append(f"A-1 is {state}, calls {calls}, record {kinds}")
    pairs = zip(kinds, kinds[1:] + [None])
    found += [f"use and start are apart: {kinds}" for one, two in pairs if (one == "ApprovalConsumed") != (two == "CallStarted")]
    answered = state in ("approved", "consumed")
    if count("ApprovalRequested") != (state is not None) or count("ApprovalApproved") != answered:
        found.append(f"A-1 is {state}, record {kinds}")
    if place.lines() > calls:
        found.append(f"{place.lines()} lines by {calls} calls")
    return found


def aftermath(place, step, acknowledged):
    """Everybody goes on: what is left to do can be done, once."""
    found = wrong(place)
    state = place.looked()[0]
    reached = {"request": [None, "pending"], "approve": ["pending", "approved"], "exec": ["approved", "consumed"]}[step]
    if state not in reached or (acknowledged and state != reached[1]):
        found.append(f"after {step} (acknowledged: {acknowledged}) A-1 is {state}")
    if state is None:
        place.run(*STEPS["request"])
    if state in (None, "pending"):
        again = place.run(*STEPS["request"])
        if "A-1" not in again[1] or "pending" not in again[1]:
            found.append(f"the question is lost: {again}")
        place.run(*STEPS["approve"])
    lines = place.lines()
    code, said = place.run(*STEPS["exec"])
    if state == "consumed":
        if code != 1 or place.lines() != lines:
            found.append(f"it was carried out again: {code} {said}")
    elif code != 0 or place.lines() != 1:
        found.append(f"it cannot be carried out: {code}, {place.lines()} lines, {said}")
    before = place.lines()
    if place.run(*STEPS["exec"])[0] != 1 or place.lines() != before:
        found.append("it ran twice")
    return found + wrong(place)


def hit(place, step, call, fault, number, trace):
    """Runs the step with a fault; None where there was no such call to hit, else whether it said that all was well."""
    how = "signal=KILL" if fault == "kill" else f"error={fault}"
    only = [word for name in STORE for word in ("-P", str(place.folder / ".phasegate" / name))]
    strace = ["strace", "-f", "-qq", "-o", str(trace), *only, "-e", f"trace={call}", "-e", f"inject={call}:{how}:when={number}"]
    code, _ = place.run(*STEPS[step], before=strace)
    text = trace.read_text(errors="replace")
    if "(INJECTED)" in text or "killed by SIGKILL" in text:
        return code == 0
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/debug/phasegate")
    parser.add_argument("--faults", default="kill,EIO")
    parser.add_argument("--each", type=int, default=12, help="most faults at one kind of call of one step")
    options = parser.parse_args()
    if shutil.which("strace") is None:
        sys.exit("strace is missing: apt-get install strace")
    if not options.binary.exists():
        sys.exit(f"{options.binary} is missing: cargo build")
    began, states, failures, survived = time.monotonic(), 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="phasegate-acts-") as folder:
        base, here, trace = Path(folder) / "base", Path(folder) / "here", Path(folder) / "trace"
        base.mkdir()
        place = Place(options.binary, base)
        code, said = place.run("call", "claim_task", '{"new":{"title":"one","workflow":"quick"}}', "--agent", "ana")
        if code != 0:
            sys.exit(said)
        for step, words in STEPS.items():
            before = states
            for fault in options.faults.split(","):
                for call in FAILING[fault]:
                    for number in range(1, options.each + 1):
                        shutil.rmtree(here, ignore_errors=True)
                        shutil.copytree(base, here)
                        tried = Place(options.binary, here)
                        well = hit(tried, step, call, fault, number, trace)
                        if well is None:
                            break
                        states, survived = states + 1, survived + well
                        found = aftermath(tried, step, well)
                        if found:
                            failures += 1
                            print(f"FAIL {fault} at {call} {number} of {step}: {found}", flush=True)
            print(f"{step}: {states - before}", flush=True)
            code, said = place.run(*words)
            if code != 0:
                sys.exit(f"{step} without a fault: {said}")
    print(f"{survived} of them were survived without an error; {time.monotonic() - began:.0f} s")
    print(f"{states} states, {failures} failures")
    sys.exit(1 if failures or not states else 0)


if __name__ == "__main__":
    main()
