"""Claude Code under the guard: what the model is refused, told and lent, seen from the model's side."""

import json
import re
import unittest

from agents import ClaudeCode
from harness import BINARY, REPOSITORY, eventually
from models import call

FLOW = """\
version: 1
name: flow
protect:
  deny: ["Read(.env)"]
unclaimed:
  allow: [Read]
phases:
  plan:
    goal: Say what will change.
    allow: [Read, Agent, "Edit(notes/**)", "Bash(ls *)", "Bash(echo *)"]
    writes: ["notes/**"]
    model: { tier: weak }
    exit:
      - artifact: plan
        schema: { type: object, required: [steps] }
    next: [build]
  build:
    goal: Make it.
    allow: [Read, Agent, "Edit(src/**)", Bash]
    writes: ["src/**"]
    require_approval: ["Edit(src/important.txt)"]
    model: { tier: base }
    next: [done]
  done: { end: true }
"""


def ours(tool, **given):
    return call(f"mcp__phasegate__{tool}", **given)


def claim(title="Make it"):
    return ours("claim_task", new={"title": title})


def to_build():
    return [ours("submit_artifact", name="plan", content={"steps": ["one"]}), ours("transition_phase")]


class Guarded(unittest.TestCase):
    workflow = FLOW

    def setUp(self):
        self.place = ClaudeCode(self.workflow)
        self.addCleanup(self.place.close)
        self.place.write("src/kept.txt", "kept\n")
        self.place.guard()

    def path(self, name):
        return str(self.place.root / name)

    def put(self, name, content="x\n"):
        return call("Write", file_path=self.path(name), content=content)

    def run_agent(self, *prompts, **stories):
        return self.place.agent(*prompts, **stories).check()

    def kinds(self):
        return [record["event"]["type"] for record in self.place.records()]

    def assertAbsent(self, *names):
        self.assertEqual([name for name in names if (self.place.root / name).exists()], [])


class Phases(Guarded):
    def test_a_write_is_refused_while_planning_and_allowed_after_the_gate(self):
        def main(heard):
            assert "phasegate guards this session" in heard.all, heard.all[-2000:]
            heard = yield self.put("src/new.txt")
            heard.refused("phasegate", "claim_task")
            heard = yield claim()
            heard.ran("plan")
            heard = yield self.put("src/new.txt")
            heard.refused("src/new.txt", "plan")
            heard = yield self.put("notes/plan.md", "a plan\n")
            heard.ran()
            heard = yield ours("transition_phase")
            heard.refused("plan", "submit_artifact")
            for step in to_build():
                heard = yield step
                heard.ran()
            heard = yield self.put("src/new.txt")
            heard.ran()
            heard = yield self.put("elsewhere.txt")
            heard.refused("elsewhere.txt")
            heard = yield ours("transition_phase", summary="made it as planned", confidence=0.9)
            heard.ran()

        self.run_agent(main=main)
        self.assertEqual((self.place.root / "src/new.txt").read_text(), "x\n")
        self.assertAbsent("elsewhere.txt")
        judged = [record["event"] for record in self.place.records() if record["event"]["type"] == "CallJudged"]
        self.assertEqual({verdict["verdict"] for verdict in judged}, {"allow", "deny"}, judged)
        self.place.cli("audit", "verify")

    def test_what_is_kept_from_everyone_is_kept_from_every_tool(self):
        self.place.write(".env", "KEY=hidden-value\n")

        def main(heard):
            heard = yield claim()
            for step in to_build():
                heard = yield step
            heard = yield call("Read", file_path=self.path("src/kept.txt"))
            heard.ran("kept")
            heard = yield call("Read", file_path=self.path(".env"))
            heard.refused(".env")
            for command in ("cat .env", "cat < .env", "cp .env src/copy", "python3 -c 'print(open(\".env\").read())'"):
                heard = yield call("Bash", command=command)
                assert "hidden-value" not in heard.said, f"{command}: {heard.said}"

        self.run_agent(main=main)
        self.assertNotIn("hidden-value", "".join(path.read_text() for path in (self.place.root / "src").iterdir()))


