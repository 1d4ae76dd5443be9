#!/usr/bin/env python3
"""Three servers on one database, while servers are killed and paused, PostgreSQL crashes, and clocks are wrong.

Agents claim, report and complete tasks over HTTP, each at whatever server answers. Servers get kill -9 and SIGSTOP for
longer than a lease, PostgreSQL `stop -m immediate` and a start; two servers live ten minutes before and after the others
(faketime). Then: every task is done, once; what was acknowledged is in the record; no two held a task; what a silent holder
had was taken up, and how late at worst is printed (the bar: 5 s after the lease); and `audit verify` finds nothing.

servers.py [--events 3000] [--over postgres|sqlite] [--binary PATH] [--seed N]    the long form: --events 200000
Over SQLite the three share a file; no clock is wrong then, since time is the servers' own there. Python 3.11.
"""

import argparse
import http.client
import json
import multiprocessing
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import cluster as postgres
import history as checker

ROOT = Path(__file__).resolve().parents[2]
FLOW = "version: 1\nname: plain\nphases:\n  work: { allow: [Read], next: [done] }\n  done: { end: true }\n"
SERVERS = 3
AGENTS = 12
# Names that claim once and are never heard of again.
SILENT = 24
LEASE = 5
PAUSE = LEASE + 2
# Later than this something hangs. The bar is 5 s on a machine with nothing else to do; what it was is printed.
HANGS = 20
# One that waits for a paused server hears from it again.
PATIENCE = PAUSE + 8
# Without an end of any task for so long, something is stuck.
STUCK = 60
CLOCKS = [None, "+10m", "-10m"]
COMMAND = 120


def seconds(text):
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


