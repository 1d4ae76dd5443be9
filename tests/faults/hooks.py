#!/usr/bin/env python3
"""Kill the real binary at every storage call of a client's hooks, or make the call fail.

After each run a call is allowed only where that is on record, and once; nothing else is an allowance; a hook that failed is
told again and answered. `hooks.py [--binary PATH] [--faults kill,EIO,ENOSPC] [--each N]`; Python 3.11 and strace.
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
FAILING = {"kill": [*CHANGES, "openat", "fcntl", "flock"], "EIO": [*CHANGES, "pread64"], "ENOSPC": CHANGES}
STORE = ["phasegate.db", "phasegate.db-wal", "phasegate.db-shm", "phasegate.db-journal", "phasegate.db.queue"]
WORKFLOW = """\
version: 1
name: hooks
phases:
  work:
    allow: [Read, Bash]
    require_approval: ["Bash(go *)"]
    sandbox: { confine: off }
    next: [done]
  done: { end: true }
"""
LONGEST = 60


def call(name, number, **more):
    return {"hook_event_name": name, "tool_name": "Bash", "tool_input": {"command": "go now"}, "tool_use_id": f"toolu_{number}", **more}


# In order; each is told with a fault at each of its storage calls, then without one.
EVENTS = {
    "start": {"hook_event_name": "SessionStart", "source": "startup"},
    "approved": call("PreToolUse", 1),
    "refused": call("PreToolUse", 2),
    "ended": call("PostToolUse", 1, tool_response={"stdout": "x", "stderr": "", "interrupted": False}),
    "forgets": {"hook_event_name": "PreCompact", "trigger": "auto"},
    "stop": {"hook_event_name": "Stop", "stop_hook_active": False},
}
# How many records of a kind there are once an event has been told.
RECORDS = {"start": "SessionStarted", "approved": "ApprovalConsumed", "ended": "CallObserved", "forgets": "CheckpointSaved"}


class Place:
    """A work tree, and what is in its store."""

    def __init__(self, binary, folder):
        self.binary = binary
        self.folder = Path(folder)
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "USER": "lead"}

    def run(self, *words, before=(), told=""):
        done = subprocess.run([*before, self.binary, *words], cwd=self.folder, env=self.environment, input=told,
                              capture_output=True, text=True, timeout=LONGEST)
        return done.returncode, done.stdout, done.stderr

    def tell(self, event, before=()):
        told = json.dumps({"session_id": "s-1", "cwd": str(self.folder), **EVENTS[event]})
        code, out, error = self.run("hook", "claude-code", before=before, told=told)
        said = json.loads(out) if out.strip() else {}
        return code, said.get("hookSpecificOutput", {}).get("permissionDecision") if code == 0 else None, error

    def kinds(self):
        store = sqlite3.connect(self.folder / ".phasegate/phasegate.db")
        try:
            bodies = [json.loads(row[0])["event"] for row in store.execute("SELECT body FROM events ORDER BY seq")]
            whole = store.execute("PRAGMA integrity_check").fetchone()[0]
        finally:
            store.close()
        judged = [(body["call"], body["verdict"]) for body in bodies if body["type"] == "CallJudged"]
        return [body["type"] for body in bodies], judged, whole


def wrong(place, event, code, verdict):
    """What no fault may bring about."""
    kinds, judged, whole = place.kinds()
    found = [] if whole == "ok" else [whole]
    allowed = [one for one, verdict in judged if verdict == "allow"]
    if len(allowed) != len(set(allowed)) or kinds.count("ApprovalConsumed") != allowed.count("toolu_1") or "toolu_2" in allowed:
        found.append(f"judged {judged}, record {kinds}")
    if verdict == "allow" and "toolu_1" not in allowed:
        found.append("an allowance that is not on record")
    if EVENTS[event]["hook_event_name"] == "PreToolUse" and verdict is None and code not in (2, -9, 137):
        found.append(f"a call was let through with {code} and no word")
    if event == "stop" and code == 2:
        found.append("a turn was held up by a fault")
    if event in RECORDS and kinds.count(RECORDS[event]) > 1:
        found.append(f"twice on record: {kinds}")
    return found


def aftermath(place, event, code, verdict):
    """The same event told again is answered, as if nothing had been."""
    found = wrong(place, event, code, verdict)
    code, verdict, error = place.tell(event)
    wanted = {"approved": "allow", "refused": "deny"}.get(event)
    if code != 0 or verdict != wanted:
        found.append(f"told again: {code}, {verdict} {error}")
    kinds = place.kinds()[0]
    # A start is told twice where the first was on record.
    if event in RECORDS and event not in ("start", "forgets") and kinds.count(RECORDS[event]) != 1:
        found.append(f"told again, on record: {kinds}")
    return found


def hit(place, event, name, fault, number, trace):
    """Tells the event with a fault; None where there was no such call to hit."""
    how = "signal=KILL" if fault == "kill" else f"error={fault}"
    only = [word for file in STORE for word in ("-P", str(place.folder / ".phasegate" / file))]
    strace = ["strace", "-f", "-qq", "-o", str(trace), *only, "-e", f"trace={name}", "-e", f"inject={name}:{how}:when={number}"]
    code, verdict, _ = place.tell(event, before=strace)
    text = trace.read_text(errors="replace")
    return (code, verdict) if "(INJECTED)" in text or "killed by SIGKILL" in text else None


def prepared(place):
    """A task of the session, and a yes to one call of it."""
    (place.folder / "phasegate.yaml").write_text(WORKFLOW)
    place.run("workflow", "trust", "--yes")
    place.tell("start")
    store = sqlite3.connect(place.folder / ".phasegate/phasegate.db")
    agent = store.execute("SELECT agent FROM sessions").fetchone()[0]
    store.close()
    ask = json.dumps({"call": {"tool": "Bash", "arguments": {"command": "go now"}}})
    for words in [("call", "claim_task", '{"new":{"title":"one"}}', "--agent", agent),
                  ("call", "request_approval", ask, "--agent", agent), ("approvals", "approve", "A-1", "--yes")]:
        code, out, error = place.run(*words)
        if code != 0:
            sys.exit(f"{words}: {out}{error}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", type=Path, default=ROOT / "target/debug/phasegate")
    parser.add_argument("--faults", default="kill,EIO,ENOSPC")
    parser.add_argument("--each", type=int, default=4, help="most faults at one kind of call of one event")
    options = parser.parse_args()
    if shutil.which("strace") is None:
        sys.exit("strace is missing: apt-get install strace")
    if not options.binary.exists():
        sys.exit(f"{options.binary} is missing: cargo build")
    began, states, failures, survived = time.monotonic(), 0, 0, 0
    with tempfile.TemporaryDirectory(prefix="phasegate-hooks-") as folder:
        base, here, trace = Path(folder) / "base", Path(folder) / "here", Path(folder) / "trace"
        base.mkdir()
        place = Place(options.binary, base)
        prepared(place)
        for event in [name for name in EVENTS if name != "start"]:
            before = states
            for fault in options.faults.split(","):
                for name in FAILING[fault]:
                    for number in range(1, options.each + 1):
                        shutil.rmtree(here, ignore_errors=True)
                        shutil.copytree(base, here)
                        tried = Place(options.binary, here)
                        told = hit(tried, event, name, fault, number, trace)
                        if told is None:
                            break
                        states, survived = states + 1, survived + (told[0] == 0)
                        found = aftermath(tried, event, *told)
                        if found:
                            failures += 1
                            print(f"FAIL {fault} at {name} {number} of {event}: {found}", flush=True)
            print(f"{event}: {states - before}", flush=True)
            place.tell(event)
    print(f"{survived} of them were survived without an error; {time.monotonic() - began:.0f} s")
    print(f"{states} states, {failures} failures")
    sys.exit(1 if failures or not states else 0)


if __name__ == "__main__":
    main()
