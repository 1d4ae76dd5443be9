"""Clients that send the server no id of a call: what an agent claims through the server is its own for the hook too."""

import json
import subprocess
import unittest

from harness import BINARY, Workspace
from test_claude_code import FLOW

WORDS = {
    "gemini": {"event": "hook_event_name", "before": "BeforeTool", "after": "AfterTool", "tool": "tool_name",
               "input": "tool_input", "session": "session_id", "own": "mcp_phasegate_", "write": ("write_file", "file_path")},
    "opencode": {"event": "event", "before": "before", "after": "after", "tool": "tool", "input": "args",
                 "session": "session", "own": "phasegate_", "write": ("write", "filePath")},
}


class Callers(unittest.TestCase):
    def hook(self, place, client, moment, tool, given, session="s-1"):
        words = WORDS[client]
        event = {
            words["event"]: words[moment], words["session"]: session, words["tool"]: tool, words["input"]: given,
            "cwd": str(place.root),
        }
        done = subprocess.run(
            [str(BINARY), "hook", client], cwd=place.root, env=place.env, input=json.dumps(event), capture_output=True,
            text=True, timeout=20,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def own(self, place, server, client, tool, given, session="s-1"):
        self.hook(place, client, "before", WORDS[client]["own"] + tool, given, session)
        said = server.call(tool, given)
        self.hook(place, client, "after", WORDS[client]["own"] + tool, given, session)
        return said

    def refused(self, place, client, name, session="s-1"):
        tool, key = WORDS[client]["write"]
        said = self.hook(place, client, "before", tool, {key: str(place.root / name), "content": "x"}, session)
        return "phasegate" in said and '"deny"' in said

    def test_a_claim_is_of_the_session_whose_hook_told_of_it(self):
        for client in WORDS:
            with self.subTest(client=client), Workspace(FLOW) as place, place.server() as server:
                server.initialize(client)
                self.assertTrue(self.refused(place, client, "notes/a.md"))
                self.own(place, server, client, "claim_task", {"new": {"title": "Make it"}})
                self.assertFalse(self.refused(place, client, "notes/a.md"))
                self.assertTrue(self.refused(place, client, "src/a.txt"))
                # Another session of the same client holds nothing.
                self.assertTrue(self.refused(place, client, "notes/a.md", session="s-2"))
                self.own(place, server, client, "claim_task", {"new": {"title": "Another"}}, session="s-2")
                self.assertFalse(self.refused(place, client, "notes/a.md", session="s-2"))
                claims = [record for record in place.records() if record["event"]["type"] == "TaskClaimed"]
                self.assertEqual(len({record["agent"] for record in claims}), 2, claims)

    def test_a_call_that_no_hook_told_of_is_of_no_session(self):
        for client in WORDS:
            with self.subTest(client=client), Workspace(FLOW) as place, place.server() as server:
                server.initialize(client)
                given = {"new": {"title": "Make it"}}
                self.own(place, server, client, "claim_task", given)
                # The same words again, of which no hook has told: not the agent of the call before.
                said = server.call("claim_task", given)
                self.assertEqual(said["task"], "T-2")
                agents = [record["agent"] for record in place.records() if record["event"]["type"] == "TaskClaimed"]
                self.assertEqual(len(set(agents)), 2, agents)


if __name__ == "__main__":
    unittest.main()
