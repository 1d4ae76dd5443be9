"""The official Python client against the real server: one whole task in each era, and a gate that is cancelled."""

import asyncio
import json
import os
import unittest

import anyio
from jsonschema import Draft202012Validator, FormatChecker
from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference, ResourceTemplateReference

from harness import BINARY, LONG_GATE, MODERN, STORY, TOOL_NAMES, Workspace, alive, descendants, eventually

MODES = {"legacy": "2025-11-25", "auto": MODERN, MODERN: MODERN}


def valid(schema, value):
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(value)


class Agent:
    """A client whose every tool answer is held against the schemas, the listed one and the full one."""

    def __init__(self, test, place, client):
        self.test, self.place, self.client = test, place, client
        self.full, self.listed = {}, {}

    async def learn(self):
        listed = await self.client.list_tools()
        self.test.assertIsNone(listed.next_cursor)
        for tool in listed.tools:
            self.listed[tool.name] = tool
            self.full[tool.name] = self.place.cli_json("schema", tool.name)
        return listed

    async def call(self, name, arguments=None, **options):
        valid(self.full[name]["input"], arguments or {})
        result = await self.client.call_tool(name, arguments, **options)
        self.test.assertFalse(result.is_error, result.structured_content)
        valid(self.listed[name].output_schema, result.structured_content)
        valid(self.full[name]["output"], result.structured_content)
        self.test.assertTrue(result.content[0].text.strip())
        return result.structured_content

    async def refused(self, name, arguments=None, **options):
        result = await self.client.call_tool(name, arguments, **options)
        self.test.assertTrue(result.is_error, result.structured_content)
        refusal = result.structured_content
        valid(self.place.cli_json("schema", "refusal"), refusal)
        self.test.assertTrue(refusal["message"] and refusal["hint"], refusal)
        self.test.assertIn(refusal["message"], result.content[0].text)
        self.test.assertIn(refusal["hint"], result.content[0].text)
        return refusal


