"""Plays the person at a terminal before `phasegate board`: looks at what is drawn, presses keys, ends it in three ways."""

import fcntl
import json
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time

PROGRAM = sys.argv[1]


def call(*arguments, said=""):
    done = subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, input=said)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout


class Board:
    def __init__(self, *arguments, **environment):
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        self.before = termios.tcgetattr(self.slave)
        self.child = subprocess.Popen(
            [PROGRAM, "board", *arguments], stdin=self.slave, stdout=self.slave, stderr=self.slave,
            start_new_session=True, env={**os.environ, **environment},
        )
        self.seen = b""

    def sees(self, text, seconds=20):
        end = time.monotonic() + seconds
        while text.encode() not in self.seen:
            assert time.monotonic() < end, f"{text!r} was not drawn: {self.seen[-3000:]!r}"
            assert self.child.poll() is None or self.readable(), f"it ended before {text!r}: {self.seen[-3000:]!r}"
            if self.readable():
                self.seen += os.read(self.master, 65536)

    def readable(self):
        return bool(select.select([self.master], [], [], 0.05)[0])

    def press(self, keys):
        self.seen = b""
        os.write(self.master, keys.encode())

    def ends(self, code=0):
        end = time.monotonic() + 20
        while self.child.poll() is None:
            assert time.monotonic() < end, "it did not end"
            if self.readable():
                self.seen += os.read(self.master, 65536)
        while self.readable():
            self.seen += os.read(self.master, 65536)
        assert self.child.returncode == code, self.child.returncode
        assert b"\x1b[?1049l" in self.seen, "the screen from before did not come back"
        assert termios.tcgetattr(self.slave)[3] == self.before[3], "the terminal is not as it was"


call("workflow", "trust", "--yes")
claim = json.loads(call("call", "claim_task", '{"new":{"title":"firstthing"}}', "--agent", "ana", "--json"))
call("call", "request_approval", '{"question":"really?","choices":["yes","no"]}', "--agent", "ana")

board = Board()
board.sees("firstthing")
board.seen = b""
call("call", "submit_task", '{"title":"secondthing"}', "--agent", "ana")
board.sees("secondthing")
board.press("2")
board.sees("really?")
board.press("a")
board.sees("Which")
board.press("j\r")
board.sees("A-1")
board.press("y")
board.sees("approved")
state = json.loads(call("approvals", "show", "A-1", "--json"))
assert state["status"] == "approved" and state["state"]["choice"] == "no", state
board.press("x")
board.press("q")
board.ends()

ended = Board()
ended.sees("firstthing")
ended.child.send_signal(signal.SIGTERM)
ended.ends()

plain = Board(NO_COLOR="1")
plain.sees("firstthing")
assert b"\x1b[31m" not in plain.seen and b"\x1b[38;5;" not in plain.seen, plain.seen
plain.press("\x03")
plain.ends()

call("call", "request_approval", '{"question":"again?"}', "--agent", "ana")
agents = Board(CLAUDECODE="1")
agents.sees("firstthing")
agents.press("2")
agents.sees("again?")
agents.press("a")
agents.sees("prove")
agents.press("x")
agents.press("q")
agents.ends()
assert json.loads(call("approvals", "show", "A-2", "--json"))["status"] == "pending"

# A gate that asks for a signature: the passphrase is typed on the board, wrong and then right.
call("approver", "add", "lead", "--passphrase-stdin", said="correct horse battery\n")
for tool, arguments in (
    ("submit_artifact", '{"name":"findings","content":"x"}'),
    ("transition_phase", "{}"),
    ("submit_artifact", '{"name":"plan","content":"x"}'),
    ("request_approval", '{"gate":"approval"}'),
):
    call("call", tool, arguments, "--agent", "ana")
signs = Board()
signs.sees("firstthing")
signs.press("2")
signs.sees("Build")
signs.press("a")
signs.sees("pending")
signs.press("y")
signs.sees("Passphrase")
signs.press("wrong horse battery\r")
signs.sees("passphrase")
signs.press("correct horse battery\r")
signs.sees("signed")
assert b"horse" not in signs.seen
signs.press("x")
signs.press("q")
signs.ends()
waiting = json.loads(call("approvals", "list", "--all", "--json"))
gate = [known for known in waiting if known["about"]["about"] == "gate"][0]
assert gate["status"] == "approved" and gate["state"]["level"] == 2, gate

once = Board("--once")
once.sees("CLAIMED")
once.child.wait()
assert b"\x1b[?1049h" not in once.seen
