#!/usr/bin/env python3
"""Kill the worker at every storage system call, or make the call fail, and look what is left.

After each run the store must be whole, state and record must agree, and everything acknowledged must be there.
`kill_points.py [--worker PATH] [--limit N] [--faults kill,EIO,ENOSPC] [--tasks N]`; Python 3.11 and strace.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
# What changes a disk or decides who may; reading is in neither list.
CHANGES = ["pwrite64", "write", "fsync", "fdatasync", "ftruncate", "unlink", "fallocate"]
DECIDES = ["openat", "fcntl", "flock", "mmap", "fstat"]
FAILING = {"kill": CHANGES + DECIDES, "EIO": CHANGES + ["openat", "pread64"], "ENOSPC": CHANGES}
LONGEST = 60


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", type=Path, default=ROOT / "target/debug/examples/worker")
    parser.add_argument("--limit", type=int, default=400, help="most faults to inject in all")
    parser.add_argument("--faults", default="kill,EIO,ENOSPC")
    parser.add_argument("--tasks", type=int, default=3, help="tasks that each run tries to complete")
    parser.add_argument("--mode", default="work", choices=["work", "seed"], help="seed: from nothing, the making of the store")
    return parser.parse_args()


def require(worker):
    if shutil.which("strace") is None:
        sys.exit("strace is missing: apt-get install strace")
    if not worker.exists():
        sys.exit(f"{worker} is missing: cargo build --example worker")


class Sweep:
    def __init__(self, options, folder):
        self.options = options
        self.folder = Path(folder)
        self.base = self.folder / "base"
        self.here = self.folder / "here"
        self.acks = self.folder / "acks"
        self.trace = self.folder / "trace"
        self.states = 0
        self.failures = 0
        self.unharmed = 0
        self.base.mkdir()
        if options.mode == "work":
            subprocess.run([options.worker, "seed", self.base, "8"], check=True, capture_output=True)

    def command(self):
        if self.options.mode == "seed":
            return [self.options.worker, "seed", self.here, "8"]
        return [self.options.worker, "work", self.here, "ana", str(self.options.tasks)]

    def run(self, call, fault, number):
        """True while there was a call to hit."""
        shutil.rmtree(self.here, ignore_errors=True)
        shutil.copytree(self.base, self.here)
        how = "signal=KILL" if fault == "kill" else f"error={fault}"
        strace = ["strace", "-f", "-qq", "-o", self.trace, "-e", f"trace={call}", "-e", f"inject={call}:{how}:when={number}"]
        try:
            ran = subprocess.run(strace + self.command(), capture_output=True, timeout=LONGEST)
            acks, code = ran.stdout, ran.returncode
        except subprocess.TimeoutExpired as late:
            acks, code = late.stdout or b"", "no end"
        hit = code != 0 if fault == "kill" else b"(INJECTED)" in self.trace.read_bytes()
        if not hit:
            return False
        self.states += 1
        self.unharmed += code == 0
        self.acks.write_bytes(acks)
        found = self.findings(code)
        if found:
            self.failures += 1
            print(f"FAIL {fault} at {call} {number} (exit {code}): {found}", flush=True)
        return True

    def findings(self, code):
        if code == "no end":
            return f"it neither ended nor failed within {LONGEST} s"
        looked = subprocess.run([self.options.worker, "check", self.here, self.acks], capture_output=True, text=True)
        if looked.returncode != 0:
            return (looked.stdout + looked.stderr).strip()[:600]
        # Whoever comes next can work.
        again = subprocess.run([self.options.worker, "work", self.here, "bo", "1"], capture_output=True, text=True)
        if again.returncode != 0:
            return "nobody can work after it: " + again.stderr.strip()[:600]
        return ""


def main():
    options = arguments()
    require(options.worker)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="phasegate-kill-") as folder:
        sweep = Sweep(options, folder)
        for fault in options.faults.split(","):
            for call in FAILING[fault]:
                before, number = sweep.states, 1
                while sweep.states < options.limit and sweep.run(call, fault, number):
                    number += 1
                print(f"{fault} {call}: {sweep.states - before}", flush=True)
        seconds = time.monotonic() - began
        print(f"{sweep.unharmed} of them were survived without an error; {seconds:.0f} s")
        print(f"{sweep.states} states, {sweep.failures} failures")
        sys.exit(1 if sweep.failures or not sweep.states else 0)


if __name__ == "__main__":
    os.environ.setdefault("RUST_BACKTRACE", "0")
    main()
