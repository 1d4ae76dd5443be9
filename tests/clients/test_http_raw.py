"""MCP over HTTP without a client between: whose a session is, what is lost and found again, what is cancelled, what is bounded."""

import json
import threading
import unittest

from harness import LONG_GATE, MODERN, PLAIN, Workspace, eventually
from http_server import LEGACY, HttpServer, events, first_event

SLOW_GATE = LONG_GATE.replace('"30"', '"1.5"')


def called(tool, arguments=None, number=2, meta=None):
    params = {"name": tool, "arguments": arguments or {}}
    if meta:
        params["_meta"] = meta
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def kinds(place):
    return {record["event"]["type"] for record in place.records()}


class Raw(unittest.TestCase):
    def served(self, workflow=PLAIN, *words):
        place = Workspace(workflow)
        self.addCleanup(place.close)
        server = HttpServer(place, *words)
        self.addCleanup(server.close)
        return place, server

    def test_a_session_is_not_there_for_anybody_else(self):
        _, server = self.served()
        ana, ben = server.token("ana"), server.token("ben")
        status, session, _ = server.initialize(ana)
        self.assertEqual(status, 200)
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        self.assertEqual(server.post(ana, ping, session)[0], 200)
        self.assertEqual(server.post(ben, ping, session)[0], 404)
        for method in ("GET", "DELETE"):
            self.assertEqual(server.post(ben, None, session, method)[0], 404, method)
        self.assertEqual(server.post(ana, ping, session)[0], 200)
        self.assertIn(server.post(ana, None, session, "DELETE")[0], (200, 202, 204))
        self.assertEqual(server.post(ana, ping, session)[0], 404)

    def test_the_newest_protocol_has_no_streams_to_open_and_nothing_to_delete(self):
        _, server = self.served()
        ana = server.token("ana")
        for method in ("GET", "DELETE"):
            self.assertEqual(server.post(ana, None, {"MCP-Protocol-Version": MODERN}, method)[0], 405, method)

    def test_a_second_initialize_in_a_session_is_refused(self):
        _, server = self.served()
        ana = server.token("ana")
        _, session, _ = server.initialize(ana)
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
        again = {"jsonrpc": "2.0", "id": 9, "method": "initialize", "params": params}
        _, _, said = server.post(ana, again, session)
        self.assertEqual((said[0]["id"], said[0]["error"]["code"]), (9, -32600))
        self.assertEqual(server.post(ana, called("list_tasks"), session)[0], 200)

    def test_two_callers_with_the_same_ids_get_their_own_answers(self):
        _, server = self.served()
        names = ("ana", "ben", "cleo", "dan")
        tokens = [server.token(name) for name in names]
        sessions = [server.initialize(token)[1] for token in tokens]
        for number, token in enumerate(tokens):
            server.call(token, "claim_task", {"new": {"title": f"of {number}"}})
        wrong = []

        def work(number, token, session):
            for _ in range(20):
                _, _, said = server.post(token, called("claim_task", {"id": f"T-{number + 1}"}), session)
                old = said[-1]["result"]["structuredContent"]["title"]
                message, headers = server.modern("tools/call", {"name": "list_tasks", "arguments": {"agent": names[number]}}, "list_tasks")
                _, _, new = server.post(token, message, headers)
                new = [task["title"] for task in new["result"]["structuredContent"]["tasks"]]
                if (old, new) != (f"of {number}", [f"of {number}"]):
                    wrong.append((number, old, new))

        threads = [threading.Thread(target=work, args=(number, *pair)) for number, pair in enumerate(zip(tokens, sessions))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_an_answer_that_was_lost_on_the_way_is_found_again(self):
        place, server = self.served(SLOW_GATE)
        ana, ben = server.token("ana"), server.token("ben")
        _, session, _ = server.initialize(ana)
        server.post(ana, called("claim_task", {"new": {"title": "wait"}}), session)
        response, connection = server.send(ana, called("transition_phase", number=7), session)
        event = first_event(response)
        connection.close()
        eventually("the task was done", lambda: "TaskCompleted" in kinds(place))
        found = {**session, "Last-Event-ID": event}
        self.assertEqual(server.post(ben, None, found, "GET")[0], 404)
        status, _, said = server.post(ana, None, found, "GET")
        self.assertEqual((status, said[-1]["id"]), (200, 7))
        self.assertEqual(said[-1]["result"]["structuredContent"]["status"], "done")
        # What belongs to another session is not found there.
        _, other, _ = server.initialize(ana)
        self.assertEqual(server.post(ana, None, {**other, "Last-Event-ID": event}, "GET")[2], [])

    def test_closing_the_stream_of_a_call_cancels_it(self):
        place, server = self.served(LONG_GATE)
        ana = server.token("ana")
        server.call(ana, "claim_task", {"new": {"title": "wait"}})
        message, headers = server.modern(
            "tools/call", {"name": "transition_phase", "arguments": {}}, "transition_phase", meta={"progressToken": "p"}
        )
        response, connection = server.send(ana, message, headers)
        self.assertEqual(response.headers["content-type"], "text/event-stream")
        first_event(response)
        connection.close()
        eventually("the gate was ended", lambda: "GateRefused" in kinds(place))

    def test_roles_bound_the_tools(self):
        _, server = self.served()
        for role, tool, open_to_it in [
            ("auditor", "list_tasks", True), ("auditor", "query_audit", True), ("auditor", "claim_task", False),
            ("auditor", "submit_task", False), ("approver", "list_tasks", True), ("approver", "request_approval", False),
            ("operator", "submit_task", True), ("operator", "claim_task", False), ("agent", "claim_task", True),
        ]:
            with self.subTest(role=role, tool=tool):
                token = server.token(f"{role}-{tool}".replace("_", "-"), role)
                arguments = {"claim_task": {"new": {"title": "x"}}, "submit_task": {"title": "x"}}.get(tool, {})
                result = server.call(token, tool, arguments)
                code = result["structuredContent"].get("code")
                self.assertEqual(code != "role_required", open_to_it, result)

    def test_the_call_of_another_agent_makes_nobody_that_agent(self):
        place, server = self.served()
        ana, ben = server.token("ana"), server.token("ben")
        seen = {
            "session_id": "s1", "hook_event_name": "PreToolUse", "cwd": str(place.root), "tool_use_id": "toolu_1",
            "tool_name": "mcp__phasegate__claim_task", "tool_input": {}, "permission_mode": "default",
            "transcript_path": str(place.home / "t.jsonl"),
        }
        place.env["PHASEGATE_AGENT"] = "ana"
        done = place.run("hook", "claude-code", stdin=None, input=json.dumps(seen))
        self.assertEqual(done.returncode, 0, done.stderr)
        named = {"claudecode/toolUseId": "toolu_1"}
        server.call(ben, "claim_task", {"new": {"title": "by ben"}}, meta=named)
        tasks = server.call(ana, "list_tasks", {})["structuredContent"]["tasks"]
        self.assertEqual([task.get("agent") for task in tasks], [] if not tasks else ["ben"])
        server.call(ana, "claim_task", {"new": {"title": "by ana"}}, meta=named)
        tasks = server.call(ana, "list_tasks", {})["structuredContent"]["tasks"]
        self.assertEqual([task["agent"] for task in tasks if task["title"] == "by ana"], ["ana"])

    def heard(self, response, method, of=None):
        """Reads until a notification of this method comes, whatever comes before it."""
        for _ in range(200):
            line = response.readline().decode()
            self.assertTrue(line, "the stream ended")
            if line.startswith("data:") and line[5:].strip():
                said = json.loads(line[5:])
                if said.get("method") == method and (of is None or said["params"]["uri"] == of):
                    return said
        self.fail(f"no {method}")

    def test_who_watches_is_told_in_the_newest_protocol(self):
        place, server = self.served()
        ana, ben = server.token("ana"), server.token("ben")
        server.call(ana, "submit_task", {"title": "one"})
        watched = ["phasegate://board", "phasegate://task/T-1", "phasegate://task/T-2", "file:///etc/hosts"]
        message, headers = server.modern("subscriptions/listen", {"notifications": {"resourceSubscriptions": watched}})
        response, connection = server.send(ben, message, headers)
        self.addCleanup(connection.close)
        accepted = self.heard(response, "notifications/subscriptions/acknowledged")
        self.assertEqual(accepted["params"]["notifications"]["resourceSubscriptions"], watched[:3])
        server.call(ana, "claim_task", {"id": "T-1"})
        self.heard(response, "notifications/resources/updated", "phasegate://board")
        told = self.heard(response, "notifications/resources/updated", "phasegate://task/T-1")
        self.assertEqual(told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"], 1)
        # By another process too.
        place.cli("call", "submit_task", '{"title": "two"}')
        self.heard(response, "notifications/resources/updated", "phasegate://task/T-2")

    def test_who_watches_is_told_in_a_session(self):
        _, server = self.served()
        ana = server.token("ana")
        server.call(ana, "submit_task", {"title": "one"})
        _, session, _ = server.initialize(ana)
        response, connection = server.send(ana, None, session, "GET")
        self.addCleanup(connection.close)
        for number, (uri, good) in enumerate([("phasegate://task/T-1", True), ("phasegate://workflow", False)], 10):
            message = {"jsonrpc": "2.0", "id": number, "method": "resources/subscribe", "params": {"uri": uri}}
            _, _, said = server.post(ana, message, session)
            self.assertEqual("result" in said[-1], good, said)
        server.call(ana, "claim_task", {"id": "T-1"})
        self.heard(response, "notifications/resources/updated", "phasegate://task/T-1")

    def long_call(self, server, token, tool, arguments=None):
        """A call of a client that takes handles."""
        declared = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}}
        message, headers = server.modern("tools/call", {"name": tool, "arguments": arguments or {}}, tool, meta=declared)
        return server.post(token, message, headers)[2]["result"]

    def of_task(self, server, token, method, handle, **params):
        declared = {"io.modelcontextprotocol/clientCapabilities": {"extensions": {"io.modelcontextprotocol/tasks": {}}}}
        message, headers = server.modern(method, {"taskId": handle, **params}, handle, meta=declared)
        return server.post(token, message, headers)[2]

    def test_a_gate_that_takes_long_is_answered_with_a_handle(self):
        _, server = self.served(LONG_GATE.replace('"30"', '"3"'))
        ana, ben = server.token("ana"), server.token("ben")
        server.call(ana, "claim_task", {"new": {"title": "wait"}})
        made = self.long_call(server, ana, "transition_phase")
        self.assertEqual((made["resultType"], made["status"]), ("task", "working"))
        handle = made["taskId"]
        self.assertGreaterEqual(len(handle), 4 + 32)
        self.assertEqual(self.of_task(server, ben, "tasks/get", handle)["error"]["code"], -32602)
        self.assertEqual(self.of_task(server, ben, "tasks/cancel", handle)["error"]["code"], -32602)
        state = lambda: self.of_task(server, ana, "tasks/get", handle)["result"]
        eventually("it is completed", lambda: state()["status"] == "completed")
        self.assertEqual(state()["result"]["structuredContent"]["status"], "done")

    def test_a_call_with_a_handle_can_be_cancelled(self):
        place, server = self.served(LONG_GATE)
        ana = server.token("ana")
        server.call(ana, "claim_task", {"new": {"title": "wait"}})
        handle = self.long_call(server, ana, "transition_phase")["taskId"]
        self.assertEqual(self.of_task(server, ana, "tasks/cancel", handle)["result"]["resultType"], "complete")
        eventually("it is cancelled", lambda: self.of_task(server, ana, "tasks/get", handle)["result"]["status"] == "cancelled")
        self.assertIn("GateRefused", kinds(place))

    def test_waiting_for_a_person_outlives_the_server(self):
        place, server = self.served(PLAIN)
        ana = server.token("ana")
        server.call(ana, "claim_task", {"new": {"title": "ask"}})
        made = self.long_call(server, ana, "request_approval", {"question": "May I?", "wait_seconds": 300})
        self.assertEqual((made["resultType"], made["status"]), ("task", "working"))
        server.close()
        with HttpServer(place) as again:
            said = self.of_task(again, ana, "tasks/get", made["taskId"])["result"]
            self.assertEqual(said["status"], "working")
            place.cli("approvals", "approve", "A-1", "--yes")
            said = self.of_task(again, ana, "tasks/get", made["taskId"])["result"]
            self.assertEqual((said["status"], said["result"]["structuredContent"]["state"]), ("completed", "approved"))

    def test_what_is_no_message_is_said_to_be_none(self):
        _, server = self.served()
        ana = server.token("ana")
        for body, code in [("[]", -32600), ("{", -32700), ('{"a":1,"a":1}', -32600), ("", -32700), ("{}", -32600)]:
            connection = server.connection()
            headers = {"Authorization": f"Bearer {ana}", "Accept": "application/json, text/event-stream"}
            connection.request("POST", "/mcp", body, {**headers, "Content-Type": "application/json"})
            response = connection.getresponse()
            said = json.loads(response.read())
            self.assertEqual((response.status, said["error"]["code"]), (400, code), body)
            connection.close()

    def test_sessions_without_end_are_bounded(self):
        _, server = self.served(PLAIN, "--calls-per-minute", "1000000")
        ana, ben = server.token("ana"), server.token("ben")
        _, of_ben, _ = server.initialize(ben)
        first = last = None
        for _ in range(5000):
            status, session, _ = server.initialize(ana)
            self.assertEqual(status, 200)
            first, last = first or session, session
        ping = {"jsonrpc": "2.0", "id": 2, "method": "ping"}
        self.assertEqual(server.post(ana, ping, first)[0], 404)
        self.assertEqual(server.post(ana, ping, last)[0], 200)
        self.assertEqual(server.post(ben, ping, of_ben)[0], 200, "ana's sessions took ben's")
        self.assertLess(server.memory_kib(), 200 * 1024)


class Stream(unittest.TestCase):
    def test_events_are_read(self):
        self.assertEqual(list(events('id: a\nretry: 3\ndata: \n\ndata: {"x":1}\nid: b\n\n')), [("a", None), ("b", {"x": 1})])
