"""A server over HTTP for the client tests: the real binary on a port of its own, and raw requests to it."""

import http.client
import json
import socket
import subprocess
import time

from harness import BINARY, META, MODERN, WAIT

ACCEPT = "application/json, text/event-stream"
LEGACY = "2025-11-25"


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class HttpServer:
    """`phasegate serve --http` in a workspace."""

    def __init__(self, place, *words):
        self.place, self.port = place, free_port()
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self.log = open(place.home / "server.log", "wb+")
        self.child = subprocess.Popen(
            [str(BINARY), "serve", "--http", f"127.0.0.1:{self.port}", *words],
            cwd=place.root, env=place.env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self.log,
        )
        until = time.monotonic() + WAIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return
            except OSError:
                if self.child.poll() is not None or time.monotonic() > until:
                    self.close()
                    raise AssertionError("the server does not listen") from None
                time.sleep(0.05)

    def token(self, name, role="agent", *words):
        return self.place.cli_json("token", "create", "--role", role, "--name", name, *words)["token"]

    def connection(self, timeout=WAIT):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def send(self, token, message, headers=None, method="POST", timeout=WAIT):
        """An open response and its connection."""
        connection = self.connection(timeout)
        body = None if message is None else json.dumps(message)
        all_headers = {"Authorization": f"Bearer {token}", "Accept": ACCEPT, **(headers or {})}
        if body is not None:
            all_headers["Content-Type"] = "application/json"
        connection.request(method, "/mcp", body, all_headers)
        return connection.getresponse(), connection

    def post(self, token, message, headers=None, method="POST"):
        """Status, headers and what was said: a JSON value, or the messages of a stream."""
        response, connection = self.send(token, message, headers, method)
        text = response.read().decode()
        connection.close()
        kind = response.headers.get("content-type", "")
        if kind.startswith("text/event-stream"):
            return response.status, response.headers, [message for _, message in events(text) if message]
        return response.status, response.headers, json.loads(text) if "json" in kind else text

    def modern(self, method, params=None, name=None, number=1, meta=None):
        """A request of 2026-07-28, and the headers that go with it."""
        params = {**(params or {}), "_meta": {**META, **(meta or {})}}
        headers = {"MCP-Protocol-Version": MODERN, "Mcp-Method": method}
        if name:
            headers["Mcp-Name"] = name
        return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}, headers

    def call(self, token, tool, arguments=None, **options):
        message, headers = self.modern("tools/call", {"name": tool, "arguments": arguments or {}}, tool, **options)
        status, _, said = self.post(token, message, headers)
        if status != 200:
            raise AssertionError(f"{tool}: {status} {said}")
        return said["result"]

    def initialize(self, token, number=1):
        params = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "tests", "version": "1"}}
        message = {"jsonrpc": "2.0", "id": number, "method": "initialize", "params": params}
        status, headers, said = self.post(token, message)
        return status, {"Mcp-Session-Id": headers.get("mcp-session-id", ""), "MCP-Protocol-Version": LEGACY}, said

    def memory_kib(self):
        with open(f"/proc/{self.child.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))

    def close(self):
        if self.child.poll() is None:
            self.child.terminate()
            self.child.wait(WAIT)
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def events(text):
    """The id and the message of each server-sent event."""
    for block in text.replace("\r\n", "\n").split("\n\n"):
        fields = dict(line.split(":", 1) for line in block.split("\n") if ":" in line[1:])
        data = fields.get("data", "").strip()
        if fields:
            yield fields.get("id", "").strip(), json.loads(data) if data else None


def first_event(response):
    """The id of the event that opens a stream."""
    lines = []
    while True:
        line = response.readline().decode()
        if not line.strip():
            return next(events("".join(lines)))[0]
        lines.append(line)
