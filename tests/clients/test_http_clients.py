"""The official Python client and the inspector over HTTP: one whole task in each era, with a credential."""

import asyncio
import json
import os
import subprocess
import unittest

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client

from harness import MODERN, STORY, TOOL_NAMES, TOOLS, Workspace
from http_server import LEGACY, HttpServer

MODES = {"legacy": LEGACY, "auto": MODERN, MODERN: MODERN}
LAUNCHER = TOOLS / "node/node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js"


async def one_task(test, place, client):
    listed = await client.list_tools()
    test.assertEqual({tool.name for tool in listed.tools}, TOOL_NAMES)

    async def does(name, arguments=None, **options):
        result = await client.call_tool(name, arguments, **options)
        test.assertFalse(result.is_error, result.structured_content)
        return result.structured_content

    brief = await does("claim_task", {"new": {"title": "Make it"}})
    test.assertEqual((brief["task"], brief["phase"]), ("T-1", "plan"))
    refused = await client.call_tool("transition_phase", {})
    test.assertEqual((refused.is_error, refused.structured_content["code"]), (True, "gates_unmet"))
    await does("submit_artifact", {"name": "plan", "content": {"steps": ["make it"]}})
    asked = await does("request_approval")
    place.cli("approvals", "approve", asked["approval"], "--yes")
    test.assertEqual((await does("transition_phase"))["phase"], "build")
    place.write("made.txt", "made\n")
    reports = []

    async def report(progress, total, message):
        reports.append((progress, message))

    ended = await does("transition_phase", {"summary": "made"}, progress_callback=report)
    test.assertEqual(ended["status"], "done")
    test.assertGreaterEqual(len(reports), 2, reports)
    board = await client.read_resource("phasegate://board")
    test.assertTrue(board.contents[0].text.strip())


class Python(unittest.TestCase):
    def test_a_whole_task_in_each_era(self):
        for mode, version in MODES.items():
            with self.subTest(mode=mode), Workspace(STORY) as place, HttpServer(place) as server:
                token = server.token("ana")

                async def whole():
                    headers = {"Authorization": f"Bearer {token}"}
                    async with httpx2.AsyncClient(headers=headers, timeout=30) as web:
                        transport = streamable_http_client(server.url, http_client=web)
                        async with Client(transport, mode=mode, read_timeout_seconds=20) as client:
                            self.assertEqual(client.protocol_version, version)
                            # A client that is told the version beforehand does not ask who the server is.
                            if mode != MODERN:
                                self.assertEqual(client.server_info.name, "phasegate")
                            await one_task(self, place, client)

                asyncio.run(whole())

    def test_no_credential_no_call(self):
        with Workspace(STORY) as place, HttpServer(place) as server:
            for token in ("", "pgt_" + "0" * 64):
                message, headers = server.modern("tools/list")
                status, answered, said = server.post(token, message, headers)
                self.assertEqual((status, said["code"]), (401, "unauthenticated"))
                self.assertTrue(answered.get("www-authenticate", "Bearer").startswith("Bearer"))


class Inspector(unittest.TestCase):
    def answer(self, server, token, era, *words):
        done = subprocess.run(
            ["node", str(LAUNCHER), "--cli", server.url, "--transport", "http", "--header", f"Authorization: Bearer {token}",
             "--protocol-era", era, "--format", "json", "-q", *words],
            cwd=server.place.root, env={**server.place.env, "MCP_CATALOG_PATH": os.devnull}, capture_output=True, text=True,
            timeout=60, stdin=subprocess.DEVNULL,
        )
        self.assertEqual(done.returncode, 0, done.stderr + done.stdout)
        value = json.loads(done.stdout)
        return value.get("result", value)

    def test_a_task_is_claimed(self):
        with Workspace(STORY) as place, HttpServer(place) as server:
            for era in ("legacy", "modern"):
                with self.subTest(era=era):
                    token = server.token(f"of-{era}")
                    tools = self.answer(server, token, era, "--method", "tools/list")["tools"]
                    self.assertEqual({tool["name"] for tool in tools}, TOOL_NAMES)
                    arguments = json.dumps({"new": {"title": f"from the {era} era"}})
                    result = self.answer(
                        server, token, era, "--method", "tools/call", "--tool-name", "claim_task", "--tool-args-json", arguments
                    )
                    self.assertEqual(result["structuredContent"]["title"], f"from the {era} era")