class Shell(Guarded):
    TRICKS = (
        "python3 -c \"open('kept.txt','w').write('x')\"",
        "sh -c 'echo x > kept.txt'",
        "bash <<'END'\necho x > kept.txt\nEND",
        "printf 'open(\"kept.txt\",\"w\").write(\"x\")' | python3",
        "git apply <<'END'\ndiff --git a/kept.txt b/kept.txt\n--- a/kept.txt\n+++ b/kept.txt\n@@ -1 +1 @@\n-kept\n+x\nEND",
        "eval \"$(printf 'echo x > kept.txt')\"",
        "cp src/kept.txt kept.txt && tee kept.txt < /dev/null",
        "find . -name kept.txt -exec sh -c 'echo x > \"$1\"' _ {} \\;",
    )

    def test_a_shell_trick_changes_nothing_outside_the_phase(self):
        self.place.write("kept.txt", "kept\n")

        def main(heard):
            heard = yield claim()
            for step in to_build():
                heard = yield step
                heard.ran()
            for trick in self.TRICKS:
                heard = yield call("Bash", command=trick)
                text = (self.place.root / "kept.txt").read_text()
                assert text == "kept\n", f"{trick}: {heard.results}"
                # `find` ends well whatever its program says.
                held = all(heard.went_wrong) or "Read-only file system" in heard.said
                assert held and "phasegate" in heard.told, f"{trick}: {heard.told}"
            heard = yield call("Bash", command="sh -c 'echo made > src/made.txt'")
            heard.ran()

        self.run_agent(main=main)
        self.assertEqual((self.place.root / "src/made.txt").read_text(), "made\n")

    def test_while_planning_a_shell_that_is_not_open_is_refused_before_it_runs(self):
        def main(heard):
            heard = yield claim()
            for trick in self.TRICKS:
                heard = yield call("Bash", command=trick.replace("kept.txt", "made.txt"))
                heard.refused("phasegate")
            heard = yield call("Bash", command="ls src")
            heard.ran("kept.txt")

        self.run_agent(main=main)
        self.assertAbsent("made.txt")


class Hooks(Guarded):
    def settings(self):
        return json.loads((self.place.root / ".claude/settings.json").read_text())

    def test_the_agent_cannot_take_the_guard_away(self):
        before = self.settings()
        off = json.dumps({"disableAllHooks": True})
        local = ".claude/settings.local.json"

        def main(heard):
            heard = yield claim()
            for step in to_build():
                heard = yield step
            for name in (local, ".claude/settings.json", ".mcp.json", "phasegate.yaml", ".phasegate/x"):
                heard = yield self.put(name, off)
                heard.refused()
            for command in (
                f"echo '{off}' > {local}",
                f"python3 -c \"open('{local}','w').write('{{\\\"disableAllHooks\\\":true}}')\"",
                "rm -rf .phasegate",
                "rm .claude/settings.json",
                "mv .claude .elsewhere",
            ):
                heard = yield call("Bash", command=command)
                assert all(heard.went_wrong), f"{command}: {heard.results}"
            heard = yield self.put("outside.txt")
            heard.refused("outside.txt")

        self.run_agent(main=main)
        self.assertAbsent(local, "outside.txt")
        self.assertEqual(self.settings(), before)

    def test_settings_that_someone_else_changes_do_not_come_to_count(self):
        def main(heard):
            heard = yield claim()
            # Not the agent's doing: another program writes while the session runs.
            self.place.write(".claude/settings.local.json", json.dumps({"disableAllHooks": True}))
            eventually("the change has been told", lambda: "GuardKept" in self.kinds())
            heard = yield self.put("src/new.txt")
            heard.refused("phasegate", "src/new.txt")

        self.run_agent(main=main)
        self.assertAbsent("src/new.txt")


class Approvals(Guarded):
    def test_a_call_that_a_person_must_allow_runs_once_after_the_yes(self):
        important = {"file_path": self.path("src/important.txt"), "content": "x\n"}

        def main(heard):
            heard = yield claim()
            for step in to_build():
                heard = yield step
            heard = yield call("Write", **important)
            heard.refused("request_approval")
            heard = yield ours("request_approval", call={"tool": "Write", "arguments": important}, reason="it is needed")
            heard.ran("A-1")
            heard = yield call("Write", **important)
            heard.refused("A-1")
            self.place.cli("approvals", "approve", "A-1", "--yes")
            heard = yield call("Write", **{**important, "content": "y\n"})
            heard.refused()
            heard = yield call("Write", **important)
            heard.ran()
            heard = yield call("Write", **important)
            heard.refused()

        self.run_agent(main=main)
        self.assertEqual((self.place.root / "src/important.txt").read_text(), "x\n")


class Subagents(Guarded):
    def agent(self, name):
        return call("Agent", description=name, prompt=f"{name} do your part", subagent_type="general-purpose", run_in_background=False)

    def test_two_subagents_have_a_claim_and_a_phase_each(self):
        models = {}

        def main(heard):
            heard = yield claim("The whole")
            heard = yield [self.agent("ALPHA"), self.agent("BETA")]
            assert len(heard.results) == 2, heard.results

        def alpha(heard):
            models["ALPHA"] = heard.model
            heard = yield claim("Part of alpha")
            heard.ran()
            for step in to_build():
                heard = yield step
                heard.ran()
            heard = yield self.put("src/alpha.txt")
            heard.ran()

        def beta(heard):
            models["BETA"] = heard.model
            heard = yield claim("Part of beta")
            heard.ran()
            heard = yield self.put("src/beta.txt")
            heard.refused("src/beta.txt")

        run = self.run_agent(main=main, ALPHA=alpha, BETA=beta)
        self.assertAbsent("src/beta.txt")
        self.assertTrue((self.place.root / "src/alpha.txt").exists())
        self.assertTrue(all("haiku" in model for model in models.values()), models)
        self.assertNotIn("haiku", run.requests[0].model)
        claims = [record for record in self.place.records() if record["event"]["type"] == "TaskClaimed"]
        self.assertEqual(len({record["agent"] for record in claims}), 3, claims)

    def test_a_subagent_without_a_task_works_under_the_phase_of_whoever_sent_it(self):
        def main(heard):
            heard = yield claim()
            heard = yield self.agent("ALPHA")

        def alpha(heard):
            heard = yield self.put("notes/of-alpha.md")
            heard.ran()
            heard = yield self.put("src/of-alpha.txt")
            heard.refused("src/of-alpha.txt", "plan")

        self.run_agent(main=main, ALPHA=alpha)
        self.assertAbsent("src/of-alpha.txt")