class Python(unittest.TestCase):
    def run_client(self, mode, workflow, story):
        with Workspace(workflow) as place:
            parameters = StdioServerParameters(command=str(BINARY), args=["serve"], env=place.env, cwd=place.root)

            async def whole():
                async with Client(parameters, mode=mode, read_timeout_seconds=20) as client:
                    agent = Agent(self, place, client)
                    await agent.learn()
                    await story(agent)

            try:
                asyncio.run(whole())
            except BaseExceptionGroup as group:
                raise first_of(group) from None

    def in_each_mode(self, workflow, story):
        for mode in MODES:
            with self.subTest(mode=mode):
                self.run_client(mode, workflow, story)

    def test_the_version_and_the_server_are_named(self):
        for mode, version in MODES.items():
            async def story(agent):
                self.assertEqual(agent.client.protocol_version, version)
                if mode != MODERN:  # a pinned client does not ask
                    self.assertEqual(agent.client.server_info.name, "phasegate")
                    self.assertIn("claim_task", agent.client.instructions)

            with self.subTest(mode=mode):
                self.run_client(mode, None, story)

    def test_tools_are_listed_with_valid_schemas(self):
        async def story(agent):
            listed = await agent.client.list_tools(cache_mode="bypass")
            self.assertEqual({tool.name for tool in listed.tools}, TOOL_NAMES)
            for tool in listed.tools:
                for schema in (tool.input_schema, tool.output_schema, *(agent.full[tool.name][k] for k in ("input", "output"))):
                    Draft202012Validator.check_schema(schema)
                    self.assertEqual(schema["type"], "object", tool.name)
                self.assertLessEqual(set(tool.input_schema["properties"]), set(agent.full[tool.name]["input"]["properties"]))
                self.assertEqual(tool.input_schema["additionalProperties"], False)
                self.assertTrue(tool.description and tool.title and tool.annotations)
            again = await agent.client.list_tools(cache_mode="bypass")
            self.assertEqual(again.tools, listed.tools)

        self.in_each_mode(None, story)

    def test_a_whole_task(self):
        async def story(agent):
            reports = []

            async def report(step, _total, message):
                reports.append((step, message))

            brief = await agent.call("claim_task", {"new": {"title": "Write the file", "goal": "made.txt exists"}})
            self.assertEqual((brief["task"], brief["phase"], len(brief["unmet"])), ("T-1", "plan", 2))
            refusal = await agent.refused("transition_phase")
            self.assertEqual(refusal["code"], "gates_unmet")
            refusal = await agent.refused("submit_artifact", {"name": "plan", "content": {"steps": []}})
            self.assertEqual(refusal["code"], "artifact_invalid")
            handed_in = await agent.call("submit_artifact", {"name": "plan", "content": {"steps": ["write it"]}})
            self.assertEqual((handed_in["version"], len(handed_in["unmet"])), (1, 1))
            asked = await agent.call("request_approval", {"reason": "it is small"})
            self.assertEqual(asked["state"], "pending")
            self.assertEqual((await agent.refused("transition_phase"))["code"], "gates_unmet")
            agent.place.cli("approvals", "approve", asked["approval"], "--yes", "--reason", "go on")
            asked = await agent.call("request_approval")
            self.assertEqual((asked["state"], asked["answered_by"]), ("approved", "tester"))
            entered = await agent.call("transition_phase")
            self.assertEqual((entered["phase"], entered["brief"]["phase"]), ("build", "build"))
            # The gate runs, is refused, and says so; then the work is done and it passes.
            refusal = await agent.refused("transition_phase", {}, progress_callback=report)
            self.assertEqual(refusal["code"], "gates_unmet")
            agent.place.write("made.txt", "made\n")
            await agent.call("update_task", {"progress": "written", "percent": 90})
            arguments = {"summary": "made.txt is there", "confidence": 0.9, "result": {"files": 1}}
            entered = await agent.call("transition_phase", arguments, progress_callback=report)
            self.assertEqual((entered["phase"], entered["status"]), ("done", "done"))
            self.assertGreaterEqual(len(reports), 4, reports)
            self.assertEqual([step for step, _ in reports[:2]], [1, 2])
            self.assertTrue(all(message for _, message in reports))
            self.assertEqual((await agent.refused("claim_task"))["code"], "nothing_ready")
            listed = await agent.call("list_tasks", {"status": ["done"]})
            self.assertEqual([task["id"] for task in listed["tasks"]], ["T-1"])
            kinds = {record["event"]["type"] for record in (await agent.call("query_audit", {"limit": 200}))["records"]}
            self.assertLessEqual({"TaskSubmitted", "TaskClaimed", "GateRefused", "GatePassed", "TaskCompleted"}, kinds)

        self.in_each_mode(STORY, story)

    def test_the_other_tools_answer_as_they_declare(self):
        async def story(agent):
            graph = {"tasks": [{"ref": "a", "title": "first"}, {"ref": "b", "title": "second", "depends_on": ["a"]}]}
            submitted = await agent.call("submit_task", graph)
            self.assertEqual(submitted["waves"], [["T-1"], ["T-2"]])
            await agent.call("route_model", {"type": "bugfix", "description": "a race", "files": 3, "risk": "high"})
            await agent.call("claim_task", {"id": "T-1", "lease_seconds": 60})
            await agent.call("update_task", {"checkpoint": {"left": ["all"]}})
            await agent.call("update_task", {"blocker": "no access"})
            await agent.call("update_task", {"task": "T-1", "unblock": True})
            await agent.call("claim_task", {"id": "T-1"})
            question = {"question": "Which?", "choices": ["red", "blue"]}
            asked = await agent.call("request_approval", question)
            agent.place.cli("approvals", "approve", asked["approval"], "--yes", "--choice", "blue")
            self.assertEqual((await agent.call("request_approval", question))["choice"], "blue")
            await agent.call("update_task", {"release": "somebody else may"})
            brief = await agent.call("claim_task", {"filter": {}})
            self.assertEqual((brief["task"], brief["checkpoint"]), ("T-1", {"left": ["all"]}))
            await agent.call("update_task", {"fail": "it cannot be done", "for_good": True})
            await agent.call("update_task", {"task": "T-1", "reopen": "it can"})

        self.in_each_mode(STORY, story)

    def test_arguments_that_do_not_fit_are_refused_by_name(self):
        cases = [
            ("claim_task", {"role": "approver"}, "role"),
            ("claim_task", {"id": 1}, "id"),
            ("claim_task", {"lease_seconds": 10**12}, "lease_seconds"),
            ("query_audit", {"since": "yesterday"}, "since"),
            ("list_tasks", {"limit": 0}, "limit"),
            ("submit_task", {"tasks": [{"title": "x", "admin": True}]}, "admin"),
        ]

        async def story(agent):
            for tool, arguments, field in cases:
                refusal = await agent.refused(tool, arguments)
                self.assertEqual(refusal["code"], "bad_arguments")
                self.assertIn(field, refusal["message"])
            with self.assertRaises(MCPError) as caught:
                await agent.client.call_tool("no_such_tool", {})
            self.assertEqual(caught.exception.error.code, -32602)

        self.in_each_mode(None, story)

    def test_resources_prompts_and_completion(self):
        async def story(agent):
            await agent.call("claim_task", {"new": {"title": "Write the file"}})
            resources = await agent.client.list_resources()
            self.assertEqual({str(resource.uri) for resource in resources.resources}, {"phasegate://board", "phasegate://workflow"})
            for resource in resources.resources:
                read = await agent.client.read_resource(str(resource.uri))
                self.assertEqual(read.contents[0].mime_type, resource.mime_type)
                self.assertIn("Write the file" if "board" in str(resource.uri) else "story", read.contents[0].text)
            templates = await agent.client.list_resource_templates()
            [template] = templates.resource_templates
            self.assertEqual(template.uri_template, "phasegate://task/{id}")
            read = await agent.client.read_resource("phasegate://task/T-1")
            self.assertEqual(json.loads(read.contents[0].text)["spec"]["title"], "Write the file")
            for uri in ("phasegate://task/T-99", "phasegate://nothing", "file:///etc/passwd", "phasegate://task/../../x"):
                with self.assertRaises(MCPError) as caught:
                    await agent.client.read_resource(uri)
                self.assertIn(caught.exception.error.code, (-32602, -32002), uri)
            prompts = await agent.client.list_prompts()
            self.assertEqual({prompt.name for prompt in prompts.prompts}, {"start", "resume", "hand_over"})
            for prompt in prompts.prompts:
                got = await agent.client.get_prompt(prompt.name)
                self.assertTrue(got.messages[0].content.text)
            got = await agent.client.get_prompt("start", {"title": "Write it"})
            self.assertIn('"Write it"', got.messages[0].content.text)
            with self.assertRaises(MCPError):
                await agent.client.get_prompt("no_such_prompt")
            for reference, name in (
                (ResourceTemplateReference(uri=template.uri_template), "id"), (PromptReference(name="resume"), "task"),
            ):
                found = await agent.client.complete(reference, {"name": name, "value": "T"})
                self.assertEqual(found.completion.values, ["T-1"])
                found = await agent.client.complete(reference, {"name": name, "value": "T-2"})
                self.assertEqual(found.completion.values, [])

        self.in_each_mode(STORY, story)

    def test_a_cancelled_gate_ends_its_program_and_not_the_server(self):
        async def story(agent):
            await agent.call("claim_task", {"new": {"title": "wait"}})
            [server] = [pid for pid in descendants(os.getpid()) if is_server(pid)]
            started = anyio.Event()

            async def report(_step, _total, _message):
                started.set()

            async with anyio.create_task_group() as group:
                async def transition():
                    await agent.client.call_tool("transition_phase", {}, progress_callback=report)

                group.start_soon(transition)
                with anyio.fail_after(10):
                    await started.wait()
                    while not (programs := descendants(server)):
                        await anyio.sleep(0.02)
                group.cancel_scope.cancel()
            [program] = programs
            await anyio.to_thread.run_sync(lambda: eventually("the program is gone", lambda: not alive(program), 5))
            self.assertTrue(alive(server))
            listed = await agent.call("list_tasks")
            self.assertEqual(listed["tasks"][0]["status"], "claimed")
            with anyio.fail_after(10):
                while not any(record["event"]["type"] == "GateRefused" for record in agent.place.records()):
                    await anyio.sleep(0.05)
            await agent.call("update_task", {"progress": "still here"})

        self.in_each_mode(LONG_GATE, story)


def first_of(error):
    """What really happened, out of the client's groups within groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def is_server(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as command:
        words = command.read().split(b"\0")
    return words[0] == str(BINARY).encode()


if __name__ == "__main__":
    unittest.main()
