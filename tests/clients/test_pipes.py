"""The real binary on raw pipes: what `printf … | phasegate serve` does, how servers share a workspace, how one ends."""

import json
import signal
import statistics
import subprocess
import threading
import time
import unittest

from harness import BINARY, LONG_GATE, META, PLAIN, WAIT, Workspace, alive, descendants, eventually

INITIALIZE = (
    '{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},'
    '"clientInfo":{"name":"t","version":"1"}}}\n{"jsonrpc":"2.0","method":"notifications/initialized"}\n'
)


def call(number, tool, arguments, **more):
    params = {"name": tool, "arguments": arguments, **more}
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params})


class Pipes(unittest.TestCase):
    def setUp(self):
        self.place = Workspace(PLAIN)
        self.addCleanup(self.place.close)

    def piped(self, text, *arguments):
        """Everything at once through a pipe that then ends: the replies by id, and the exit code."""
        done = subprocess.run(
            [str(BINARY), *arguments], cwd=self.place.root, env=self.place.env, input=text.encode(), capture_output=True,
            timeout=60,
        )
        messages = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertTrue(all(message["jsonrpc"] == "2.0" for message in messages))
        return {message.get("id"): message for message in messages}, done

    def test_all_lines_are_answered_before_the_exit(self):
        lines = [call(number, "submit_task", {"title": f"task {number}"}) for number in range(60)]
        lines += [call(number, "list_tasks", {}) for number in range(60, 400)]
        replies, done = self.piped(INITIALIZE + "\n".join(lines) + "\n", "serve")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(set(replies), {"i", *range(400)})
        self.assertFalse([reply for reply in replies.values() if "error" in reply])
        self.assertEqual(len(self.place.cli_json("tasks", "list")["tasks"]), 60)

    def test_a_last_line_without_newline_is_answered(self):
        replies, done = self.piped(INITIALIZE + call(1, "list_tasks", {}), "serve")
        self.assertEqual((done.returncode, set(replies)), (0, {"i", 1}))

    def test_alone_with_a_pipe_it_is_the_server(self):
        replies, done = self.piped(INITIALIZE + '{"jsonrpc":"2.0","id":2,"method":"tools/list"}\n')
        self.assertEqual((done.returncode, len(replies[2]["result"]["tools"])), (0, 11))

    def test_without_a_handshake_the_newer_protocol_answers(self):
        replies, done = self.piped(call(1, "claim_task", {"new": {"title": "x"}}, _meta=META) + "\n", "serve")
        self.assertEqual(done.returncode, 0)
        self.assertEqual(replies[1]["result"]["structuredContent"]["task"], "T-1")
        self.assertEqual(replies[1]["result"]["resultType"], "complete")

    def test_no_input_at_all_ends_well(self):
        for text in ("", "\n", "\n\n"):
            replies, done = self.piped(text, "serve")
            self.assertEqual((done.returncode, replies, done.stderr), (0, {}, b""), repr(text))

    def test_standard_output_holds_nothing_but_messages(self):
        replies, done = self.piped(INITIALIZE + "no json\n" + call(1, "no_such_tool", {}) + "\n", "serve")
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.assertEqual(replies[1]["error"]["code"], -32602)

    def test_a_client_that_goes_away_is_no_fault(self):
        child = subprocess.Popen(
            [str(BINARY), "serve"], cwd=self.place.root, env=self.place.env, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        child.stdin.write(INITIALIZE.encode())
        child.stdin.flush()
        self.assertIn(b"protocolVersion", child.stdout.readline())
        child.stdout.close()
        child.stdin.write((call(1, "list_tasks", {}) + "\n").encode())
        child.stdin.close()
        self.assertEqual((child.wait(WAIT), child.stderr.read()), (0, b""))
        child.stderr.close()

    def test_a_slow_client_is_waited_for(self):
        line = call(1, "list_tasks", {}).encode() + b"\n"
        with self.place.server() as server:
            server.initialize()
            for at in range(0, len(line), 7):
                server.send(line[at : at + 7])
                time.sleep(0.01)
            self.assertIn("result", server.hear())

    def test_start_to_first_answer_is_measured(self):
        times = []
        for _ in range(5):
            with self.place.server() as server:
                server.initialize()
                times.append((time.monotonic() - server.begun) * 1000)
                self.assertEqual(server.finish(), ([], 0))
        print(f"  start to first answer, debug build: {statistics.median(times):.0f} ms (median of {len(times)})")


class Together(unittest.TestCase):
    def test_two_servers_and_the_command_line_share_a_workspace(self):
        with Workspace(PLAIN) as place, place.server() as one, place.server() as two:
            one.initialize("one")
            two.initialize("two")
            one.call("submit_task", {"tasks": [{"title": f"task {number}"} for number in range(24)]})
            done, troubles, over = {"one": [], "two": []}, [], threading.Event()

            def work(name, server):
                try:
                    while True:
                        params = {"name": "claim_task", "arguments": {}}
                        result = server.request("tools/call", params)["result"]
                        content = result["structuredContent"]
                        if result.get("isError"):
                            if content["code"] != "nothing_ready":
                                raise AssertionError(content)
                            return
                        server.call("update_task", {"progress": f"{name} is at it"})
                        server.call("transition_phase", {"summary": name})
                        done[name].append(content["task"])
                except Exception as error:
                    troubles.append(error)

            def look():
                try:
                    while not over.is_set():
                        place.cli_json("tasks", "list")
                        place.cli("board")
                except Exception as error:
                    troubles.append(error)

            workers = [threading.Thread(target=work, args=pair) for pair in (("one", one), ("two", two))]
            looker = threading.Thread(target=look)
            for thread in (looker, *workers):
                thread.start()
            for thread in workers:
                thread.join(90)
            over.set()
            looker.join(WAIT)
            self.assertEqual(troubles, [])
            finished = done["one"] + done["two"]
            self.assertEqual(sorted(finished), sorted({f"T-{number}" for number in range(1, 25)}))
            self.assertTrue(done["one"] and done["two"], done)
            entered = [record for record in place.records() if record["event"]["type"] == "TaskCompleted"]
            self.assertEqual(len(entered), 24)
            self.assertEqual((one.finish()[1], two.finish()[1]), (0, 0))


class Signals(unittest.TestCase):
    def test_a_term_in_the_middle_of_a_gate_leaves_nothing_behind(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number.name), Workspace(LONG_GATE) as place:
                with place.server(PHASEGATE_AGENT="ana") as server:
                    server.initialize()
                    server.call("claim_task", {"new": {"title": "wait"}})
                    server.begin("tools/call", {"name": "transition_phase", "arguments": {}})
                    program = eventually("the gate runs", lambda: descendants(server.child.pid)).pop()
                    begun = time.monotonic()
                    server.child.send_signal(number)
                    self.assertEqual(server.child.wait(WAIT), 0, server.log)
                    self.assertLess(time.monotonic() - begun, 6)
                    eventually("the gate's program is gone", lambda: not alive(program), 3)
                # The task is still this agent's, and the gate can be run again.
                with place.server(PHASEGATE_AGENT="ana") as server:
                    server.initialize()
                    self.assertEqual(server.call("claim_task")["task"], "T-1")
                    server.begin("tools/call", {"name": "transition_phase", "arguments": {}})
                    again = eventually("the gate runs again", lambda: descendants(server.child.pid)).pop()
                    server.child.terminate()
                    server.child.wait(WAIT)
                    eventually("the gate's program is gone", lambda: not alive(again), 3)

    def test_an_idle_server_ends_at_once(self):
        with Workspace(PLAIN) as place, place.server() as server:
            server.initialize()
            begun = time.monotonic()
            server.child.terminate()
            self.assertEqual(server.child.wait(WAIT), 0)
            self.assertLess(time.monotonic() - begun, 3)

    def test_the_end_of_input_waits_for_a_running_gate(self):
        with Workspace(LONG_GATE.replace('"30"', '"1.5"')) as place, place.server() as server:
            server.initialize()
            server.call("claim_task", {"new": {"title": "wait"}})
            number = server.begin("tools/call", {"name": "transition_phase", "arguments": {"summary": "waited"}})
            replies, code = server.finish()
            self.assertEqual((code, [reply["id"] for reply in replies]), (0, [number]))
            self.assertEqual(replies[0]["result"]["structuredContent"]["status"], "done", replies)


if __name__ == "__main__":
    unittest.main()
