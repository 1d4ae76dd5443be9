"""The official Python client with a person at it: what it shows of an approval, and what their answer does, in each era."""

import asyncio
import unittest

from mcp import StdioServerParameters
from mcp.client.client import Client
from mcp_types import ElicitResult

from harness import BINARY, MODERN, Workspace

ASKS = """\
version: 1
name: asks
phases:
  plan:
    goal: Say what will change.
    allow: [Read]
    exit:
      - approval: { ask: "Build it this way?", within: 1h, level: LEVEL }
    next: [done]
  done: { end: true }
"""


class Dialogs(unittest.TestCase):
    def in_each_mode(self, level, answer, story):
        for mode in ("legacy", "auto", MODERN):
            with self.subTest(mode=mode), Workspace(ASKS.replace("LEVEL", str(level))) as place:
                asked = []

                async def person(_context, params):
                    asked.append(params)
                    return answer

                async def whole():
                    parameters = StdioServerParameters(command=str(BINARY), args=["serve"], env=place.env, cwd=place.root)
                    async with Client(parameters, mode=mode, read_timeout_seconds=20, elicitation_callback=person) as client:
                        await client.call_tool("claim_task", {"new": {"title": "Make it"}})
                        result = await client.call_tool("request_approval", {"reason": "it is small"})
                        self.assertFalse(result.is_error, result.structured_content)
                        await story(client, asked, result.structured_content)

                asyncio.run(whole())

    def test_a_yes_in_the_dialog_opens_the_gate_and_is_recorded_as_what_it_is(self):
        async def story(client, asked, said):
            [params] = asked
            self.assertIn("Build it this way?", params.message)
            self.assertIn("The agent claims:\n│ it is small", params.message)
            self.assertEqual(list(params.requested_schema["properties"]), ["approve", "reason"])
            self.assertEqual((said["state"], said["reason"]), ("approved", "good"))
            self.assertTrue(said["answered_by"].startswith("client-of:"), said)
            moved = await client.call_tool("transition_phase", {})
            self.assertEqual(moved.structured_content["phase"], "done")

        self.in_each_mode(0, ElicitResult(action="accept", content={"approve": True, "reason": "good"}), story)

    def test_a_no_sends_the_agent_back(self):
        async def story(client, asked, said):
            self.assertEqual((len(asked), said["state"]), (1, "rejected"))
            self.assertEqual(said["reason"], "declined in the client's dialog")
            self.assertTrue((await client.call_tool("transition_phase", {})).is_error)

        self.in_each_mode(0, ElicitResult(action="decline"), story)

    def test_a_closed_dialog_leaves_the_approval_waiting(self):
        async def story(client, asked, said):
            self.assertEqual((len(asked), said["state"]), (1, "pending"))
            again = await client.call_tool("request_approval", {})
            self.assertEqual((len(asked), again.structured_content["state"]), (1, "pending"))

        self.in_each_mode(0, ElicitResult(action="cancel"), story)

    def test_a_gate_that_wants_more_proof_is_not_asked_here(self):
        async def story(_client, asked, said):
            self.assertEqual((asked, said["state"]), ([], "pending"))
            self.assertIn("phasegate approvals show A-1", said["next"])

        self.in_each_mode(1, ElicitResult(action="accept", content={"approve": True}), story)


if __name__ == "__main__":
    unittest.main()
