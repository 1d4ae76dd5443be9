"""What the client tests share: a workspace in a temporary folder, the real binary in it, and a server on raw pipes."""

import itertools
import json
import os
import queue
import subprocess
import tempfile
import threading
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
BINARY = Path(os.environ.get("PHASEGATE_BINARY", REPOSITORY / "target/debug/phasegate")).resolve()
TOOLS = Path(os.environ.get("PHASEGATE_TOOLS", REPOSITORY / "target/tools")).resolve()

TOOL_NAMES = {
    "claim_task", "transition_phase", "request_approval", "route_model", "query_audit",
    "submit_task", "list_tasks", "update_task", "submit_artifact", "record_outcome",
    "optimize_context",
}
MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "tests", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
WAIT = 20.0

# One phase that asks for a document and a person, one whose gate runs a program, and one that takes its time.
STORY = """\
version: 1
name: story
phases:
  plan:
    goal: Say what will change.
    allow: [Read]
    exit:
      - artifact: plan
        schema:
          type: object
          required: [steps]
          properties: { steps: { type: array, minItems: 1, items: { type: string } } }
      - approval: { ask: "Build it this way?", within: 1h }
    next: [build]
  build:
    goal: Make it.
    allow: [Read, "Edit(made.txt)"]
    writes: ["made.txt"]
    exit:
      - command: [sh, -c, "sleep 1.3; test -f made.txt"]
        within: 10s
    next: [done]
  done: { end: true }
"""
LONG_GATE = """\
version: 1
name: long
phases:
  wait:
    goal: Wait.
    allow: [Read]
    exit:
      - command: [sleep, "30"]
        within: 60s
    next: [done]
  done: { end: true }
"""
PLAIN = """\
version: 1
name: plain
phases:
  work:
    goal: Do it.
    allow: [Read]
    next: [done]
  done: { end: true }
"""


class Workspace:
    """A folder of its own, a home of its own, and no variable of whoever runs the tests but PATH."""

    def __init__(self, workflow=None):
        self._folder = tempfile.TemporaryDirectory(prefix="phasegate-test-")
        base = Path(self._folder.name).resolve()
        self.root, self.home = base / "work", base / "home"
        self.root.mkdir()
        self.home.mkdir()
        self.env = {"PATH": os.environ["PATH"], "HOME": str(self.home), "USER": "tester", "LANG": "C.UTF-8"}
        if workflow:
            self.write("phasegate.yaml", workflow)
            self.cli("workflow", "trust", "--yes")

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def run(self, *arguments, **options):
        return subprocess.run(
            [str(BINARY), *arguments], cwd=self.root, env=self.env, capture_output=True, text=True, timeout=WAIT,
            stdin=options.pop("stdin", subprocess.DEVNULL), **options,
        )

    def cli(self, *arguments):
        done = self.run(*arguments)
        if done.returncode != 0:
            raise AssertionError(f"phasegate {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def cli_json(self, *arguments):
        return json.loads(self.cli(*arguments, "--json"))

    def records(self):
        return [json.loads(line) for line in self.cli("audit", "query", "--json").splitlines()]

    def server(self, *arguments, **variables):
        return Pipe([str(BINARY), *(arguments or ["serve"])], self.root, {**self.env, **variables})

    def close(self):
        self._folder.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Pipe:
    """A server on pipes, spoken to in lines."""

    def __init__(self, command, root, env):
        self.begun = time.monotonic()
        self.child = subprocess.Popen(
            command, cwd=root, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        self.ids = itertools.count(1)
        self.lines = queue.Queue()
        self.notifications = []
        self.log = b""
        self.threads = [threading.Thread(target=work, daemon=True) for work in (self._read, self._read_log)]
        for thread in self.threads:
            thread.start()

    def _read(self):
        for line in self.child.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def _read_log(self):
        self.log = self.child.stderr.read()

    def send(self, data):
        self.child.stdin.write(data)
        self.child.stdin.flush()

    def say(self, message):
        self.send(json.dumps(message).encode() + b"\n")

    def hear(self, timeout=WAIT):
        """The next message that is no notification; `None` at the end of output."""
        until = time.monotonic() + timeout
        while True:
            try:
                line = self.lines.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no answer within {timeout} s") from None
            if line is None:
                return None
            message = json.loads(line)
            if "method" in message and "id" not in message:
                self.notifications.append(message)
                continue
            return message

    def begin(self, method, params=None):
        number = next(self.ids)
        message = {"jsonrpc": "2.0", "id": number, "method": method}
        if params is not None:
            message["params"] = params
        self.say(message)
        return number

    def request(self, method, params=None, timeout=WAIT):
        number = self.begin(method, params)
        reply = self.hear(timeout)
        if reply is None or reply.get("id") != number:
            raise AssertionError(f"{method} was answered with {reply}; log: {self.log.decode()[-500:]}")
        return reply

    def initialize(self, name="tests"):
        params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": name, "version": "1"}}
        reply = self.request("initialize", params)
        self.say({"jsonrpc": "2.0", "method": "notifications/initialized"})
        return reply["result"]

    def call(self, tool, arguments=None, timeout=WAIT):
        """The result of a tool that is expected to do its work."""
        result = self.request("tools/call", {"name": tool, "arguments": arguments or {}}, timeout)["result"]
        if result.get("isError"):
            raise AssertionError(f"{tool} was refused: {result['structuredContent']}")
        return result["structuredContent"]

    def refused(self, tool, arguments=None, timeout=WAIT):
        """The refusal of a tool that is expected to refuse."""
        result = self.request("tools/call", {"name": tool, "arguments": arguments or {}}, timeout)["result"]
        if not result.get("isError"):
            raise AssertionError(f"{tool} was not refused: {result['structuredContent']}")
        return result["structuredContent"]

    def finish(self, timeout=WAIT):
        """Ends the input: every message that still comes, and the exit code."""
        if not self.child.stdin.closed:
            self.child.stdin.close()
        rest = []
        while (message := self.hear(timeout)) is not None:
            rest.append(message)
        return rest, self.child.wait(timeout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        for thread in self.threads:
            thread.join(WAIT)
        for end in (self.child.stdin, self.child.stdout, self.child.stderr):
            try:
                end.close()
            except BrokenPipeError:
                pass


def descendants(pid):
    """Ids of the processes below this one that are alive."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] != "Z":
                parents[int(entry.name)] = int(fields[1])
    found, last = set(), {pid}
    while last:
        last = {child for child, parent in parents.items() if parent in last} - found
        found |= last
    return found


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(what, condition, timeout=WAIT):
    until = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > until:
            raise AssertionError(f"not within {timeout} s: {what}")
        time.sleep(0.02)
    return value
