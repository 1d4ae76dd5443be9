"""The server starts from mcp-config.json exactly as a client would start it."""

import asyncio
import json
import os
import subprocess
import unittest

from mcp import StdioServerParameters
from mcp.client.client import Client

from harness import BINARY, REPOSITORY, TOOL_NAMES, Workspace


class Config(unittest.TestCase):
    def setUp(self):
        self.config = json.loads((REPOSITORY / "mcp-config.json").read_text())
        self.place = Workspace()
        self.addCleanup(self.place.close)
        self.place.env["PATH"] = f"{BINARY.parent}{os.pathsep}{self.place.env['PATH']}"

    def test_it_names_one_server_and_no_path_of_a_machine(self):
        [(name, entry)] = self.config["mcpServers"].items()
        self.assertEqual((name, entry["command"], entry.get("type", "stdio")), ("phasegate", "phasegate", "stdio"))
        self.assertNotIn("/", json.dumps(self.config))

    def test_an_official_client_starts_it(self):
        entry = self.config["mcpServers"]["phasegate"]
        parameters = StdioServerParameters(
            command=entry["command"], args=entry.get("args", []), env={**self.place.env, **entry.get("env", {})},
            cwd=self.place.root,
        )

        async def story():
            async with Client(parameters, mode="auto", read_timeout_seconds=20) as client:
                tools = await client.list_tools()
                self.assertEqual({tool.name for tool in tools.tools}, TOOL_NAMES)
                claimed = await client.call_tool("claim_task", {"new": {"title": "first"}})
                self.assertFalse(claimed.is_error, claimed)

        asyncio.run(story())
        self.assertTrue((self.place.root / ".phasegate").is_dir())

    def test_a_shell_starts_it(self):
        entry = self.config["mcpServers"]["phasegate"]
        ping = '{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
        done = subprocess.run(
            [entry["command"], *entry["args"]], cwd=self.place.root, env=self.place.env, input=ping, text=True,
            capture_output=True, timeout=20,
        )
        self.assertEqual((done.returncode, json.loads(done.stdout)["id"]), (0, 1), done.stderr)


if __name__ == "__main__":
    unittest.main()
