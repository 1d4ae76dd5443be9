"""The plugin as Claude Code sees it: valid, installed from this repository, and naming no path of a machine."""

import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

from harness import REPOSITORY

TOOLS = Path(os.environ.get("PHASEGATE_TOOLS", REPOSITORY / "target/tools"))
NATIVE = TOOLS / "node/node_modules/@anthropic-ai/claude-code-linux-x64/claude"
CLAUDE = Path(os.environ.get("PHASEGATE_CLAUDE", NATIVE))
PLUGIN = REPOSITORY / "plugin"


class Plugin(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)
        self.env = {
            "PATH": os.environ["PATH"], "HOME": self.home.name, "CLAUDE_CONFIG_DIR": f"{self.home.name}/.claude",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1", "DISABLE_TELEMETRY": "1", "DISABLE_ERROR_REPORTING": "1",
            "DISABLE_AUTOUPDATER": "1",
        }

    def claude(self, *words):
        done = subprocess.run(
            [CLAUDE, *words], env=self.env, cwd=self.home.name, stdin=subprocess.DEVNULL, text=True,
            capture_output=True, timeout=60,
        )
        return done.returncode, done.stdout + done.stderr

    def test_claude_code_finds_no_fault_in_it(self):
        code, said = self.claude("plugin", "validate", str(PLUGIN), "--strict")
        self.assertEqual(code, 0, said)
        hooks = json.loads((PLUGIN / "hooks/hooks.json").read_text())["hooks"]
        for event in hooks:
            self.assertIn(f"hooks: {event} ", said)
        self.assertIn("mcpServers: phasegate stdio phasegate", said)

    def test_claude_code_finds_no_fault_in_the_marketplace(self):
        code, said = self.claude("plugin", "validate", str(REPOSITORY), "--strict")
        self.assertEqual(code, 0, said)

    def test_a_hook_that_is_misspelt_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "plugin"
            subprocess.run(["cp", "-r", PLUGIN, copy], check=True)
            hooks = copy / "hooks/hooks.json"
            hooks.write_text(hooks.read_text().replace('"PreToolUse"', '"BeforeTool"'))
            code, said = self.claude("plugin", "validate", str(copy), "--strict")
            self.assertNotEqual(code, 0, said)

    def test_it_is_installed_from_this_repository(self):
        code, said = self.claude("plugin", "marketplace", "add", str(REPOSITORY))
        self.assertEqual(code, 0, said)
        code, said = self.claude("plugin", "install", "phasegate@phasegate")
        self.assertEqual(code, 0, said)
        code, said = self.claude("plugin", "list")
        self.assertIn("phasegate@phasegate", said)

    def test_it_names_no_path_of_a_machine(self):
        for file in ["hooks/hooks.json", ".claude-plugin/plugin.json"]:
            text = (PLUGIN / file).read_text()
            self.assertIn('"command": "phasegate"', text)
            self.assertNotIn('": "/', text)
