"""Makes `.cargo/layout.txt`: which functions `build.rs` has the linker put side by side, since a hook or a served call needs them.

    cargo rustc --release --locked --bin phasegate -- -C strip=none
    python3 benches/layout.py target/release/phasegate

Runs hooks and a session over stdio under valgrind and keeps what was called. A compiler that names its functions otherwise
makes the program no worse than without the file: make it anew then, and after large changes."""

import bisect
import collections
import ctypes
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
WORKFLOW = """version: 1
name: flow
protect: { deny: ["Read(.env)", "Bash(git push --force *)"] }
phases:
  plan:
    allow: [Read, Grep, Glob, Agent, submit_task, "Bash(git *)"]
    exit: [{ artifact: plan, schema: { type: object, required: [steps] } }]
    next: [build]
  build:
    allow: [Read, Grep, Glob, Edit, Write, "Bash(cargo *)", "Bash(git *)"]
    exit: [{ command: ["true"] }]
    next: [plan, done]
  done: { end: true }
"""
PTRACE = ctypes.CDLL(None, use_errno=True).ptrace
PTRACE.argtypes, PTRACE.restype = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p], ctypes.c_long
# What rustc puts at the end of a name. It changes with the compiler, and the rest seldom does.
HASH = re.compile(r"17h[0-9a-f]{16}E$")


