#!/usr/bin/env python3
"""Cut the power at every moment of a recorded run and open what the disk may hold.

strace records every write, sync, rename and removal of the worker. A state is a moment, and a choice for everything that no
sync had made durable by then: kept, dropped, or torn at sectors, each by itself, so that later ones may be there without
earlier ones. Names are durable only once their folder was synced. Each state must open, be whole, agree with its record,
and hold what had been acknowledged. `power_cut.py [--states N] [--seed N] [--run work|seed|unsynced]`; Python 3.11, strace.
"""

import argparse
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SECTOR = 512
CALLS = "openat,creat,mkdir,mkdirat,pwrite64,write,ftruncate,fallocate,fsync,fdatasync,sync_file_range,unlink,unlinkat,rename,renameat,renameat2,link,linkat"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worker", type=Path, default=ROOT / "target/debug/examples/worker")
    parser.add_argument("--states", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=30, help="tasks the recorded run works through")
    parser.add_argument("--run", default="work", choices=["work", "seed", "unsynced"],
                        help="seed: the making of a store; unsynced: a run that must be found guilty")
    return parser.parse_args()


def text(escaped):
    """What strace -xx wrote, as bytes."""
    return bytes.fromhex(escaped.replace("\\x", ""))


LINE = re.compile(r"^(\d+) +(.*)$")
FD = r"(\d+)<((?:\\x..)*)>"
STRING = r'"((?:\\x..)*)"(\.\.\.)?'


def whole_lines(trace):
    """Calls in the order of their ends; a call that others interrupted is put together again."""
    begun = {}
    for line in trace.read_text().splitlines():
        pid, rest = LINE.match(line).groups()
        if rest.endswith("<unfinished ...>"):
            begun[pid] = rest.removesuffix("<unfinished ...>").rstrip()
            continue
        if resumed := re.match(r"<\.\.\. \w+ resumed>(.*)$", rest):
            rest = begun.pop(pid) + resumed[1]
        if not rest.startswith(("+++", "---")):
            yield rest


class Recorder:
    """From lines of strace to operations on paths below the folder."""

    def __init__(self, folder):
        self.folder = str(folder)
        self.ops = []
        self.known = {str(path) for path in Path(folder).rglob("*")}

    def below(self, path):
        return path.startswith(self.folder) and not path.endswith("-shm")

    def add(self, *op):
        if self.below(op[1]):
            self.ops.append(op)

    def line(self, line):
        name, rest = line.split("(", 1)
        if not re.search(r"\) += \d+", rest):
            return
        if name in ("openat", "creat", "mkdir", "mkdirat"):
            path = text(re.search(STRING, rest)[1]).decode()
            if name.startswith("mkdir"):
                self.made("mkdir", path)
            elif "O_CREAT" in rest or name == "creat":
                self.made("create", path)
            if "O_TRUNC" in rest:
                self.add("truncate", path, 0)
        elif name in ("unlink", "unlinkat"):
            path = text(re.search(STRING, rest)[1]).decode()
            self.known.discard(path)
            self.add("unlink", path)
        elif name.startswith(("rename", "link", "fallocate", "sync_file_range")):
            if self.folder.encode().hex() in rest.replace("\\x", ""):
                sys.exit(f"{name} is not modelled: {line[:200]}")
        else:
            self.on_descriptor(name, rest)

    def made(self, kind, path):
        if path not in self.known:
            self.known.add(path)
            self.add(kind, path)

    def on_descriptor(self, name, rest):
        number, path = re.match(FD, rest).groups()
        path = text(path).decode()
        done = int(re.search(r"\) += (\d+)", rest)[1])
        if name == "pwrite64":
            data, cut, _, offset = re.search(STRING + r", (\d+), (\d+)\) +=", rest).groups()
            if cut:
                sys.exit("strace cut a write short; raise -s")
            self.add("write", path, int(offset), text(data)[:done])
        elif name == "write":
            data = text(re.search(STRING, rest)[1])[:done]
            if number == "1":
                self.ops.append(("ack", "", data))
            elif self.below(path) and self.ends_of(path) is not None:
                self.add("write", path, self.ends_of(path), data)
        elif name == "ftruncate":
            self.add("truncate", path, int(re.search(r", (\d+)\)", rest)[1]))
        else:
            self.add("sync", path)

    def ends_of(self, path):
        """Plain writes append: only small files written once are written so."""
        size = 0
        for op in self.ops:
            if op[1] == path and op[0] == "write":
                size = max(size, op[2] + len(op[3]))
        return size


