"""Property tests of the REST surface: schemathesis holds a real server, on a workspace with work in it, to /api/openapi.json.

    run.py [--seed N|new] [--seconds N] [ROLE...]

One run a role, each with a token of its own. The seed is always the same unless another is asked for, so that a run says
something of the change before it; `--seed new --seconds 600` looks for more. The last line is `N passed, M failed`; what
counts is a request whose answer held, and a way in which an operation did not.
"""

import argparse
import http.client
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BINARY = Path(os.environ.get("PHASEGATE_BINARY", ROOT / "target/debug/phasegate")).resolve()
TOOLS = Path(os.environ.get("PHASEGATE_TOOLS", ROOT / "target/tools")).resolve()
ROLES = ["agent", "operator", "auditor", "approver"]
# A stream never ends, and its own tests read it (tests/it/http_rest_events.rs).
LEFT_OUT = ["events"]
EXAMPLES = 25
SEED = 20260728


def phasegate(folder, *words):
    done = subprocess.run([BINARY, *words], cwd=folder, env=clean(folder), capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise SystemExit(f"phasegate {' '.join(words)} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def clean(folder):
    return {"PATH": os.environ["PATH"], "HOME": str(folder), "PHASEGATE_LOG": "error"}


class Server:
    """The real binary over a workspace of its own."""

    def __init__(self):
        self.folder = tempfile.TemporaryDirectory(prefix="phasegate-rest-")
        place = Path(self.folder.name)
        self.tokens = {
            role: json.loads(phasegate(place, "token", "create", "--role", role, "--name", f"{role}-1", "--json"))["token"]
            for role in ROLES
        }
        log = place / "server.log"
        env = {**clean(place), "PHASEGATE_LOG": "warn"}
        command = [BINARY, "serve", "--http", "127.0.0.1:0"]
        with open(log, "w") as to:
            self.process = subprocess.Popen(command, cwd=place, env=env, stdin=subprocess.DEVNULL, stdout=to, stderr=to)
        self.log = log
        try:
            self.port = self.listening()
            self.work()
        except BaseException:
            print(self.end()[-3000:], end="")
            raise

    def listening(self):
        until = time.monotonic() + 30
        while time.monotonic() < until:
            found = re.search(r"127\.0\.0\.1:(\d+)", self.log.read_text())
            if found:
                return int(found[1])
            time.sleep(0.05)
        raise SystemExit(f"the server does not say where it listens: {self.log.read_text()}")

    def call(self, role, tool, body):
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/api/v1/tools/{tool}",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.tokens[role]}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    def work(self):
        """Some of everything, so that reads have something to answer with."""
        self.call("operator", "submit_task", {"title": "Waits", "workflow": "feature", "labels": ["api"]})
        self.call("agent", "claim_task", {"new": {"title": "Goes on", "workflow": "quick"}})
        self.call("agent", "update_task", {"progress": "half of it"})
        self.call("agent", "request_approval", {"question": "Shall I go on?", "choices": ["yes", "no"]})

    def end(self):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        log = self.log.read_text()
        self.folder.cleanup()
        return log


def run(server, role, seed, seconds):
    report = Path(server.folder.name) / f"{role}.json"
    command = [
        TOOLS / "rest/bin/schemathesis", "--config-file", str(HERE / "schemathesis.toml"), "run", f"http://127.0.0.1:{server.port}/api/openapi.json",
        "--header", f"Authorization: Bearer {server.tokens[role]}",
        "--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES),
        "--seed", str(seed), "--max-time", str(seconds), "--continue-on-failure", "--request-timeout", "20",
        "--suppress-health-check", "all", "--warnings", "off", "--no-shrink",
        "--report", "json", "--report-json-path", str(report),
    ]
    for name in LEFT_OUT:
        command += ["--exclude-operation-id", name]
    env = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(HERE)}
    done = subprocess.run(command, cwd=server.folder.name, env=env, capture_output=True, text=True, timeout=seconds * 4 + 120)
    told = json.loads(report.read_text()) if report.exists() else {}
    wrong = [
        f"{found['title']}: {operation}" for found in told.get("failures", []) for operation in found["operations"]
    ] + [f"error: {error}" for error in told.get("errors", [])]
    if done.returncode != 0 or not told.get("complete"):
        print(done.stdout[-8000:], done.stderr[-2000:], end="")
        wrong = wrong or [f"schemathesis ended with {done.returncode}"]
    operations = told.get("operations", {})
    if operations.get("tested") != operations.get("selected") or not operations.get("tested"):
        wrong.append(f"not every operation was tested: {operations}")
    good = told.get("test_cases", {}).get("generated", 0) - told.get("test_cases", {}).get("with_failures", 0)
    print(f"{role}: {operations.get('tested')} operations, {good} cases hold, {len(wrong)} do not", flush=True)
    for line in wrong:
        print(f"  {line}", flush=True)
    return good, len(wrong)


def without_credentials(server):
    """Every operation wants a credential that counts. Each try comes from an address of its own, since guessers are slowed."""
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/api/openapi.json", timeout=30) as answer:
        document = json.load(answer)
    good, wrong, place = 0, [], 2
    for path, verbs in document["paths"].items():
        for verb in verbs:
            for headers in [{}, {"Authorization": "Bearer pgt_" + "0" * 64}]:
                place += 1
                source = (f"127.0.{place // 250 + 1}.{place % 250 + 1}", 0)
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30, source_address=source)
                connection.request(verb.upper(), re.sub(r"[{].*?[}]", "1", path), "{}" if verb == "post" else None,
                                   {**headers, "Content-Type": "application/json"})
                status = connection.getresponse().status
                connection.close()
                if status == 401:
                    good += 1
                else:
                    wrong.append(f"{verb.upper()} {path} answers {status} to {headers or 'no credential'}")
    print(f"without credentials: {good} are turned away, {len(wrong)} are not", flush=True)
    for line in wrong:
        print(f"  {line}", flush=True)
    return good, len(wrong)


def main():
    options = argparse.ArgumentParser()
    options.add_argument("--seed", type=lambda text: random.SystemRandom().randrange(1 << 32) if text == "new" else int(text), default=SEED)
    options.add_argument("--seconds", type=int, default=15, help="for each role, at most")
    options.add_argument("roles", nargs="*", default=ROLES)
    options = options.parse_args()
    print(f"seed {options.seed}", flush=True)
    passed = failed = 0
    server = Server()
    try:
        runs = [lambda role=role: run(server, role, options.seed, options.seconds) for role in options.roles]
        for each in [lambda: without_credentials(server), *runs]:
            good, wrong = each()
            passed, failed = passed + good, failed + wrong
    finally:
        log = server.end()
    # A fault of ours is an error in the log, whatever was answered.
    faults = [line for line in log.splitlines() if " ERROR " in line or "panicked" in line]
    for line in faults[:20]:
        print(f"  {line}")
    failed += len(faults)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
