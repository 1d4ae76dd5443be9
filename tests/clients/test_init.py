"""What `phasegate init` writes, read by the real Claude Code: found, approved without a dialog, connected."""

import json
import os
import subprocess
import unittest
from pathlib import Path

from harness import BINARY, Workspace
from test_plugin import CLAUDE


class Init(unittest.TestCase):
    def setUp(self):
        self.place = Workspace()
        self.addCleanup(self.place.close)
        self.root = Path(self.place.root)
        # The programs by their names, as on somebody's machine.
        programs = self.place.home / "bin"
        programs.mkdir()
        (programs / "claude").symlink_to(Path(CLAUDE).resolve())
        (programs / "phasegate").symlink_to(BINARY.resolve())
        config = self.place.home / ".claude"
        config.mkdir()
        trusted = {"projects": {str(self.root.resolve()): {"hasTrustDialogAccepted": True}}}
        (config / ".claude.json").write_text(json.dumps(trusted))
        self.env = {
            **self.place.env, "PATH": f"{programs}{os.pathsep}{self.place.env['PATH']}",
            "CLAUDE_CONFIG_DIR": str(config), "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_TELEMETRY": "1", "DISABLE_ERROR_REPORTING": "1", "DISABLE_AUTOUPDATER": "1",
        }

    def run_in(self, *words):
        done = subprocess.run(
            words, cwd=self.root, env=self.env, stdin=subprocess.DEVNULL, text=True, capture_output=True, timeout=60,
        )
        return done.stdout + done.stderr

    def test_claude_code_reads_what_init_wrote_and_connects(self):
        said = self.run_in("phasegate", "init", "--client", "claude-code", "--yes")
        self.assertIn("guard: enforced", said)
        listed = self.run_in("claude", "mcp", "list")
        self.assertRegex(listed, r"phasegate: phasegate serve - .*Connected")
        self.assertNotIn("Has errors", listed)

    def test_claude_code_does_not_know_us_any_more_after_undo(self):
        self.run_in("phasegate", "init", "--client", "claude-code", "--yes")
        self.run_in("phasegate", "init", "--undo")
        self.assertNotIn("phasegate:", self.run_in("claude", "mcp", "list"))