class Plugin(Guarded):
    """The same guard, brought by the plugin instead of by files of the project."""

    def setUp(self):
        self.place = ClaudeCode(self.workflow)
        self.addCleanup(self.place.close)
        programs = self.place.home / "bin"
        programs.mkdir()
        (programs / "phasegate").symlink_to(BINARY)
        self.place.env["PATH"] = f"{programs}:{self.place.env['PATH']}"

    def test_the_plugin_guards_as_the_project_does(self):
        def main(heard):
            heard = yield self.put("notes/plan.md")
            heard.refused("claim_task")
            heard = yield call("mcp__plugin_phasegate_phasegate__claim_task", new={"title": "Make it"})
            heard.ran("plan")
            heard = yield self.put("src/new.txt")
            heard.refused("src/new.txt")
            heard = yield self.put("notes/plan.md")
            heard.ran()

        self.run_agent(main=main, arguments=["--plugin-dir", str(REPOSITORY / "plugin")])
        self.assertAbsent("src/new.txt")


class Memory(Guarded):
    def test_after_a_compaction_the_agent_is_told_where_it_stands(self):
        def main(heard):
            heard = yield claim("The long way")
            heard = yield ours("update_task", checkpoint={"next": "write the second half"})
            heard.ran()
            heard = yield "that is all for now"
            assert "T-1" in heard.all and "is not finished" in heard.all, heard.all[-3000:]
            heard = yield "it is, for now"
            assert "What was done so far." in heard.all and "is not finished" not in heard.all, heard.all[-3000:]
            assert "The long way" in heard.all and "write the second half" in heard.all, heard.all[-3000:]
            heard = yield self.put("src/new.txt")
            heard.refused("src/new.txt")

        self.run_agent("Go.", "/compact", "Go on.", main=main)


class Budgets(Guarded):
    workflow = FLOW.replace("unclaimed:", "budget: { tokens: 6000 }\nunclaimed:")

    def test_an_agent_that_has_used_up_its_budget_is_stopped(self):
        """An answer of the model is 1100 tokens here."""

        def main(heard):
            heard = yield claim()
            calls = 0
            while not any(heard.went_wrong):
                heard = yield call("Read", file_path=self.path("src/kept.txt"))
                calls += 1
                assert calls < 12, "it was never stopped"
            heard.refused("budget")
            assert calls > 2, f"stopped after {calls} calls"
            heard = yield ours("update_task", release="the budget is used up")
            heard.ran()

        self.run_agent(main=main)


class Results(Guarded):
    workflow = FLOW.replace("unclaimed:", "context: { reduce_above: 800, keep: 400 }\nunclaimed:").replace(
        '"Bash(ls *)"', '"Bash(cat *)"'
    )

    def test_the_model_gets_what_it_needs_of_a_long_result_and_fetches_the_rest(self):
        """What the model was sent counts: the client drops a result in another shape without a word."""
        lines = [f"src/part_{n % 7}/file_{n}.rs:{n}: error: cannot read value_{n}\n" for n in range(1, 401)]
        self.place.write("src/long.txt", "".join(lines))

        def main(heard):
            heard = yield claim("Why value_333 cannot be read")
            heard.ran("plan")
            heard = yield call("Bash", command="cat src/long.txt")
            heard.ran("value_333\n")
            assert len(heard.said) < len("".join(lines)) / 10, heard.said
            handle = re.search(r"ctx_[0-9a-f]{16}", heard.said)[0]
            first, last = map(int, re.search(r"^\[\.\.\.(\d+)-(\d+)\]$", heard.said, re.M).groups())
            gone = lines[first - 1]
            assert gone not in heard.said, heard.said
            heard = yield ours("optimize_context", handle=handle, lines=f"{first}-{last}")
            heard.ran(gone.strip())
            heard = yield call("Read", file_path=self.path("src/long.txt"))
            heard.ran(gone.strip())
            heard = yield call("Bash", command="cat src/kept.txt")
            assert heard.said.strip() == "kept", heard.said

        self.run_agent(main=main)
        reduced = [record["event"] for record in self.place.records() if record["event"]["type"] == "ResultReduced"]
        self.assertEqual([(event["tool"], event["task"]) for event in reduced], [("Bash", "T-1")])
        self.assertLessEqual(reduced[0]["tokens_after"], 400)


if __name__ == "__main__":
    unittest.main()
