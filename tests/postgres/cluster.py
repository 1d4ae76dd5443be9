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
        if is_free(port):
            return port


def is_free(port):
    with socket.socket() as listener:
        # As servers bind: ends of old connections do not count.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


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
        own.write_text(
            f"port = {port}\nlisten_addresses = '127.0.0.1'\nunix_socket_directories = '{socket_folder}'\n"
            "max_connections = 400\nfsync = on\nsynchronous_commit = on\nlogging_collector = off\n"
            "log_min_messages = warning\nlog_min_error_statement = panic\nmax_locks_per_transaction = 256\n"
        )

    def start(self):
        fresh = not (self.data / "PG_VERSION").exists()
        if fresh:
            self.make()
        elif self.runs():
            return self.address()
        # Another program may take a free port before the server does.
        for attempt in range(5):
            if fresh:
                self.settle()
            code, said = self.control("start")
            if code == 0:
                break
            if not fresh or attempt == 4:
                log = self.folder / "log"
                raise Failed(f"PostgreSQL did not start: {said.strip()}\n{log.read_text()[-2000:] if log.exists() else ''}")
        if fresh:
            self.make_database()
        return self.address()

    def make_database(self):
        version = int((self.data / "PG_VERSION").read_text().strip())
        sorts = "LOCALE_PROVIDER icu ICU_LOCALE 'en-US'" if version >= 15 else ""
        self.sql(f"CREATE DATABASE {DATABASE} TEMPLATE template0 {sorts}", database="postgres")

    def sql(self, text, database=DATABASE):
        """What one statement answers, a line a row, values parted by `|`."""
        words = [str(self.bin / "psql"), "-X", "-q", "-At", "-v", "ON_ERROR_STOP=1", "-d", self.address(database), "-c", text]
        done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LONGEST)
        if done.returncode:
            raise Failed(f"psql: {done.stderr.strip()}")
        return done.stdout.strip()

    def runs(self):
        return self.control("status")[0] == 0

    def stop(self, how="fast"):
        """`immediate` is a crash: nothing is written out, the next start recovers."""
        if self.runs():
            code, said = self.control("stop", "-m", how)
            if code:
                raise Failed(f"PostgreSQL did not stop: {said.strip()}")

    def restart(self):
        self.stop()
        return self.start()

    def remove(self):
        try:
            self.stop("immediate")
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)


def reachable(folder):
    """Whether the server's user may go there: above the folder of a checkout there may be a closed home."""
    return as_server(["test", "-x", folder], "/")[0] == 0


def temporary():
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
    target.mkdir(parents=True, exist_ok=True)
    where = target if reachable(target) else None
    return Cluster(tempfile.mkdtemp(prefix="postgres-", dir=where))


class Interrupted(Exception):
    pass


SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


def interrupted(number, _frame):
    # Once: what is left to do is to clean up, and a second signal must not end that halfway.
    for each in SIGNALS:
        signal.signal(each, signal.SIG_IGN)
    raise Interrupted(number)


def with_cluster(command):
    """Runs a command beside a fresh server; where an address is set already, with that."""
    if os.environ.get("PHASEGATE_TEST_POSTGRES"):
        return subprocess.run(command).returncode
    for number in SIGNALS:
        signal.signal(number, interrupted)
    cluster, child = temporary(), None
    try:
        path = f"{os.environ['PATH']}:{cluster.bin}"
        environment = {**os.environ, "PATH": path, "PHASEGATE_TEST_POSTGRES": cluster.start()}
        child = subprocess.Popen(command, env=environment)
        return child.wait()
    except Interrupted as signalled:
        if child:
            end(child, signalled.args[0])
        return 128 + signalled.args[0]
    finally:
        for number in SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        cluster.remove()


def end(child, number):
    child.send_signal(number)
    try:
        child.wait(timeout=30)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def main(words):
    match words:
        case ["with", "--", *command] | ["with", *command] if command:
            code = with_cluster(command)
            return code if code >= 0 else 128 - code
        case ["version"]:
            print(subprocess.run([programs() / "postgres", "--version"], capture_output=True, text=True).stdout.strip())
        case ["start", folder]:
            print(Cluster(folder).start())
        case ["stop", folder]:
            Cluster(folder).stop()
        case ["immediate", folder]:
            Cluster(folder).stop("immediate")
        case ["restart", folder]:
            print(Cluster(folder).restart())
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Failed as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)
