#!/usr/bin/env python3
"""A PostgreSQL of its own for tests: made in a folder, on a free port of 127.0.0.1, never as root, thrown away afterwards.

cluster.py with [--] COMMAND WORD...        runs the command with PHASEGATE_TEST_POSTGRES, the address of a fresh one
cluster.py start|stop|immediate|restart FOLDER   one that stays; `start` makes it where it is missing and prints its address
cluster.py version                               which PostgreSQL that is

Commits are synced, as they are for users. The database sorts as people do (ICU, en-US), not by bytes, so that an order
that leans on the collation of the database shows. Python 3.11, and PostgreSQL from `PATH` or /usr/lib/postgresql.
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROLE = "phasegate"
DATABASE = "tests"
LONGEST = 120
HOW_TO_GET = "install PostgreSQL 15 or later (`apt-get install postgresql`); `initdb` is looked for in PATH and /usr/lib/postgresql/*/bin"


class Failed(Exception):
    """Said to the person at the terminal, without a trace."""


def programs():
    """The folder of the newest PostgreSQL here. `pg_ctl` finds the server beside itself, so links are followed."""
    found = [Path(shutil.which("initdb")).resolve().parent] if shutil.which("initdb") else []
    version = lambda folder: int(folder.parent.name) if folder.parent.name.isdigit() else 0
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=version, reverse=True)
    for folder in found:
        if all((folder / name).exists() for name in ("initdb", "pg_ctl", "postgres", "psql")):
            return folder
    raise Failed(f"there is no PostgreSQL here: {HOW_TO_GET}")


def server_user():
    """PostgreSQL refuses to run as root: then as its own user, or as nobody."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise Failed("PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as")


def as_server(words, cwd):
    user = server_user()
    options = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    environment = {"PATH": os.environ["PATH"], "LC_ALL": "C", "TZ": "UTC"}
    # A pipe would stay open in the server, and reading it would never end; so its words go to a file.
    with tempfile.TemporaryFile("w+") as said:
        done = subprocess.run([str(word) for word in words], cwd=cwd, env=environment, stdin=subprocess.DEVNULL,
                              stdout=said, stderr=subprocess.STDOUT, timeout=LONGEST, **options)
        said.seek(0)
        return done.returncode, said.read()


def must(words, cwd):
    code, said = as_server(words, cwd)
    if code:
        raise Failed(f"`{Path(str(words[0])).name}` ended with {code}: {said.strip()}")
    return said


def free_port():
    """One that no connection is given for its own end, so that a server that was killed finds it free again."""
    while True:
        port = 20000 + secrets.randbelow(10000)
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Cluster:
    """One server and its data in a folder: `data`, `s` for the socket, `password`, `port`, `log`."""

    def __init__(self, folder):
        self.folder = Path(folder).resolve()
        self.bin = programs()
        self.data = self.folder / "data"

    def address(self, database=DATABASE):
        password, port = (self.folder / "password").read_text().strip(), (self.folder / "port").read_text().strip()
        return f"postgres://{ROLE}:{password}@127.0.0.1:{port}/{database}"

    def control(self, *words):
        log = self.folder / "log"
        return as_server([self.bin / "pg_ctl", "-D", self.data, "-l", log, "-w", "-t", LONGEST, *words], self.folder)

    def make(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        password = self.folder / "password"
        password.write_text(secrets.token_hex(16))
        password.chmod(0o600)
        (self.folder / "s").mkdir(mode=0o700, exist_ok=True)
        user = server_user()
        if user:
            for path in (self.folder, password, self.folder / "s"):
                os.chown(path, user.pw_uid, user.pw_gid)
        self.folder.chmod(0o700)
        must([self.bin / "initdb", "-D", self.data, "-U", ROLE, "--auth=scram-sha-256", f"--pwfile={password}",
              "--locale=C.UTF-8", "--encoding=UTF8", "--no-instructions"], self.folder)

    def settle(self):
        """A port of its own, noted where clients and the server find it."""
        port = free_port()
        (self.folder / "port").write_text(str(port))
        # The path of a socket has about 100 bytes at most; without a socket there is still the port.
        sockets = self.folder / "s"
        socket_folder = sockets if len(str(sockets)) < 85 else ""
        own = self.data / "postgresql.auto.conf"
