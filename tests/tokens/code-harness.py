"""Real agent clients in a workspace of their own, with a story for a model. Nothing but loopback can be reached."""

import json
import os
import platform
import signal
import subprocess
import threading

from harness import BINARY, TOOLS, Workspace
from models import Service

RUN_SECONDS_MAX = 90.0
NODE = TOOLS / "node/node_modules"
CPU = {"x86_64": "x64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]


def native(package, name):
    """The client itself: what npm puts into `.bin` only looks for it."""
    found = [path for path in sorted(NODE.glob(f"{package}-{platform.system().lower()}-{CPU}/**/{name}")) if path.is_file()]
    if not found:
        raise AssertionError(f"{package} is not below {NODE}; run ./test, which installs it")
    return found[0]


class Run:
    """One run of a client: what it printed, what it asked the model, and what the story found wrong."""

    def __init__(self, service, lines, log, code):
        self.service, self.lines, self.log, self.code = service, lines, log, code
        self.requests = service.requests

    def check(self):
        trouble = [*self.service.failures, *(f"the story {name} did not end" for name in self.service.unfinished())]
        if trouble or self.code != 0:
            shown = "\n".join(json.dumps(line)[:600] for line in self.lines if line.get("type") != "stream_event")
            raise AssertionError(f"exit {self.code}; {'; '.join(trouble)}\n{self.log[-2000:]}\n{shown[-6000:]}")
        return self


class Agent(Workspace):
    """A workspace with a client in it. `_command` and `_prepare` are the client's own."""

    def __init__(self, workflow=None, **options):
        super().__init__(workflow)
        self.env |= {
            "HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9", "NO_PROXY": "127.0.0.1,localhost",
            "GIT_CONFIG_NOSYSTEM": "1",
        }
        self._prepare(**options)

    def agent(self, *prompts, arguments=(), env=None, wrap=(), **stories):
        """Runs the client until the stories are told."""
        service = Service(**stories)
        try:
            prompts = prompts or ("Go.",)
            command, answers = self._command(service.address, prompts, list(arguments))
            child = subprocess.Popen(
                [*wrap, *command], cwd=self.root, env={**self.env, **self._env(service.address), **(env or {})},
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            )
            timer = threading.Timer(RUN_SECONDS_MAX, lambda: os.killpg(child.pid, signal.SIGKILL))
            timer.start()
            log = []
            reader = threading.Thread(target=lambda: log.append(child.stderr.read()), daemon=True)
            reader.start()
            lines = list(self._talk(child, answers))
            code = child.wait()
            timer.cancel()
            reader.join()
            for end in (child.stdin, child.stdout, child.stderr):
                end.close()
            return Run(service, lines, b"".join(log).decode(errors="replace"), code)
        finally:
            service.close()

    def _talk(self, child, answers):
        """Every line of output that is JSON; the next prompt goes in when the last is answered."""
        waiting = list(answers)

        def more():
            if waiting:
                child.stdin.write(waiting.pop(0).encode() + b"\n")
                child.stdin.flush()
            else:
                child.stdin.close()

        more()
        for line in child.stdout:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            yield message
            if message.get("type") == "result" and not child.stdin.closed:
                more()


EVENTS = (
    "SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "SubagentStart", "SubagentStop",
    "PreCompact", "ConfigChange", "Stop", "StopFailure", "SessionEnd",
)


class ClaudeCode(Agent):
    def _prepare(self, trusted=True, settings=None):
        self.settings_home = self.home / ".claude"
        self.settings_home.mkdir()
        state = {"hasCompletedOnboarding": True}
        if trusted:
            state["projects"] = {str(self.root): {"hasTrustDialogAccepted": True}}
        (self.settings_home / ".claude.json").write_text(json.dumps(state))
        if settings is not None:
            self.write(".claude/settings.json", json.dumps(settings))

    def guard(self):
        self.cli("init", "--client", "claude-code", "--yes")

    def guard_with(self, program=BINARY, events=EVENTS, **hook):
        """As `phasegate init` does it, with another program for a hook and only for some moments."""
        server = {"type": "stdio", "command": str(BINARY), "args": ["serve"], "alwaysLoad": True}
        self.write(".mcp.json", json.dumps({"mcpServers": {"phasegate": server}}))
        command = {
            "type": "command", "command": str(program), "args": ["hook", "claude-code"], "timeout": 10, "onFailure": "block",
            **hook,
        }
        one = [{"hooks": [command]}]