class Server:
    def __init__(self, binary, folder, store, clock):
        self.binary, self.folder, self.store, self.clock = binary, Path(folder), store, clock
        self.port, self.child = postgres.free_port(), None
        self.folder.mkdir()
        (self.folder / "phasegate.yaml").write_text(FLOW)
        self.environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "USER": "lead", "PHASEGATE_STORE": store,
                            # Waiting is by a clock that nobody set wrong.
                            "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def run(self, *words):
        done = subprocess.run([self.binary, *words], cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=COMMAND)
        if done.returncode:
            raise SystemExit(f"`phasegate {' '.join(words)}` ended with {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def token(self, role, name):
        return json.loads(self.run("token", "create", "--role", role, "--name", name, "--json"))["token"]

    def start(self):
        before = ["faketime", "-f", self.clock] if self.clock else []
        words = [*before, self.binary, "serve", "--http", f"127.0.0.1:{self.port}", "--calls-per-minute", "1000000"]
        with open(self.folder / "log", "ab") as log:
            # A group of its own: a signal for the server reaches the server under faketime too.
            self.child = subprocess.Popen(words, cwd=self.folder, env=self.environment, stdin=subprocess.DEVNULL,
                                          stdout=log, stderr=log, start_new_session=True)

    def signal(self, number):
        try:
            os.killpg(self.child.pid, number)
        except ProcessLookupError:
            pass

    def end(self, number):
        """Over only when its port is free: under faketime the child is the wrapper, and the server may outlive it."""
        self.signal(number)
        self.child.wait(timeout=COMMAND)
        begun = time.monotonic()
        while not postgres.is_free(self.port):
            if time.monotonic() - begun > COMMAND:
                raise SystemExit(f"the server on port {self.port} does not end")
            time.sleep(0.01)

    def is_ready(self):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
            connection.request("GET", "/ready")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False

    def wait(self):
        begun = time.monotonic()
        while not self.is_ready():
            if self.child.poll() is not None or time.monotonic() - begun > 60:
                raise SystemExit(f"a server is not ready: {(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.05)


class Agent:
    """One caller, at whatever server answers, and what it was told."""

    def __init__(self, name, token, ports, dice):
        self.name, self.token, self.ports, self.dice = name, token, ports, dice
        self.connections, self.at, self.history = {}, dice.randrange(len(ports)), []

    def call(self, tool, arguments):
        """(status, answer); status is None where nobody knows whether it was done, 0 where it was not even asked."""
        port = self.ports[self.at]
        connection = self.connections.get(port)
        try:
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
                connection.connect()
                self.connections[port] = connection
        except OSError:
            self.at = (self.at + 1) % len(self.ports)
            return 0, {}
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            connection.request("POST", f"/api/v1/tools/{tool}", json.dumps(arguments), headers)
            response = connection.getresponse()
            body = json.loads(response.read() or b"{}")
        except (OSError, http.client.HTTPException, ValueError):
            self.connections.pop(port).close()
            self.at = (self.at + 1) % len(self.ports)
            return None, {}
        if response.status >= 500:
            self.at = (self.at + 1) % len(self.ports)
            return None, body
        return response.status, body

    def told(self, op, task, fence, t0, status, until=None, code=None):
        ok = None if status is None else status == 200
        self.history.append({"op": op, "task": task, "agent": self.name, "fence": fence, "t0": t0, "t1": time.time(),
                             "ok": ok, "until": until, "code": code})

    def claim(self):
        t0 = time.time()
        status, brief = self.call("claim_task", {"lease_seconds": LEASE})
        if status == 200:
            self.told("claim", brief["task"], brief["fence"], t0, status, seconds(brief["lease_until"]))
            return brief
        if status is None:
            self.told("claim", None, None, t0, None)
        elif status and brief.get("code") != "nothing_ready":
            raise SystemExit(f"{self.name}: claim_task: {status} {brief}")
        return None

    def write(self, op, brief, arguments):
        """Until it is known how it ended: a write under a claim may be sent again."""
        tool = {"progress": "update_task", "complete": "transition_phase"}[op]
        t0 = time.time()
        for _ in range(8):
            status, body = self.call(tool, {"claim": brief["claim"], **arguments})
            if status:
                if status == 429 or status == 400:
                    raise SystemExit(f"{self.name}: {tool}: {status} {body}")
                # A refusal after an answer that was lost says nothing of that one.
                unknown = status != 200 and self.history and self.history[-1].get("lost") == (op, brief["task"])
                self.told(op, brief["task"], brief["fence"], t0, None if unknown else status, code=body.get("code"))
                return
            if status is None:
                self.told(op, brief["task"], brief["fence"], t0, None)
                self.history[-1]["lost"] = (op, brief["task"])
            time.sleep(0.1)


def work(name, token, silent, ports, seed, drained, box):
    """One process: claims and completes until all is done; now and then it dawdles, or another falls silent beside it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    dice = random.Random(seed)
    agent = Agent(name, token, ports, dice)
    others = [Agent(*one, ports, dice) for one in silent]
    pause, due = 0.05, time.time() + dice.uniform(0.5, 3)
    while not drained.is_set():
        if others and time.time() > due:
            if others[-1].claim():
                agent.history += others.pop().history
                due = time.time() + dice.uniform(1, 6)
        brief = agent.claim()
        if not brief:
            time.sleep(pause)
            pause = min(pause * 1.3, 0.5)
            continue
        pause = 0.05
        chance = dice.random()
        if chance < 0.1:
            agent.write("progress", brief, {"progress": "on it"})
        elif chance < 0.102:
            # Past the lease: somebody else may have it by then, and what comes late must not count.
            time.sleep(LEASE + 1.5)
        agent.write("complete", brief, {"summary": "done"})
    for other in others:
        agent.history += other.history
    box.put(agent.history)


class Store:
    """Where the servers keep what they know, and how it is looked at from outside."""

    def __init__(self, over, folder):
        self.cluster = postgres.temporary() if over == "postgres" else None
        self.file = Path(folder) / "shared/phasegate.db"
        if self.cluster:
            self.url = f"{self.cluster.start()}?schema=servers"
        else:
            self.file.parent.mkdir(mode=0o700)
            self.url = f"sqlite:{self.file}"

    def number(self, sql):
        if self.cluster:
            return int(self.cluster.sql(f"SET search_path TO servers; {sql}") or 0)
        store = sqlite3.connect(f"file:{self.file}?mode=ro", uri=True, timeout=30)
        try:
            return store.execute(sql).fetchone()[0] or 0
        finally:
            store.close()

    def left(self):
        return self.number("SELECT count(*) FROM tasks WHERE status <> 'done'")

    def remove(self):
        if self.cluster:
            self.cluster.remove()


class Trouble:
    """What goes wrong, one after the other, and when nobody could have worked."""

    def __init__(self, servers, store, dice):
        self.servers, self.store, self.dice = servers, store, dice
        self.away, self.counts, self.course = [], {}, []
        kinds = [self.kill, self.pause, self.kill_all]
        self.kinds = [*kinds, self.crash] if store.cluster else kinds

    def next(self, number):
        kind = self.kinds[number % len(self.kinds)]
        self.counts[kind.__name__] = self.counts.get(kind.__name__, 0) + 1
        begun = time.time()
        kind()
        self.course.append((kind.__name__, begun, time.time()))

    def kill(self):
        server = self.dice.choice(self.servers)
        server.end(signal.SIGKILL)
        time.sleep(self.dice.uniform(0, 1))
        server.start()
        server.wait()

    def pause(self):
        server = self.dice.choice(self.servers)
        server.signal(signal.SIGSTOP)
        time.sleep(PAUSE)
        server.signal(signal.SIGCONT)
        server.wait()

    def kill_all(self):
        begun = time.time()
        for server in self.servers:
            server.end(signal.SIGKILL)
        for server in self.servers:
            server.start()
        for server in self.servers:
            server.wait()
        self.away.append((begun, time.time()))

    def crash(self):
        begun = time.time()
        self.store.cluster.stop("immediate")
        time.sleep(self.dice.uniform(0, 1))
        self.store.cluster.start()
        for server in self.servers:
            server.wait()
        self.away.append((begun, time.time()))


def submit(server, token, count):
    agent = Agent("lead", token, [server.port], random.Random(0))
    for begin in range(0, count, 500):
        tasks = [{"title": f"task {number}"} for number in range(begin, min(begin + 500, count))]
        status, body = agent.call("submit_task", {"tasks": tasks})
        if status != 200:
            raise SystemExit(f"submit_task: {status} {body}")


def drive(store, trouble, processes, drained, tasks):
    """Trouble until nearly all is done, then calm until all is; what is wrong, if anything."""
    number, last, moved = 0, None, time.monotonic()
    while True:
        time.sleep(trouble.dice.uniform(0.5, 2))
        left = store.left()
        if left == 0:
            break
        if left != last:
            last, moved = left, time.monotonic()
        if time.monotonic() - moved > STUCK:
            return [f"{left} tasks are stuck: nothing ended for {STUCK} s"]
        if any(process.exitcode for process in processes):
            return ["an agent ended early"]
        # Each kind at least once, and no end of it while there is work.
        if left > tasks // 20 or number < len(trouble.kinds):
            trouble.next(number)
            number, moved = number + 1, time.monotonic()
    drained.set()
    return []


def on_record(text):
    """Operations as the log has them, and how often each task was completed."""
    record, completed = set(), {}
    for line in text.splitlines():
        body = json.loads(line)["body"]
        event = body["event"] if isinstance(body, dict) else json.loads(body)["event"]
        kind, task = event["type"], event.get("task")
        who = (event.get("agent") or body["agent"])
        if kind in ("TaskClaimed", "ClaimResumed"):
            record.add(("claim", task, who, event["fence"]))
        elif kind == "ProgressNoted":
            record.add(("progress", task, body["agent"], None))
        elif kind == "TaskCompleted":
            record.add(("complete", task, body["agent"], None))
            completed[task] = completed.get(task, 0) + 1
    return record, completed


def around(task, history, trouble):
    """What happened to a task and beside it, in seconds after its first claim."""
    mine = [op for op in history if op["task"] == task]
    zero = mine[0]["t0"]
    told = [f"{op['op']} {op['agent']} {op['t0'] - zero:.1f}-{op['t1'] - zero:.1f} {op['ok']}" for op in mine]
    wrong = [f"{kind} {begun - zero:.1f}-{ended - zero:.1f}" for kind, begun, ended in trouble.course
             if ended > zero and begun < mine[-1]["t1"]]
    return "; ".join(told + wrong)


def judged(history, servers, store, trouble, silent):
    found = []
    record, completed = on_record(servers[0].run("audit", "export"))
    found += checker.violations(history, set(completed), record)
    found += [f"{task} was completed {times} times" for task, times in completed.items() if times != 1]
    reclaims = checker.slowest_reclaims(history, silent, trouble.away)
    for wait, task in reclaims:
        if wait > HANGS:
            found.append(f"{task} was taken up {wait:.1f} s after its lease; {around(task, history, trouble)}")
    said = json.loads(servers[0].run("audit", "verify", "--json"))
    if said.get("findings"):
        found.append(f"audit verify: {said['findings']}")
    acknowledged = sum(1 for op in history if op["ok"] and op["op"] in ("claim", "complete"))
    unknown = sum(1 for op in history if op["ok"] is None)
    slowest = f"{reclaims[0][0]:.1f} s after the lease at worst" if reclaims else "none"
    print(f"{acknowledged} claims and completions acknowledged, {unknown} calls without an answer, "
          f"{sum(1 for op in history if op['ok'] is False)} refused; {len(reclaims)} claims of silent agents taken up, {slowest}; "
          f"{said.get('records')} records verified; {trouble.counts}")
    return found


def ran(options, folder, store):
    dice = random.Random(options.seed)
    clocks = CLOCKS if store.cluster and shutil.which("faketime") else [None] * SERVERS
    if store.cluster and not shutil.which("faketime"):
        raise SystemExit("`faketime` is not here: `apt-get install faketime`")
    servers = [Server(options.binary, f"{folder}/w{index}", store.url, clock) for index, clock in enumerate(clocks)]
    servers[0].run("workflow", "trust", "--yes")
    lead = servers[0].token("operator", "lead")
    agents = [(f"agent-{index}", servers[0].token("agent", f"agent-{index}")) for index in range(AGENTS)]
    silent = [(f"silent-{index}", servers[0].token("agent", f"silent-{index}")) for index in range(SILENT)]
    # One log has one key: every server of a database needs the same. Beside a file it lies there already.
    state = servers[0].folder / ".phasegate"
    for server in servers[1:] if state.exists() else []:
        shutil.copytree(state, server.folder / ".phasegate", dirs_exist_ok=True)
    for server in servers:
        server.start()
    processes = []
    try:
        for server in servers:
            server.wait()
        tasks = options.events // 2
        submit(servers[0], lead, tasks)
        ports, drained, box = [server.port for server in servers], multiprocessing.Event(), multiprocessing.Queue()
        for index, (name, token) in enumerate(agents):
            mine = silent[index::AGENTS]
            of_process = (name, token, mine, ports, options.seed * 1000 + index, drained, box)
            processes.append(multiprocessing.Process(target=work, args=of_process, daemon=True))
        begun = time.monotonic()
        for process in processes:
            process.start()
        trouble = Trouble(servers, store, dice)
        found = drive(store, trouble, processes, drained, tasks)
        took = time.monotonic() - begun
        if not found:
            history = [op for _ in processes for op in box.get(timeout=COMMAND)]
            for server in servers:
                server.end(signal.SIGTERM)
            print(f"{tasks} tasks in {took:.0f} s over {store.url.split(':')[0]}, seed {options.seed}")
            found = judged(history, servers, store, trouble, {name for name, _ in silent})
        return found
    finally:
        for process in processes:
            process.kill()
        for server in servers:
            if server.child and server.child.poll() is None:
                server.signal(signal.SIGCONT)
                server.end(signal.SIGKILL)


def main():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=3000, help="claims and completions, at least")
    parser.add_argument("--over", choices=["postgres", "sqlite"], default="postgres")
    parser.add_argument("--binary", default=os.environ.get("PHASEGATE_BINARY", str(target / "debug/phasegate")))
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", action="store_true", help="leave the folder of a run that failed")
    options = parser.parse_args()
    options.binary = str(Path(options.binary).resolve())
    checker.check_of_the_checker()
    folder = tempfile.mkdtemp(prefix="servers-")
    store = None
    try:
        store = Store(options.over, folder)
        found = ran(options, folder, store)
    except postgres.Failed as failure:
        found = [str(failure)]
    finally:
        if store:
            store.remove()
    for text in found[:20]:
        print(f"FAIL {text}")
    if found and options.keep:
        print(f"left in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"{0 if found else 1} passed, {1 if found else 0} failed")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
