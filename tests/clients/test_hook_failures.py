"""Whatever breaks in the guard, the call that was to be judged does not run, and the agent is told what to do about it."""

import contextlib
import json
import shutil
import sqlite3
import subprocess
import unittest

from agents import ClaudeCode
from harness import BINARY
from models import call
from test_claude_code import FLOW, claim

CLIENTS = ("claude-code", "codex", "gemini", "opencode")


class Matrix(unittest.TestCase):
    def setUp(self):
        self.place = ClaudeCode(FLOW)
        self.addCleanup(self.place.close)
        self.note = self.place.root / "notes/plan.md"
        self.note.parent.mkdir()

    def write(self):
        return call("Write", file_path=str(self.note), content="x\n")

    def store(self):
        [found] = (self.place.root / ".phasegate").glob("*.db")
        return found

    def refused(self, *expected, breaking=contextlib.nullcontext, wrap=()):
        """A write that the phase opens is refused while the guard is broken, and runs when it is mended."""

        def main(heard):
            heard = yield claim()
            with breaking():
                heard = yield self.write()
                heard.refused(*expected)

        self.place.agent(main=main, wrap=wrap).check()
        self.assertFalse(self.note.exists())

    def script(self, body):
        path = self.place.home / "hook"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return path

    def only_calls(self, **hook):
        self.place.guard_with(events=("PreToolUse",), **hook)

    def test_nothing_broken(self):
        self.only_calls()

        def main(heard):
            heard = yield claim()
            heard = yield self.write()
            heard.ran()

        self.place.agent(main=main).check()
        self.assertTrue(self.note.exists())

    def test_store_held_by_another_program(self):
        self.only_calls()

        @contextlib.contextmanager
        def held():
            connection = sqlite3.connect(self.store(), isolation_level=None)
            connection.execute("BEGIN EXCLUSIVE")
            try:
                yield
            finally:
                connection.rollback()
                connection.close()

        self.refused("phasegate", "doctor", breaking=held)

    def test_store_that_is_none(self):
        self.only_calls()

        @contextlib.contextmanager
        def torn():
            kept = {file: file.read_bytes() for file in self.store().parent.glob("*.db*")}
            for file in kept:
                file.write_bytes(b"no store " * 1000)
            try:
                yield
            finally:
                for file, data in kept.items():
                    file.write_bytes(data)

        self.refused("phasegate", breaking=torn)

    def test_store_of_a_newer_version(self):
        self.only_calls()

        @contextlib.contextmanager
        def newer():
            connection = sqlite3.connect(self.store(), isolation_level=None)
            [[version]] = connection.execute("PRAGMA user_version")
            connection.execute(f"PRAGMA user_version = {version + 100}")
            try:
                yield
            finally:
                connection.execute(f"PRAGMA user_version = {version}")
                connection.close()

        self.refused("phasegate", breaking=newer)

    def test_disk_full(self):
        """The store lies on a full disk of its own, which only the client and what it starts can see."""
        if subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode != 0:
            # Nobody may mount here: a hook that may not write a single block is the next best thing.
            self.only_calls(program=self.script(f'ulimit -f 0; exec "{BINARY}" "$@"'))
            return self.refused_at_once()
        self.only_calls()
        with self.place.server() as server:
            server.initialize()
            server.call("claim_task", {"new": {"title": "so that there is a store"}})
        kept = self.place.home / "kept"
        shutil.copytree(self.place.root / ".phasegate", kept)
        size = sum(file.stat().st_size for file in kept.rglob("*") if file.is_file()) // 1024 + 64
        setup = (
            f"mount -t tmpfs -o size={size}k none .phasegate && cp -a {kept}/. .phasegate/ && "
            "{ dd if=/dev/zero of=.phasegate/full bs=4k 2>/dev/null; true; } && exec \"$@\""
        )

        def main(heard):
            heard = yield self.write()
            heard.refused("phasegate")

        self.place.agent(main=main, wrap=("unshare", "-Urm", "sh", "-c", setup, "sh")).check()
        self.assertFalse(self.note.exists())

    def test_program_that_is_missing(self):
        self.only_calls(program=self.place.home / "gone")
        self.refused_at_once()

    def test_program_that_crashes(self):
        self.only_calls(program=self.script("cat > /dev/null; kill -SEGV $$"))
        self.refused_at_once()

    def test_program_that_ends_without_a_word(self):
        self.only_calls(program=self.script("exit 1"))
        self.refused_at_once()

    def test_program_that_hangs(self):
        self.only_calls(program=self.script("exec sleep 30"), timeout=1)
        self.refused_at_once()

    def refused_at_once(self):
        def main(heard):
            heard = yield self.write()
            heard.refused()

        self.place.agent(main=main).check()
        self.assertFalse(self.note.exists())

    def test_events_that_cannot_be_read_are_refused_with_a_reason(self):
        deep = "[" * 100_000
        twice = '{"hook_event_name":"PreToolUse","session_id":"s","cwd":"/","tool_name":"Read","tool_name":"Write","tool_input":{}}'
        for client in CLIENTS:
            for event in ("", "{", "null", "[]", "{}", deep, twice, "{} {}", '{"cwd": 3}', "\0"):
                with self.subTest(client=client, event=event[:40]):
                    command = [str(BINARY), "hook", client]
                    done = subprocess.run(
                        command, cwd=self.place.root, env=self.place.env, input=event, capture_output=True, text=True, timeout=20
                    )
                    self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
                    self.assertIn("phasegate", done.stderr)

    def test_an_answer_is_one_json_object_or_nothing(self):
        self.place.guard()
        names = ("SessionStart", "UserPromptSubmit", "PreToolUse", "PostToolUse", "PostToolUseFailure", "SubagentStart",
                 "SubagentStop", "PreCompact", "ConfigChange", "Stop", "StopFailure", "SessionEnd", "NotYetKnown")
        for name in names:
            with self.subTest(event=name):
                event = {"hook_event_name": name, "session_id": "s-1", "cwd": str(self.place.root), "source": "startup",
                         "tool_name": "Write", "tool_input": {"file_path": "a", "content": "x"}, "tool_use_id": "t-1"}
                done = subprocess.run(
                    [str(BINARY), "hook", "claude-code"], cwd=self.place.root, env=self.place.env, input=json.dumps(event),
                    capture_output=True, text=True, timeout=20,
                )
                self.assertEqual(done.returncode, 0, done.stderr)
                if done.stdout.strip():
                    self.assertIsInstance(json.loads(done.stdout), dict)


if __name__ == "__main__":
    unittest.main()
