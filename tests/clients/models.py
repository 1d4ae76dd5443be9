"""Stand-ins for two services of models, on loopback: Anthropic's Messages and OpenAI's Responses. What "the model" says is
a story: a generator that yields calls and words, and is sent what the client says next.

    def story(heard):
        heard = yield call("Write", file_path="a", content="x")
        assert "refused" in heard.said

A story that ends says "done". One that fails keeps its failure in `Service.failures`.
"""

import inspect
import itertools
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def call(tool, **given):
    return {"tool": tool, "input": given}


def words(content):
    """The text in a message's content, whatever its form."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if isinstance(content, dict):
        content = [content]
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif "text" in part:
            texts.append(part["text"])
        elif "content" in part:
            texts.append(words(part["content"]))
    return "\n".join(texts)


class Heard:
    """One request, in one form for both services."""

    def __init__(self, body, headers):
        self.body, self.headers, self.model = body, headers, body.get("model", "")
        self.agent = headers.get("x-claude-code-agent-id")
        read = self._responses if "input" in body else self._messages
        self.results, self.first, self.all = read(body)
        # A client that has its conversation summed up asks with all tools, and says that none may be used.
        self.summing_up = not body.get("tools") or "Respond with TEXT ONLY" in self.all[-20_000:]

    def _messages(self, body):
        users = [message for message in body["messages"] if message["role"] != "assistant"]
        last = next((m["content"] for m in reversed(body["messages"]) if m["role"] == "user"), [])
        blocks = last if isinstance(last, list) else []
        results = [(words(b.get("content")), bool(b.get("is_error"))) for b in blocks if b.get("type") == "tool_result"]
        return results, words(users[0]["content"]) if users else "", "\n".join(words(m["content"]) for m in users)

    def _responses(self, body):
        results, users = [], []
        for item in body["input"]:
            if item.get("type", "").endswith("_call_output"):
                results.append((words(item.get("output")), False))
            elif item.get("type", "").endswith("_call"):
                results = []
            elif item.get("role") in ("user", "developer"):
                users.append(words(item.get("content")))
        return results, users[0] if users else "", "\n".join(users)

    @property
    def tools(self):
        return [tool.get("name") for tool in self.body.get("tools") or []]

    @property
    def said(self):
        """What the calls of the last message came to."""
        return "\n".join(text for text, _ in self.results)

    @property
    def went_wrong(self):
        return [wrong for _, wrong in self.results]

    @property
    def told(self):
        """All that was said since the model spoke last, by calls and beside them."""
        since = []
        for message in reversed(self.body.get("messages", [])):
            if message["role"] == "assistant":
                break
            since.append(words(message["content"]))
        return "\n".join(reversed(since))

    def ran(self, word=""):
        assert not any(self.went_wrong) and word in self.said, f"expected {word!r}: {self.said}"
        return self

    def refused(self, *expected):
        missing = [word for word in expected if word not in self.said]
        assert all(self.went_wrong) and self.results and not missing, f"lacks {missing}: {self.results}"
        return self


class Service(ThreadingHTTPServer):
    """`stories`: by a word that stands in what a subagent was told first; `main` for the main thread; `summary` is said to a
    client that sums its conversation up."""

    daemon_threads = True
    summary = "<analysis>It was long.</analysis>\n<summary>What was done so far.</summary>"

    def __init__(self, **stories):
        super().__init__(("127.0.0.1", 0), Handler)
        self.stories = {name: {"make": make, "run": None} for name, make in stories.items()}
        self.requests, self.failures, self.elsewhere = [], [], []
        self.numbers, self.lock = itertools.count(1), threading.Lock()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next(self, heard):
        """What the model says: a list of texts and calls."""
        with self.lock:
            self.requests.append(heard)
            if heard.summing_up:
                return [self.summary]
            name = next((name for name in self.stories if name != "main" and name in heard.first), "main")
            story = self.stories[name]
            try:
                if story["run"] is None:
                    story["run"] = story["make"](heard)
                    assert inspect.isgenerator(story["run"]), f"the story {name} yields nothing"
                    said = next(story["run"])
                else:
                    said = story["run"].send(heard)
            except StopIteration:
                return ["done"]
            except Exception as failure:
                line = failure.__traceback__.tb_next.tb_lineno if failure.__traceback__.tb_next else 0
                self.failures.append(f"{name}, line {line}: {failure!r}")
                return ["the story failed"]
            return said if isinstance(said, list) else [said]

    def unfinished(self):
        return [name for name, story in self.stories.items() if story["run"] is None or story["run"].gi_frame is not None]

    def close(self):
        self.shutdown()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def json(self, code, value):
        text = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(text)

    def do_GET(self):
        self.server.elsewhere.append(f"{self.command} {self.path}")
        self.json(404, {"error": {"type": "not_found_error", "message": "not here"}})

    do_HEAD = do_GET

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        path = self.path.partition("?")[0]
        speak = {"/v1/messages": self.as_messages, "/v1/responses": self.as_responses}.get(path)
        if speak is None:
            return self.do_GET()
        body = json.loads(raw)
        said = self.server.next(Heard(body, {name.lower(): value for name, value in self.headers.items()}))
        speak(body, said, f"{next(self.server.numbers):04d}")

    def stream(self, events):
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        try:
            for name, data in events:
                self.wfile.write(f"event: {name}\ndata: {json.dumps({'type': name, **data})}\n\n".encode())
        except (BrokenPipeError, ConnectionResetError):
            pass

    def as_messages(self, body, said, number):
        blocks = []
        for place, part in enumerate(said):
            if isinstance(part, str):
                blocks.append({"type": "text", "text": part})
            else:
                blocks.append({"type": "tool_use", "id": f"toolu_{number}_{place}", "name": part["tool"], "input": part["input"]})
        reason = "tool_use" if any(block["type"] == "tool_use" for block in blocks) else "end_turn"
        usage = {"input_tokens": 1000, "output_tokens": 100, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
        message = {
            "id": f"msg_{number}", "type": "message", "role": "assistant", "model": body["model"], "content": blocks,
            "stop_reason": reason, "stop_sequence": None, "usage": usage,
        }
        if not body.get("stream"):
            return self.json(200, message)

        def events():
            yield "message_start", {"message": {**message, "content": [], "stop_reason": None}}
            for place, block in enumerate(blocks):
                if block["type"] == "text":
                    empty, delta = {"text": ""}, {"type": "text_delta", "text": block["text"]}
                else:
                    empty, delta = {"input": {}}, {"type": "input_json_delta", "partial_json": json.dumps(block["input"])}
                yield "content_block_start", {"index": place, "content_block": {**block, **empty}}
                yield "content_block_delta", {"index": place, "delta": delta}
                yield "content_block_stop", {"index": place}
            yield "message_delta", {"delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}
            yield "message_stop", {}

        self.stream(events())

    def as_responses(self, body, said, number):
        items = []
        for place, part in enumerate(said):
            ids = {"id": f"it_{number}_{place}", "status": "completed"}
            if isinstance(part, str):
                text = {"type": "output_text", "text": part, "annotations": []}
                items.append({"type": "message", "role": "assistant", "content": [text], **ids})
                continue
            ids["call_id"] = f"call_{number}_{place}"
            if part["tool"] == "apply_patch":
                items.append({"type": "custom_tool_call", "name": "apply_patch", "input": part["input"]["patch"], **ids})
                continue
            # A server's tools are one namespace each.
            server, mark, tool = part["tool"].rpartition("__")
            named = {"namespace": server, "name": tool} if mark else {"name": tool}
            items.append({"type": "function_call", "arguments": json.dumps(part["input"]), **named, **ids})
        usage = {
            "input_tokens": 1000, "input_tokens_details": {"cached_tokens": 0}, "output_tokens": 100,
            "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 1100,
        }
        answer = {
            "id": f"resp_{number}", "object": "response", "created_at": int(time.time()), "model": body["model"],
            "output": items, "status": "completed", "usage": usage,
        }

        def events():
            yield "response.created", {"response": {**answer, "output": [], "status": "in_progress"}}
            for place, item in enumerate(items):
                yield "response.output_item.added", {"output_index": place, "item": {**item, "status": "in_progress"}}
                yield "response.output_item.done", {"output_index": place, "item": item}
            yield "response.completed", {"response": answer}

        self.stream(events())
