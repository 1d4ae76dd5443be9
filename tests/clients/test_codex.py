"""Codex under the guard: its own tools, which are not those of Claude Code, are held to the same phases."""

import unittest

from agents import Codex
from models import call
from test_claude_code import FLOW, claim, ours

OBSERVED = """\
version: 1
name: observed
phases:
  work:
    goal: Make it.
    allow: [Read, "Bash(test *)"]
    exit:
      - command: [test, -f, made.txt]
        tier: observed
    next: [done]
  done: { end: true }
"""


def patch(*parts):
    return call("apply_patch", patch="*** Begin Patch\n" + "".join(parts) + "*** End Patch\n")


def add(name):
    return f"*** Add File: {name}\n+x\n"


def shell(command, **more):
    return call("exec_command", cmd=command, **more)


class Guarded(unittest.TestCase):
    def setUp(self):
        self.place = Codex(FLOW)
        self.addCleanup(self.place.close)
        self.place.write("src/kept.txt", "kept\n")
        self.place.guard()

    def there(self, *names):
        return [name for name in names if (self.place.root / name).exists()]

    def test_a_patch_is_held_to_the_phase_file_by_file(self):
        def main(heard):
            assert "phasegate guards this session" in heard.all, heard.all[-2000:]
            heard = yield claim()
            assert '"phase":"plan"' in heard.said, heard.said
            heard = yield patch(add("src/early.txt"))
            assert "phasegate" in heard.said and "src/early.txt" in heard.said, heard.said
            heard = yield patch(add("notes/plan.md"))
            assert self.there("notes/plan.md"), heard.said
            yield ours("submit_artifact", name="plan", content={"steps": ["one"]})
            yield ours("transition_phase")
            for name, parts in {
                "src/mixed.txt": (add("src/mixed.txt"), add("elsewhere.txt")),
                "moved.txt": ("*** Update File: src/kept.txt\n*** Move to: moved.txt\n@@\n-kept\n+x\n",),
                "phasegate.yaml": ("*** Delete File: phasegate.yaml\n",),
            }.items():
                heard = yield patch(*parts)
                assert "phasegate" in heard.said, f"{name}: {heard.said}"
            heard = yield patch(add("src/made.txt"))
            assert self.there("src/made.txt"), heard.said

        self.place.agent(main=main).check()
        self.assertEqual(
            self.there("src/early.txt", "src/mixed.txt", "elsewhere.txt", "moved.txt", "phasegate.yaml", "src/made.txt"),
            ["phasegate.yaml", "src/made.txt"],
        )

    def test_a_shell_call_is_held_to_the_phase_wherever_it_is_run(self):
        def main(heard):
            heard = yield claim()
            for more in ({}, {"workdir": str(self.place.home)}, {"workdir": "/"}):
                heard = yield shell(f"sh -c 'echo x > {self.place.root}/made.txt'", **more)
                assert "phasegate" in heard.said, f"{more}: {heard.said}"
            heard = yield shell("apply_patch <<'END'\n*** Begin Patch\n" + add("made.txt") + "*** End Patch\nEND")
            assert "phasegate" in heard.said, heard.said
            heard = yield shell("ls src")
            assert "kept.txt" in heard.said, heard.said

        self.place.agent(main=main).check()
        self.assertEqual(self.there("made.txt"), [])

    def test_a_shell_call_runs_in_the_sandbox_of_the_client_too(self):
        def main(heard):
            heard = yield claim()
            heard = yield shell("ls src")
            assert "kept.txt" in heard.said, heard.said
            heard = yield shell("echo x > notes/made.txt; echo x > src/made.txt")
            yield ours("submit_artifact", name="plan", content={"steps": ["one"]})
            yield ours("transition_phase")
            heard = yield shell("echo made-it > src/made.txt; cat src/made.txt")
            assert ("made-it" in heard.said) == (mode == "workspace-write"), heard.said
            assert "not begun" not in heard.said, heard.said

        for mode in ("workspace-write", "read-only"):
            with self.subTest(mode):
                self.setUp()
                self.place.agent(main=main, arguments=["-c", f'sandbox_mode="{mode}"']).check()
                self.assertEqual(self.there("src/made.txt"), ["src/made.txt"] if mode == "workspace-write" else [])

    def test_a_guard_that_fails_refuses(self):
        def main(heard):
            heard = yield claim()
            for file in (self.place.root / ".phasegate").glob("*.db*"):
                file.write_bytes(b"no store " * 1000)
            heard = yield patch(add("notes/plan.md"))
            assert "phasegate" in heard.said, heard.said

        run = self.place.agent(main=main)
        self.assertEqual((run.service.failures, self.there("notes/plan.md")), ([], []))


class Evidence(unittest.TestCase):
    def test_a_run_whose_end_the_client_does_not_tell_meets_no_gate(self):
        """Codex tells its hooks of a failed command in the words of one that went well."""
        place = Codex(OBSERVED)
        self.addCleanup(place.close)
        place.guard()

        def main(heard):
            heard = yield claim()
            heard = yield shell("test -f made.txt")
            assert "exited with code 1" in heard.said, heard.said
            heard = yield ours("transition_phase", summary="made it as planned", confidence=0.9)
            assert "gate_unmet" in heard.said or "unmet" in heard.said, heard.said

        place.agent(main=main).check()
        kinds = [record["event"]["type"] for record in place.records()]
        self.assertNotIn("GateObserved", kinds)
        self.assertNotIn("TaskCompleted", kinds)


if __name__ == "__main__":
    unittest.main()
