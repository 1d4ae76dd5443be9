"""The official inspector's command line against the real server, in both eras."""

import json
import os
import subprocess
import unittest

from harness import BINARY, PLAIN, TOOL_NAMES, TOOLS, Workspace

LAUNCHER = TOOLS / "node/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"


class Inspector(unittest.TestCase):
    def setUp(self):
        self.place = Workspace(PLAIN)
        self.addCleanup(self.place.close)

    def inspect(self, era, *words):
        done = subprocess.run(
            ["node", str(LAUNCHER), "--cli", str(BINARY), "serve", "--workspace", str(self.place.root), "--protocol-era", era,
             "--format", "json", "-q", *words],
            cwd=self.place.root, env={**self.place.env, "MCP_CATALOG_PATH": os.devnull}, capture_output=True, text=True,
            timeout=60, stdin=subprocess.DEVNULL,
        )
        return done

    def answer(self, era, *words):
        done = self.inspect(era, *words)
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        value = json.loads(done.stdout)
        return value.get("result", value)

    def in_each_era(self, check):
        for era in ("legacy", "modern"):
            with self.subTest(era=era):
                check(era)

    def test_tools_are_listed(self):
        def check(era):
            tools = self.answer(era, "--method", "tools/list")["tools"]
            self.assertEqual({tool["name"] for tool in tools}, TOOL_NAMES)

        self.in_each_era(check)

    def test_the_schemas_are_portable(self):
        self.in_each_era(lambda era: self.answer(era, "--method", "tools/list", "--strict"))

    def test_a_task_is_claimed(self):
        def check(era):
            arguments = json.dumps({"new": {"title": f"from the {era} era"}, "lease_seconds": 60})
            result = self.answer(era, "--method", "tools/call", "--tool-name", "claim_task", "--tool-args-json", arguments)
            self.assertEqual(result["structuredContent"]["title"], f"from the {era} era")

        self.in_each_era(check)

    def test_a_refusal_is_a_result(self):
        def check(era):
            done = self.inspect(era, "--method", "tools/call", "--tool-name", "transition_phase")
            self.assertIn("no_claim", done.stdout + done.stderr)

        self.in_each_era(check)

    def test_resources_and_prompts_are_listed(self):
        def check(era):
            resources = self.answer(era, "--method", "resources/list")["resources"]
            self.assertEqual({resource["uri"] for resource in resources}, {"phasegate://board", "phasegate://workflow"})
            prompts = self.answer(era, "--method", "prompts/list")["prompts"]
            self.assertEqual({prompt["name"] for prompt in prompts}, {"start", "resume", "hand_over"})

        self.in_each_era(check)


if __name__ == "__main__":
    unittest.main()
