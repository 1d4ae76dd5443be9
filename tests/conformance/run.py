"""Runs the official MCP conformance suites against `serve`: all that the revisions in use require, and what is older.

It needs `npm ci` of the package.json beside it in PHASEGATE_TOOLS/conformance. What a suite runs but does not score
(extensions, what is still pending) is shown and not counted. The last line is `N passed, M failed`.
"""

import os
import platform
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
REPOSITORY = HERE.parents[1]
MODULES = Path(os.environ.get("PHASEGATE_TOOLS", REPOSITORY / "target/tools")).resolve() / "conformance/node_modules"
NODE = MODULES / f"node-linux-{'arm64' if platform.machine() == 'aarch64' else 'x64'}/bin/node"
NEW = MODULES / "@modelcontextprotocol/conformance/dist/index.js"
OLD = MODULES / "conformance-0.1/dist/index.js"
RUNS = [
    ("requirements of 2025-11-25", NEW, ["--requirements", "2025-11-25"]),
    ("requirements of 2026-07-28", NEW, ["--requirements", "2026-07-28"]),
    ("the suite before, all of it", OLD, ["--suite", "all"]),
]
START, RUN = 600.0, 600.0
LINE = re.compile(r"^[✓✗] ([\w/-]+): (\d+) passed, (\d+) failed", re.M)
UNSCORED = re.compile(r"^\s+[✓✗] ([\w/-]+) \(", re.M)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def started(port, server):
    until = time.monotonic() + START
    while time.monotonic() < until:
        if server.poll() is not None:
            sys.exit(f"`serve` ended with {server.returncode} before it listened")
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.1)
    sys.exit("`serve` does not listen")


def counted(name, script, words, url):
    with tempfile.TemporaryDirectory() as folder:
        command = [NODE, script, "server", "--url", url, *words, "-o", folder]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=RUN)
    said = done.stdout + done.stderr
    unscored = set(UNSCORED.findall(said))
    good = bad = 0
    for scenario, passed, failed in LINE.findall(said):
        if scenario in unscored:
            continue
        good, bad = good + int(passed), bad + int(failed)
        if int(failed):
            print(f"  {scenario}: {failed} failed")
    if done.returncode and not bad:
        bad = 1
    if good + bad == 0:
        bad = 1
    if bad:
        print(said[-4000:])
    print(f"{name}: {good} of {good + bad} checks; not scored: {', '.join(sorted(unscored)) or 'none'}", flush=True)
    return good, bad


def main():
    port = free_port()
    server = subprocess.Popen([HERE / "serve", f"127.0.0.1:{port}"])
    try:
        started(port, server)
        results = [counted(*run, f"http://127.0.0.1:{port}/mcp") for run in RUNS]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
    good, bad = (sum(column) for column in zip(*results))
    print(f"{good} passed, {bad} failed")
    return 1 if bad else 0


sys.exit(main())