class Traced:
    """A program in a folder of its own, and the functions that it called where it was looked at: as hook or as server."""

    def __init__(self, folder, program, names, looked_at):
        self.folder, self.program, self.names, self.looked_at = folder, program, names, looked_at
        self.seen, self.runs = [], 0
        self.env = dict(os.environ, HOME=str(folder), CLAUDE_PROJECT_DIR=str(folder), PHASEGATE_AGENT="layout")

    def start(self, kind, *words):
        before = []
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.runs += 1
        out = self.folder / f"calls.{self.runs}"
        if kind == self.looked_at:
            before = ["valgrind", "-q", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={out}"]
        elif kind == "hook" and self.looked_at == "steps":
            pipes["preexec_fn"] = lambda: PTRACE(0, 0, None, None)
        return subprocess.Popen([*before, self.program, kind, *words], cwd=self.folder, env=self.env, **pipes), out

    def keep(self, out):
        for line in out.read_text().splitlines() if out.exists() else ():
            if line.startswith(("fn=", "cfn=")) and ") " in line:
                self.seen.append(line.split(") ", 1)[1].split("'")[0])

    def hook(self, event, **rest):
        told = {"session_id": "aaaaaaaa-0001", "transcript_path": f"{self.folder}/none.jsonl", "cwd": str(self.folder)}
        running, out = self.start("hook", "claude-code")
        text = json.dumps({**told, "hook_event_name": event, **rest}).encode()
        if self.looked_at == "steps":
            running.stdin.write(text)
            running.stdin.close()
            self.step(running.pid)
        else:
            running.communicate(text)
            self.keep(out)

    def step(self, pid):
        """A server answers no hook of another program, which it would be under valgrind: it is led step by step."""
        places = set()
        while os.WIFSTOPPED(os.waitpid(pid, 0)[1]):
            places.add(PTRACE(3, pid, ctypes.c_void_p(128), None))
            PTRACE(9, pid, None, None)
        starts = sorted(self.names.values())
        named = {start: name for name, (start, _) in self.names.items()}
        for place in sorted(places):
            start = starts[bisect.bisect_right(starts, (place, 1 << 62)) - 1]
            if start[0] <= place < sum(start):
                self.seen.append(named[start[0]])

    def hooks(self, name):
        """The calls that a client tells of again and again."""
        path = str(self.folder / "src.rs")
        for tool, given in (
            ("Edit", {"file_path": path, "old_string": "a", "new_string": "b"}),
            ("Bash", {"command": "git status && cargo test --lib 2>&1 | tail -5"}),
            ("Bash", {"command": "rm -rf elsewhere"}),
        ):
            call = {"tool_name": tool, "tool_input": given, "tool_use_id": f"{name}-{tool}"}
            self.hook("PreToolUse", **call)
            self.hook("PostToolUse", **call, tool_response={})


class Session:
    """A client of a server over stdio."""

    def __init__(self, server):
        self.server, self.count = server, 0
        client = {"name": "layout", "version": "1"}
        self.ask("initialize", {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client})
        self.say({"method": "notifications/initialized"})

    def say(self, message):
        self.server.stdin.write((json.dumps({"jsonrpc": "2.0", **message}) + "\n").encode())
        self.server.stdin.flush()

    def ask(self, method, params):
        self.count += 1
        self.say({"id": self.count, "method": method, "params": params})
        for line in self.server.stdout:
            answer = json.loads(line)
            if answer.get("id") == self.count:
                return answer
        sys.exit(f"the server ended at {method}")

    def call(self, tool, **given):
        answer = self.ask("tools/call", {"name": tool, "arguments": given})
        if "result" not in answer:
            sys.exit(f"{tool}: {answer}")

    def end(self, traced, out):
        self.server.stdin.close()
        self.server.wait()
        traced.keep(out)


def planned(traced):
    """A task through two phases, with a client that has hooks."""
    (traced.folder / "phasegate.yaml").write_text(WORKFLOW)
    (traced.folder / "src.rs").write_text("fn main() {}\n")
    trust = [traced.program, "workflow", "trust", "--yes"]
    subprocess.run(trust, cwd=traced.folder, env=traced.env, check=True, capture_output=True)
    server, out = traced.start("serve")
    session = Session(server)
    session.ask("tools/list", {})
    session.call("claim_task", new={"title": "first"})
    traced.hooks("planning")
    session.call("submit_artifact", name="plan", content={"steps": ["this", "that"]})
    session.call("transition_phase", to="build")
    traced.hooks("building")
    session.call("update_task", progress="half way", checkpoint={"next": "the other half"})
    session.call("request_approval", question="this or that?")
    session.call("transition_phase", to="done")
    session.call("claim_task", new={"title": "second"})
    session.call("claim_task", id="T-404")
    session.end(traced, out)


def asked(traced):
    """A new folder without a workflow, what a client asks there, and a hook that finds no server."""
    server, out = traced.start("serve")
    session = Session(server)
    session.ask("tools/list", {})
    session.call("claim_task", new={"title": "first", "workflow": "quick"})
    for tool in ("list_tasks", "route_model", "query_audit"):
        session.call(tool)
    session.call("submit_task", title="second")
    session.call("update_task", progress="half way")
    session.call("transition_phase", to="done")
    session.end(traced, out)
    traced.hooks("alone")


def called(program, names):
    """The functions of hooks that find a server first, since most do; then those of servers, and of hooks without one."""
    seen = []
    for drive, looked_at in ((planned, "steps"), (planned, "serve"), (asked, "serve"), (asked, "hook")):
        with tempfile.TemporaryDirectory() as folder:
            traced = Traced(pathlib.Path(folder), program, names, looked_at)
            drive(traced)
            seen += sorted(set(traced.seen))
    return seen


def functions(program):
    """Where each begins, and its length."""
    listed = subprocess.run(["nm", "-S", "--defined-only", program], check=True, capture_output=True, text=True).stdout
    words = (line.split(None, 3) for line in listed.splitlines())
    return {word[3]: (int(word[0], 16), int(word[1], 16)) for word in words if len(word) == 4 and word[2] in "tTwW"}


def patterns(seen, names):
    """A name without its hash where most of what it then means was called; else the name as it is."""
    whole, used = collections.Counter(), collections.Counter()
    for name, (_, size) in names.items():
        whole[HASH.sub("17h*", name)] += size
    seen = [name for name in dict.fromkeys(seen) if name in names]
    for name in seen:
        used[HASH.sub("17h*", name)] += names[name][1]
    wide = (HASH.sub("17h*", name) for name in seen)
    chosen = [far if used[far] * 2 >= whole[far] else name for name, far in zip(seen, wide)]
    return list(dict.fromkeys(chosen))


def main():
    program = str(pathlib.Path(sys.argv[1]).resolve())
    names = functions(program)
    if not names:
        sys.exit(f"{program} has no names; build it with -C strip=none")
    lines = patterns(called(program, names), names)
    (ROOT / ".cargo/layout.txt").write_text("".join(f"{line}\n" for line in lines))
    print(f"{len(lines)} names")


main()
