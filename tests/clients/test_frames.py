"""Frames that are wrong, and what the real server does with each: the reply that is due, and then business as usual."""

import json
import unittest

from harness import META, PLAIN, WAIT, Workspace

PARSE, REQUEST, METHOD, PARAMS, VERSION = -32700, -32600, -32601, -32602, -32022
NOTHING, FINE = "nothing", "fine"


def message(**members):
    return json.dumps({"jsonrpc": "2.0", **members}).encode()


def tool(name, arguments, number=1):
    return message(id=number, method="tools/call", params={"name": name, "arguments": arguments})


def nested(levels):
    value = 1
    for _ in range(levels):
        value = {"a": value}
    return value


def ping(members, head=b'"jsonrpc":"2.0"'):
    return b"{" + head + b"," + members + b"}"


# Each: what it is, the bytes without the newline, and the code of the error (with the id it carries), NOTHING or FINE.
NO_JSON = [
    ("a word", b"ping", PARSE, None),
    ("a message cut short", b'{"jsonrpc":"2.0","id":1,"method":"ping"', PARSE, None),
    ("a string without its end", b'{"jsonrpc":"2.0","id":1,"method":"pi', PARSE, None),
    ("a closing bracket too many", message(id=1, method="ping") + b"}", PARSE, None),
    ("brackets that do not match", b'{"jsonrpc":"2.0","id":[1},"method":"ping"}', PARSE, None),
    ("a comma at the end", ping(b'"id":1,"method":"ping",'), PARSE, None),
    ("two commas", ping(b'"id":1,,"method":"ping"'), PARSE, None),
    ("a missing colon", ping(b'"id" 1,"method":"ping"'), PARSE, None),
    ("a key without quotes", ping(b'id:1,"method":"ping"'), PARSE, None),
    ("a key that is a number", ping(b'1:1,"method":"ping"'), PARSE, None),
    ("a comment", ping(b'"id":1,/* so */"method":"ping"'), PARSE, None),
    ("a comment to the end", message(id=1, method="ping") + b" // done", PARSE, None),
    ("a hexadecimal number", ping(b'"id":0x1,"method":"ping"'), PARSE, None),
    ("a number with a plus", ping(b'"id":+1,"method":"ping"'), PARSE, None),
    ("a number that ends with its point", ping(b'"id":1.,"method":"ping"'), PARSE, None),
    ("a number without its exponent", ping(b'"id":1e,"method":"ping"'), PARSE, None),
    ("a minus alone", ping(b'"id":-,"method":"ping"'), PARSE, None),
    ("not a number", ping(b'"id":NaN,"method":"ping"'), PARSE, None),
    ("an infinity", ping(b'"id":-Infinity,"method":"ping"'), PARSE, None),
    ("a literal in the wrong case", ping(b'"id":1,"method":"ping","x":TRUE'), PARSE, None),
    ("an escape there is not", ping(b'"id":1,"method":"p\\ing"'), PARSE, None),
    ("an escape of two digits", ping(b'"id":1,"method":"\\u70ing"'), PARSE, None),
    ("a tab within a string", ping(b'"id":1,"method":"pi\tng"'), PARSE, None),
    ("a zero byte within a string", ping(b'"id":1,"method":"pi\0ng"'), PARSE, None),
    ("a zero byte before the message", b"\0" + message(id=1, method="ping"), PARSE, None),
    ("a byte order mark", b"\xef\xbb\xbf" + message(id=1, method="ping"), PARSE, None),
    ("utf-16", message(id=1, method="ping").decode().encode("utf-16-le"), PARSE, None),
    ("a byte that is not utf-8", ping(b'"id":1,"method":"p\xe9ng"'), PARSE, None),
    ("an overlong slash", ping(b'"id":1,"method":"tools\xc0\xaflist"'), PARSE, None),
    ("a surrogate in utf-8", ping(b'"id":1,"method":"\xed\xa0\x80"'), PARSE, None),
    ("a code point past the last", ping(b'"id":1,"method":"\xf4\x90\x80\x80"'), PARSE, None),
    ("a form feed as a space", b"\x0c" + message(id=1, method="ping"), PARSE, None),
    ("two messages with a space between", message(id=1, method="ping") + b" " + message(id=2, method="ping"), PARSE, None),
    ("two messages with a carriage return between", message(id=1, method="ping") + b"\r" + message(id=2, method="ping"), PARSE, None),
    ("an http request", b"POST /mcp HTTP/1.1", PARSE, None),
    ("a header of another framing", b"Content-Length: 40", PARSE, None),
    ("fifty thousand brackets", b"[" * 50_000, PARSE, None),
    ("fifty thousand brackets, closed", b"[" * 50_000 + b"]" * 50_000, PARSE, None),
    ("a hundred levels in params", message(id=1, method="ping", params=nested(100)), PARSE, None),
]
NO_MESSAGE = [
    ("a number", b"42", REQUEST, None),
    ("a string", b'"ping"', REQUEST, None),
    ("false", b"false", REQUEST, None),
    ("an empty object", b"{}", REQUEST, None),
    ("an empty batch", b"[]", REQUEST, None),
    ("a batch", b"[" + message(id=1, method="ping") + b"," + message(id=2, method="ping") + b"]", REQUEST, None),
    ("no version", b'{"id":1,"method":"ping"}', REQUEST, 1),
    ("another version", b'{"jsonrpc":"2.1","id":1,"method":"ping"}', REQUEST, 1),
    ("a version that is a list", b'{"jsonrpc":["2.0"],"id":1,"method":"ping"}', REQUEST, 1),
    ("no method", message(id=1), REQUEST, 1),
    ("no method but params", message(id=1, params={}), REQUEST, 1),
    ("a method that is null", message(id=1, method=None), REQUEST, 1),
    ("a method that is a list", message(id=1, method=["ping"]), REQUEST, 1),
    ("a request that is also an answer", message(id=1, method="ping", result={}), REQUEST, 1),
    ("an id of a fraction", message(id=0.5, method="ping"), REQUEST, None),
    ("an id of a float without a fraction", ping(b'"id":1.0,"method":"ping"'), REQUEST, None),
    ("an id past 64 bits", ping(b'"id":18446744073709551616,"method":"ping"'), REQUEST, None),
    ("an id that is a list", message(id=[1], method="ping"), REQUEST, None),
    ("an id that is false", message(id=False, method="ping"), REQUEST, None),
    ("an id that is null", message(id=None, method="tools/list"), REQUEST, None),
    ("two ids", ping(b'"id":1,"id":2,"method":"ping"'), REQUEST, None),
    ("two methods, one written with an escape", ping(b'"id":1,"method":"ping","m\\u0065thod":"tools/list"'), REQUEST, None),
    ("two names of a tool", ping(b'"id":1,"method":"tools/call","params":{"name":"list_tasks","name":"claim_task"}'), REQUEST, None),
    ("a title given twice, deep inside", ping(b'"id":1,"method":"tools/call","params":{"name":"claim_task","arguments":{"new":{"title":"a","title":"b"}}}'), REQUEST, None),
    ("params that are a number", message(id=1, method="tools/list", params=1), PARAMS, 1),
    ("params that are a list", message(id=1, method="tools/call", params=["list_tasks", {}]), PARAMS, 1),
    ("params that are null", message(id=1, method="tools/call", params=None), PARAMS, 1),
    ("meta that is a string", message(id=1, method="tools/list", params={"_meta": "x"}), PARAMS, 1),
    ("half a surrogate pair in a title", ping(b'"id":1,"method":"tools/call","params":{"name":"claim_task","arguments":{"new":{"title":"\\ud83d"}}}'), PARAMS, 1),
    ("a number no float can hold", ping(b'"id":1,"method":"tools/call","params":{"name":"update_task","arguments":{"percent":1e400}}'), PARAMS, 1),
    ("a number of a thousand digits", ping(b'"id":1,"method":"tools/call","params":{"name":"list_tasks","arguments":{"limit":' + b"1" * 1000 + b"}}"), PARAMS, 1),
    ("a call without a name", message(id=1, method="tools/call", params={"arguments": {}}), PARAMS, 1),
    ("a name that is a number", message(id=1, method="tools/call", params={"name": 1}), PARAMS, 1),
    ("arguments that are a list", message(id=1, method="tools/call", params={"name": "list_tasks", "arguments": []}), PARAMS, 1),
    ("arguments that are a string", message(id=1, method="tools/call", params={"name": "list_tasks", "arguments": "{}"}), PARAMS, 1),
    ("a tool there is not", tool("drop_tasks", {}), PARAMS, 1),
    ("a tool in another case", tool("Claim_Task", {}), PARAMS, 1),
    ("a tool with a path", tool("../claim_task", {}), PARAMS, 1),
    ("a resource of another scheme", message(id=1, method="resources/read", params={"uri": "file:///etc/hosts"}), PARAMS, 1),
    ("a resource above its folder", message(id=1, method="resources/read", params={"uri": "phasegate://task/../board"}), PARAMS, 1),
    ("a resource with an id that is none", message(id=1, method="resources/read", params={"uri": "phasegate://task/T-1%00"}), PARAMS, 1),
    ("a prompt there is not", message(id=1, method="prompts/get", params={"name": "system"}), PARAMS, 1),
    ("a method there is not", message(id=1, method="tools/drop"), METHOD, 1),
    ("a method in another case", message(id=1, method="Tools/List"), METHOD, 1),
    ("a method with a space", message(id=1, method="ping "), METHOD, 1),
    ("an inner method", message(id=1, method="rpc.discover"), METHOD, 1),
    ("a method of ten thousand letters", message(id=1, method="m" * 10_000), METHOD, 1),
    ("a second handshake", message(id=1, method="initialize", params={"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}), REQUEST, 1),
]
SILENT = [
    ("an empty line", b""),
    ("blanks", b" \t \r"),
    ("a notification nobody knows", message(method="notifications/nobody")),
    ("a notification with a list", message(method="notifications/progress", params=[])),
    ("a call without an id", message(method="tools/call", params={"name": "claim_task", "arguments": {"new": {"title": "x"}}})),
    ("a cancellation of nothing", message(method="notifications/cancelled", params={"requestId": 999})),
    ("a cancellation without a request", message(method="notifications/cancelled")),
    ("an answer nobody asked for", message(id=77, result={"roots": []})),
    ("an error nobody asked for", message(id=77, error={"code": -1, "message": "x"})),
    ("a second `initialized`", message(method="notifications/initialized")),
]
HARMLESS = [
    ("an ending of two bytes", message(id=1, method="ping") + b"\r"),
    ("blanks around", b" \t " + message(id=1, method="ping") + b"  "),
    ("members nobody knows", message(id=1, method="ping", trace={"a": 1}, more=[])),
    ("keys written with escapes", b'{"\\u006asonrpc":"2.0","i\\u0064":1,"method":"p\\u0069ng"}'),
    ("params that are empty", message(id=1, method="ping", params={})),
    ("meta nobody knows", message(id=1, method="tools/list", params={"_meta": {"org.example/x": {"y": [1]}}})),
    ("sixty levels in params", message(id=1, method="tools/list", params=nested(60))),
    ("arguments that are left out", message(id=1, method="tools/call", params={"name": "list_tasks"})),
]
BAD_ARGUMENTS = [
    ("an argument nobody knows", "claim_task", {"role": "operator"}),
    ("an argument that looks like authority", "submit_task", {"title": "x", "approved": True}),
    ("an unknown argument deep inside", "claim_task", {"new": {"title": "x", "status": "done"}}),
    ("an id that is sql", "claim_task", {"id": "1 OR 1=1"}),
    ("an id that is a number", "claim_task", {"id": 1}),
    ("an id that is a list", "claim_task", {"id": ["T-1"]}),
    ("an id below one", "claim_task", {"id": "T-0"}),
    ("an id past 64 bits", "claim_task", {"id": "T-99999999999999999999"}),
    ("a lease of a million years", "claim_task", {"lease_seconds": 10**12}),
    ("a lease past 64 bits", "claim_task", {"lease_seconds": 10**30}),
    ("a lease below zero", "claim_task", {"lease_seconds": -1}),
    ("a lease in a string", "claim_task", {"lease_seconds": "60"}),
    ("a lease that is true", "claim_task", {"lease_seconds": True}),
    ("a lease with a fraction", "claim_task", {"lease_seconds": 60.5}),
    ("a handle that is none", "claim_task", {"claim": "pgc_"}),
    ("everything at once", "claim_task", {"id": "T-1", "new": {"title": "x"}, "filter": {}}),
    ("a title that is an object", "submit_task", {"title": {"$ne": ""}}),
    ("an empty title", "submit_task", {"title": ""}),
    ("a title of a megabyte", "submit_task", {"title": "x" * (1 << 20)}),
    ("a budget below zero", "submit_task", {"title": "x", "budget": {"usd": -1}}),
    ("a budget in a string", "submit_task", {"title": "x", "budget": {"usd": "1e400"}}),
    ("a label with a comma", "submit_task", {"title": "x", "labels": ["a,b"]}),
    ("tasks within tasks", "submit_task", {"tasks": [{"title": "x", "tasks": [{"title": "y"}]}]}),
    ("a task that is a string", "submit_task", {"tasks": ["x"]}),
    ("no tasks", "submit_task", {"tasks": []}),
    ("nothing to submit", "submit_task", {}),
    ("a status there is not", "list_tasks", {"status": "open"}),
    ("a page of nothing", "list_tasks", {"limit": 0}),
    ("a page of everything", "list_tasks", {"limit": 10**9}),
    ("a time that is none", "query_audit", {"since": "yesterday"}),
    ("both directions", "query_audit", {"before": 1, "after": 1}),
    ("a percent past a hundred", "update_task", {"progress": "x", "percent": 101}),
    ("two things in one call", "update_task", {"progress": "x", "fail": "y"}),
    ("an artifact with a path for a name", "submit_artifact", {"name": "../x", "content": 1}),
    ("an artifact without content", "submit_artifact", {"name": "x"}),
    ("a confidence of two", "transition_phase", {"confidence": 2}),
    ("a wait of a year", "request_approval", {"wait_seconds": 31_536_000}),
    ("one choice", "request_approval", {"question": "?", "choices": ["only"]}),
    ("a risk there is not", "route_model", {"risk": "none"}),
]


class Frames(unittest.TestCase):
    def setUp(self):
        self.place = Workspace(PLAIN)
        self.addCleanup(self.place.close)
        self.server = self.enterContext(self.place.server())
        self.server.initialize()
        self.probes = 0

    def probe(self):
        """The server is alive, and nothing else was said before this answer."""
        self.probes += 1
        name = f"probe-{self.probes}"
        self.server.send(message(id=name, method="ping") + b"\n")
        reply = self.server.hear()
        self.assertEqual((reply or {}).get("id"), name, reply)
        self.assertIn("result", reply)

    def expect_error(self, code, number):
        reply = self.server.hear()
        self.assertIsNotNone(reply, "the server ended")
        self.assertEqual((reply.get("error", {}).get("code"), reply.get("id")), (code, number), reply)
        self.assertEqual(reply["jsonrpc"], "2.0")
        self.assertLess(len(reply["error"]["message"]), 400)
        self.assertTrue(reply["error"]["message"])

    def expect_errors(self, frames):
        for what, frame, code, number in frames:
            with self.subTest(what):
                self.server.send(frame + b"\n")
                self.expect_error(code, number)
                self.probe()

    def state(self):
        return self.place.cli("tasks", "list", "--json"), self.place.cli("audit", "query", "--json")

    def tearDown(self):
        if self.server.child.poll() is None:
            self.assertEqual(self.server.finish(), ([], 0))
        self.assertEqual(self.place.cli_json("tasks", "list")["tasks"], [])

    def test_what_is_no_json_is_refused(self):
        self.expect_errors(NO_JSON)

    def test_json_that_is_no_request_is_refused(self):
        self.expect_errors(NO_MESSAGE)

    def test_what_asks_for_no_answer_gets_none(self):
        for what, frame in SILENT:
            with self.subTest(what):
                self.server.send(frame + b"\n")
                self.probe()

    def test_what_is_only_unusual_is_answered(self):
        for what, frame in HARMLESS:
            with self.subTest(what):
                self.server.send(frame + b"\n")
                reply = self.server.hear()
                self.assertEqual((reply["id"], "result" in reply), (1, True), reply)
                self.probe()

    def test_a_message_over_several_lines_is_refused_line_by_line(self):
        self.server.send(b'{\n"jsonrpc":"2.0","id":1,"method":"ping"\n}\n')
        for _ in range(3):
            self.expect_error(PARSE, None)
        self.probe()

    def test_a_line_without_an_end_is_refused_and_the_next_is_heard(self):
        for _ in range(32):
            self.server.send(b"a" * (1 << 20))
        self.server.send(b"\n")
        self.expect_error(REQUEST, None)
        self.probe()
        with open(f"/proc/{self.server.child.pid}/status") as status:
            [peak] = [int(line.split()[1]) for line in status if line.startswith("VmHWM:")]
        self.assertLess(peak, 128 * 1024, "KiB at most")

    def test_two_requests_with_one_id_get_one_answer_each(self):
        self.server.call("submit_task", {"title": "x"})
        wait = {"name": "request_approval", "arguments": {"question": "May I?", "wait_seconds": 2}}
        self.server.call("claim_task")
        frame = message(id="same", method="tools/call", params=wait)
        self.server.send(frame + b"\n" + frame + b"\n")
        replies = [self.server.hear(), self.server.hear()]
        errors = [reply["error"]["code"] for reply in replies if "error" in reply]
        results = [reply["id"] for reply in replies if "result" in reply]
        self.assertEqual((errors, results), ([REQUEST], ["same"]))
        self.probe()
        self.server.call("update_task", {"cancel": "over"})
        self.assertEqual(self.server.finish(), ([], 0))
        self.place.close()
        self.place = Workspace()
        self.place.cli("call", "list_tasks")

    def test_a_version_there_is_not_is_named_with_those_there_are(self):
        with self.place.server() as server:
            meta = {**META, "io.modelcontextprotocol/protocolVersion": "2031-01-01"}
            reply = server.request("tools/list", {"_meta": meta})
            self.assertEqual(reply["error"]["code"], VERSION, reply)
            self.assertIn("2026-07-28", json.dumps(reply["error"]["data"]))
            self.assertIn("result", server.request("tools/list", {"_meta": META}))
            self.assertEqual(server.finish(), ([], 0))

    def test_bad_frames_before_any_handshake(self):
        for what, frame, code, number in NO_JSON[:3] + NO_MESSAGE[:12]:
            with self.subTest(what), self.place.server() as server:
                server.send(frame + b"\n")
                reply = server.hear()
                self.assertEqual((reply["error"]["code"], reply.get("id")), (code, number), reply)
                self.assertIn("result", server.request("tools/list", {"_meta": META}))
                self.assertEqual(server.finish(), ([], 0))

    def test_bad_arguments_are_refused_and_change_nothing(self):
        before = self.state()
        for what, name, arguments in BAD_ARGUMENTS:
            with self.subTest(what):
                self.server.send(tool(name, arguments, "call") + b"\n")
                reply = self.server.hear(WAIT)
                if "error" in reply:
                    self.assertEqual((reply["error"]["code"], reply["id"]), (PARAMS, "call"), reply)
                else:
                    result = reply["result"]
                    refusal = result["structuredContent"]
                    self.assertEqual((result["isError"], refusal["code"]), (True, "bad_arguments"), refusal)
                    self.assertTrue(refusal["hint"])
                    self.assertLess(len(refusal["message"]), 4000)
                self.probe()
        self.assertEqual(self.state(), before)


if __name__ == "__main__":
    unittest.main()