def record(options, folder):
    here = folder / "recorded"
    here.mkdir()
    worker = str(options.worker)
    if options.run != "seed":
        subprocess.run([worker, "seed", here, str(options.count + 5)], check=True, capture_output=True)
    start = {str(path): path.read_bytes() for path in here.rglob("*") if path.is_file()}
    command = {
        "work": [worker, "work", here, "ana", str(options.count)],
        "seed": [worker, "seed", here, str(options.count)],
        "unsynced": [worker, "unsynced", here, str(options.count)],
    }[options.run]
    trace = folder / "trace"
    strace = ["strace", "-f", "-y", "-xx", "-s", "2000000", "-qq", "-o", trace, "-e", f"trace={CALLS}"]
    subprocess.run(strace + command, check=True, capture_output=True)
    recorder = Recorder(here)
    recorder.known = set(start) | {str(path) for path in [here, *(here.rglob("*") if options.run != "seed" else [])]}
    for line in whole_lines(trace):
        recorder.line(line)
    return here, start, recorder.ops


class Disk:
    """What is durable, and what may be."""

    def __init__(self, start):
        self.files = {path: bytearray(content) for path, content in start.items()}
        self.folders = set()
        self.pending = []

    def sync(self, path):
        rest = []
        for op in self.pending:
            # A file's sync keeps its content; names are kept by the sync of the folder they stand in.
            name = op[0] in ("create", "mkdir", "unlink")
            mine = str(Path(op[1]).parent) == path if name else op[1] == path
            if mine:
                self.apply(op)
            else:
                rest.append(op)
        self.pending = rest

    def apply(self, op, keep=None):
        kind, path = op[0], op[1]
        if kind == "mkdir":
            self.folders.add(path)
        elif kind == "create":
            self.files.setdefault(path, bytearray())
        elif kind == "unlink":
            self.files.pop(path, None)
        elif kind == "truncate":
            content = self.files.setdefault(path, bytearray())
            del content[op[2]:]
            content.extend(b"\0" * (op[2] - len(content)))
        else:
            for offset, data in keep(op) if keep else [(op[2], op[3])]:
                content = self.files.setdefault(path, bytearray())
                content.extend(b"\0" * (offset + len(data) - len(content)))
                content[offset:offset + len(data)] = data


def torn(chance):
    def keep(op):
        offset, data = op[2], op[3]
        return [(offset + at, data[at:at + SECTOR]) for at in range(0, len(data), SECTOR) if chance.random() < 0.5]
    return keep


def state(start, ops, moment, chance):
    """A disk after a cut at this moment, the acknowledgements before it, and whether names were lost."""
    disk, acks = Disk(start), []
    for op in ops[:moment]:
        if op[0] == "ack":
            acks.append(op[2])
        elif op[0] == "sync":
            disk.sync(op[1])
        else:
            disk.pending.append(op)
    # Sometimes nothing more arrived, sometimes nearly all, mostly anything between.
    dropped = chance.choice([1.0, 0.5, 0.5, 0.2, 0.05])
    gone = set()
    for op in disk.pending:
        if chance.random() < dropped:
            gone.update([op[1]] if op[0] in ("create", "mkdir") else [])
        elif op[0] == "write" and chance.random() < 0.3:
            disk.apply(op, torn(chance))
        else:
            disk.apply(op)
    for path in list(disk.files):
        if path in gone or any(str(parent) in gone for parent in Path(path).parents):
            del disk.files[path]
    return disk, b"".join(acks)


class Checker:
    """One worker process that checks folder after folder."""

    def __init__(self, worker):
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([worker, "check", "-"], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)

    def check(self, folder, acks):
        self.process.stdin.write(f"{folder}\t{acks}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        return answer or "FAIL the checker died"


def main():
    options = arguments()
    if shutil.which("strace") is None:
        sys.exit("strace is missing: apt-get install strace")
    if not options.worker.exists():
        sys.exit(f"{options.worker} is missing: cargo build --example worker")
    chance, began, failures = random.Random(options.seed), time.monotonic(), 0
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="phasegate-cut-", dir=memory) as folder:
        folder = Path(folder).resolve()
        here, start, ops = record(options, folder)
        syncs, acked = (sum(op[0] == kind for op in ops) for kind in ("sync", "ack"))
        print(f"recorded {len(ops)} operations, {syncs} syncs, {acked} acknowledgements")
        checker, crashed, acks_file = Checker(options.worker), folder / "crashed", folder / "acks"
        for number in range(options.states):
            moment = chance.randrange(1, len(ops) + 1)
            disk, acks = state(start, ops, moment, chance)
            shutil.rmtree(crashed, ignore_errors=True)
            crashed.mkdir()
            for path, content in disk.files.items():
                place = crashed / Path(path).relative_to(here)
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(content)
            acks_file.write_bytes(acks)
            answer = checker.check(crashed, acks_file)
            if answer != "ok":
                failures += 1
                if failures <= 5:
                    print(f"state {number} (moment {moment} of {len(ops)}, seed {options.seed}): {answer[:500]}", flush=True)
                if answer.endswith("died"):
                    checker = Checker(options.worker)
        print(f"{options.run}: {time.monotonic() - began:.0f} s")
        print(f"{options.states} states, {failures} failures")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
