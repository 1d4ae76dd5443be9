#!/usr/bin/env python3
"""Checks a phasegate log without phasegate: standard library only, written from docs/audit.md and not from the Rust code.

    verify.py --key KEY (--store COPY.db | --export LOG.jsonl) [--from HEAD-FILE]...
    verify.py --key KEY --proof PROOF.json

The store is read from a copy that `phasegate backup` made; nothing is written to it. Exit code 0: nothing found, 1:
findings, 2: it could not be checked.
"""

import argparse
import base64
import binascii
import datetime
import hashlib
import json
import re
import sqlite3
import sys

WIDTH = 256
PAIRS = [
    ("GateStarted", {"GatePassed", "GateRefused", "GateOrphaned"}, "run", ("task", "gate")),
    ("CallStarted", {"CallFinished", "CallFailed", "CallOrphaned"}, "call", ()),
]
# What may happen to an approval: from which stages, and to which.
STEPS = {
    "ApprovalRequested": ({"unknown"}, "asked"),
    "ApprovalApproved": ({"asked"}, "yes"),
    "ApprovalAdjusted": ({"asked"}, "yes"),
    "ApprovalRejected": ({"asked"}, "closed"),
    "ApprovalExpired": ({"asked", "yes"}, "closed"),
    "ApprovalCancelled": ({"asked", "yes"}, "closed"),
    "ApprovalConsumed": ({"yes"}, "used"),
}
GRACE_MS = 60_000
UNTIL_MS = 24 * 3600 * 1000
TOLD_MAX = 20


# Ed25519 verification (RFC 8032), in extended coordinates.

P = 2**255 - 19
Q = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT = pow(2, (P - 1) // 4, P)


def add(a, b):
    e, f = (a[1] - a[0]) * (b[1] - b[0]) % P, (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    x, y, z, t = f - e, h - g, h + g, f + e
    return x * y % P, z * t % P, y * z % P, x * t % P


def times(number, point):
    found = (0, 1, 1, 0)
    while number:
        if number & 1:
            found = add(found, point)
        point = add(point, point)
        number >>= 1
    return found


def decompress(data):
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & (2**255 - 1)
    if y >= P:
        return None
    x2 = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(x2, (P + 3) // 8, P)
    if (x * x - x2) % P:
        x = x * ROOT % P
    if (x * x - x2) % P or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


BASE = decompress(bytes([0x58]) + bytes([0x66]) * 31)


def ed25519(public, text, signature):
    if len(signature) != 64:
        return False
    a, r, s = decompress(public), decompress(signature[:32]), int.from_bytes(signature[32:], "little")
    if a is None or r is None or s >= Q:
        return False
    h = int.from_bytes(hashlib.sha512(signature[:32] + public + text).digest(), "little") % Q
    left, right = times(s, BASE), add(r, times(h, a))
    return (left[0] * right[2] - right[0] * left[2]) % P == 0 and (left[1] * right[2] - right[1] * left[2]) % P == 0


# Signed notes and heads.


class Bad(Exception):
    pass


def unbase64(text):
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Bad("it holds something that is not base64") from None


class Key:
    def __init__(self, text):
        name, key_id, material = text.strip().split("+", 2)
        material = unbase64(material)
        if material[:1] != b"\x01" or len(material) != 33:
            raise Bad("the key is not the Ed25519 key of a log")
        self.text, self.name, self.public = text.strip(), name, material[1:]
        self.id = hashlib.sha256(name.encode() + b"\n" + material).digest()[:4]
        if self.id.hex() != key_id:
            raise Bad("name and key do not belong to the id between them")


def signed_text(note, keys):
    """The text of a note that one of the keys signed."""
    if any(ord(c) < 32 and c != "\n" for c in note) or "\n\n" not in note or not note.endswith("\n"):
        raise Bad("it is not a signed note")
    text, lines = note[: note.rindex("\n\n") + 1], note[note.rindex("\n\n") + 2 : -1].split("\n")
    signed = False
    for line in lines:
        parts = line.split(" ")
        if len(parts) != 3 or parts[0] != "\u2014":
            raise Bad("a signature line has not its form")
        name, data = parts[1], unbase64(parts[2])
        for key in keys:
            if key.name == name and data[:4] == key.id:
                if not ed25519(key.public, text.encode(), data[4:]):
                    raise Bad("the signature does not fit the text: one of the two was changed")
                signed = True
    if not signed:
        raise Bad("none of the named keys has signed it")
    return text


class Head:
    def __init__(self, text):
        lines = text.split("\n")
        if len(lines) < 4 or not re.fullmatch(r"0|[1-9][0-9]*", lines[1]):
            raise Bad("it is not a head")
        self.origin, self.size, self.root = lines[0], int(lines[1]), unbase64(lines[2])
        made = [line.split(" ") for line in lines[3:] if re.fullmatch(r"head [0-9]+ \S+", line)]
        self.number, self.at = (int(made[0][1]), made[0][2]) if made else (None, None)


def notes_of(text):
    notes, now, signed = [], [], False
    for line in text.splitlines(keepends=True):
        is_signature = line.startswith("\u2014 ")
        if signed and not is_signature:
            notes.append("".join(now))
            now = []
            if line == "\n":
                signed = False
                continue
        now.append(line)
        signed = is_signature
    if "".join(now).strip():
        notes.append("".join(now))
    return notes


# The tree.


def leaf_hash(body):
    return hashlib.sha256(b"\0" + body).digest()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def reduced(hashes):
    """The root over 256 neighbours."""
    while len(hashes) > 1:
        hashes = [node(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
    return hashes[0]


class Tree:
    """Keeps one hash for each complete subtree, so that the root is known at every size."""

    def __init__(self):
        self.size, self.stack = 0, []

    def push(self, leaf):
        self.size += 1
        self.stack.append(leaf)
        for _ in range((self.size & -self.size).bit_length() - 1):
            right = self.stack.pop()
            self.stack.append(node(self.stack.pop(), right))

    def root(self):
        if not self.stack:
            return hashlib.sha256(b"").digest()
        found = self.stack[-1]
        for left in reversed(self.stack[:-1]):
            found = node(left, found)
        return found


def inclusion_holds(leaf, index, size, path, root):
    """Follows the definition from the root down, then hashes up."""
    sides, low, high = [], 0, size
    if index >= size:
        return False
    while high - low > 1:
        middle = low + (1 << ((high - low - 1).bit_length() - 1))
        sides.append(index >= middle)
        low, high = (middle, high) if index >= middle else (low, middle)
    if len(sides) != len(path):
        return False
    for right, step in zip(reversed(sides), path):
        leaf = node(step, leaf) if right else node(leaf, step)
    return leaf == root


def consistency_holds(old, old_root, new, new_root, path):
    """RFC 6962, 2.1.2: the proof names subtrees; both roots are put together from them."""
    if old == new:
        return old_root == new_root and not path
    if not 0 < old < new:
        return False
    plan, low, high, whole = [], 0, new, True
    while high > old:
        middle = low + (1 << ((high - low - 1).bit_length() - 1))
        if old <= middle:
            plan.append("new")
            high = middle
        else:
            plan.append("both")
            low, whole = middle, False
    path = list(path)
    if len(path) != len(plan) + (0 if whole else 1):
        return False
    first = old_root if whole else path.pop(0)
    was = now = first
    for kind, step in zip(reversed(plan), path):
        if kind == "both":
            was, now = node(step, was), node(step, now)
        else:
            now = node(now, step)
    return was == old_root and now == new_root


# The check.


def milliseconds(text):
    parsed = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    delta = parsed - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
    return delta // datetime.timedelta(milliseconds=1)


def once(pairs):
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a field stands twice")
    return fields


class Check:
    def __init__(self, keys, kept):
        self.keys, self.findings = keys, []
        self.tree, self.whole, self.next = Tree(), True, 1
        self.leaves = []  # as the records make them; None in a hole
        self.heads = []  # (where, Head, stored row or None)
        self.open, self.erased, self.blank = {}, {}, {}
        self.stages, self.odd = {}, []
        self.roots = {}
        self.sealed = 0
        for where, note in kept:
            self.head(where, note, None)

    def found(self, kind, text):
        self.findings.append((kind, text))

    def head(self, where, note, row):
        try:
            head = Head(signed_text(note, self.keys))
        except Bad as why:
            return self.found("signature", f"{where}: {why}")
        self.heads.append((where, head, row))

    def record(self, seq, body, erased, columns, sealed):
        """`body` is bytes, None when erased; `erased` the leaf that an export names; `sealed` the leaf in the tile."""
        if not isinstance(seq, int) or seq < self.next:
            return self.found("gap", f"record {seq} stands where {self.next} belongs: it was inserted or moved")
        if seq > self.next:
            self.found("gap", f"records {self.next} to {seq - 1} are missing: removed, or renumbered")
            for missing in range(self.next, min(seq, self.sealed + 1)):
                self.push(sealed(missing))
            if seq - 1 > self.tree.size:
                self.whole = False
        self.next = seq + 1
        known = sealed(seq)
        leaf = leaf_hash(body) if body is not None else erased or known
        if known is not None and leaf != known:
            self.found("edited", f"record {seq}: its content is not what was sealed")
        if known is None and seq <= self.sealed:
            self.found("tile", f"record {seq}: the tree holds no hash of it, although it was sealed")
        self.push(leaf)
        if body is None:
            self.blank[seq] = columns
        else:
            self.content(seq, body, columns)

    def push(self, leaf):
        if leaf is None:
            self.whole = False
        if not self.whole:
            return
        self.tree.push(leaf)
        self.leaves.append(leaf)
        if self.tree.size in self.wanted:
            self.roots[self.tree.size] = self.tree.root()

    def content(self, seq, body, columns):
        try:
            record = json.loads(body, object_pairs_hook=once)
            event, at = record["event"], milliseconds(record["at"])
            kind, agent, task = event["type"], record["agent"], event.get("task")
        except (ValueError, KeyError, TypeError, AttributeError):
            return self.found("edited", f"record {seq}: its content is not a record")
        if columns is not None and columns != (at, kind, int(task[2:]) if task else None, agent):
            self.found("columns", f"record {seq}: the store files it under something else than its content says")
        for start, ends, name, place in PAIRS:
            if kind == start:
                here = tuple(event.get(field) for field in place)
                self.open = {k: v for k, v in self.open.items() if k[0] != start or v[2] != here or not here}
                until = milliseconds(event["until"]) if "until" in event else at + UNTIL_MS
                self.open[start, event.get(name)] = (seq, until, here, task)
            elif kind in ends:
                self.open.pop((start, event.get(name)), None)
        if kind in STEPS:
            self.approval(seq, kind, str(event.get("approval")))
        if kind == "RecordErased":
            self.erased.update((entry["seq"], entry) for entry in event["records"])

    def approval(self, seq, kind, name):
        stage = self.stages.get(name, "unknown")
        before, after = STEPS[kind]
        if stage not in before:
            self.odd.append((seq, kind, name, stage))
        if stage in before or stage in ("unknown", "asked"):
            self.stages[name] = after

    def approvals(self):
        """An erased record has no id left: each stands for one question or one yes that is missing before a record."""
        erased = [(seq, self.erased[seq]["kind"]) for seq in sorted(self.blank) if seq in self.erased]
        asked = [seq for seq, kind in erased if kind == "ApprovalRequested"]
        agreed = [seq for seq, kind in erased if kind in ("ApprovalApproved", "ApprovalAdjusted")]
        for seq, kind, name, stage in self.odd:
            missing = []
            if stage == "unknown" and kind != "ApprovalRequested":
                missing.append(asked)
            if stage in ("unknown", "asked") and kind == "ApprovalConsumed":
                missing.append(agreed)
            found = [left.pop(0) for left in missing if left and left[0] < seq]
            if not missing or len(found) < len(missing):
                self.found("approval", f"record {seq}: {kind} of {name}, which was {stage} before: no yes of its own")

    def tiles(self, tiles):
        """Every level against what the records make it."""
        level, row = 0, self.leaves[: self.sealed]
        while row and self.whole and self.tree.size >= self.sealed:
            for position in range(0, (len(row) + WIDTH - 1) // WIDTH):
                part = row[position * WIDTH : (position + 1) * WIDTH]
                if tiles.pop((level, position), b"") != b"".join(part):
                    self.found("tile", f"tile {position} of level {level} is not what the records make it")
            full = len(row) // WIDTH
            row = [reduced(row[i * WIDTH : (i + 1) * WIDTH]) for i in range(full)]
            level += 1
        if self.whole and self.tree.size >= self.sealed:
            for level, position in tiles:
                what = "head_missing" if level == 0 else "tile"
                self.found(what, f"tile {position} of level {level} belongs to no sealed record: a head was removed")

    def finish(self, now):
        records = self.next - 1
        if records < self.sealed:
            self.found("cut", f"records {records + 1} to {self.sealed} were sealed and are missing at the end")
        number = 0
        for where, head, row in self.heads:
            if row is not None:
                number += 1
                if row[1] != number:
                    self.found("head_missing", f"head {number} is missing: the next one is {row[1]}")
                    number = row[1]
                if (head.size, head.number, head.root) != (row[0], row[1], row[3]) or milliseconds(head.at) != row[2]:
                    self.found("head", f"{where} is filed under something else than its note says")
            if head.origin not in {key.name for key in self.keys}:
                self.found("signature", f"{where} is of another log")
            if head.size > records:
                if row is None:
                    self.found("cut", f"{where} knows {head.size} records and the log holds {records}: its end was cut")
            elif self.roots.get(head.size, head.root if not self.whole and row else None) != head.root:
                kind = "head" if row else "rewritten"
                self.found(kind, f"{where} knows other records 1 to {head.size} than the log holds")
        for seq, columns in self.blank.items():
            entry = self.erased.get(seq)
            if entry is None:
                self.found("erasure", f"record {seq}: its content is gone, and no record says that it was erased")
            elif columns is not None:
                task = int(entry["task"][2:]) if entry.get("task") else None
                if columns != (milliseconds(entry["at"]), entry["kind"], task, ""):
                    self.found("columns", f"record {seq}: the store files it under something else than its erasure says")
        for seq, entry in self.erased.items():
            for start, ends, _, _ in PAIRS:
                if entry["kind"] in ends:
                    gone = [k for k, v in self.open.items() if k[0] == start and v[0] < seq and v[3] == entry.get("task")]
                    for key in gone:
                        del self.open[key]
        for (start, _), (seq, until, _, _) in sorted(self.open.items(), key=lambda item: item[1][0]):
            if until + GRACE_MS < now:
                self.found("unfinished", f"record {seq}: {start}, its time is over, and no outcome is on record")
        self.approvals()
        return records


def split(blob):
    if not isinstance(blob, bytes) or len(blob) % 32:
        return []
    return [blob[i : i + 32] for i in range(0, len(blob), 32)]


def check_store(path, check):
    store = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    store.text_factory = bytes
    text = lambda value: value.decode("utf-8", "replace") if isinstance(value, bytes) else None
    rows = store.execute("SELECT size, number, at, root, note FROM heads ORDER BY size").fetchall()
    for row in rows:
        check.head(f"the stored head {row[1]}", text(row[4]) or "", row)
    check.sealed = max((row[0] for row in rows), default=0)
    check.wanted = {head.size for _, head, _ in check.heads}
    tiles = {(level, position): blob for level, position, blob in store.execute("SELECT level, position, hashes FROM tiles")}
    leaves = {position: split(blob) for (level, position), blob in tiles.items() if level == 0}
    held = max(((position * WIDTH + len(hashes)) for position, hashes in leaves.items()), default=0)
    if held > check.sealed:
        check.found("head_missing", f"the tree holds {held} records and the newest head {check.sealed}: a head was removed")

    def sealed(seq):
        hashes = leaves.get((seq - 1) // WIDTH, [])
        place = (seq - 1) % WIDTH
        return hashes[place] if place < len(hashes) else None

    for seq, at, kind, task, agent, body in store.execute("SELECT seq, at, kind, task, agent, body FROM events ORDER BY seq"):
        body = body if isinstance(body, bytes) else b"?"
        check.record(seq, body or None, None, (at, text(kind), task, text(agent)), sealed)
    check.tiles(dict(tiles))


def check_export(path, check):
    check.wanted = {head.size for _, head, _ in check.heads}
    with open(path, "rb") as lines:
        for line in lines:
            line = line.rstrip(b"\n")
            kept = re.match(rb'\{"seq":([0-9]+),"body":', line)
            gone = re.fullmatch(rb'\{"seq":([0-9]+),"erased":"([0-9a-f]{64})"\}', line)
            if kept and line.endswith(b"}"):
                check.record(int(kept[1]), line[kept.end() : -1], None, None, lambda seq: None)
            elif gone:
                check.record(int(gone[1]), None, bytes.fromhex(gone[2].decode()), None, lambda seq: None)
            else:
                raise Bad(f"this line is not a record of an export: {line[:80]!r}")


def check_proof(path, keys):
    with open(path, encoding="utf-8") as file:
        proof = json.load(file, object_pairs_hook=once)
    head, steps = Head(signed_text(proof["head"], keys)), [bytes.fromhex(step) for step in proof["path"]]
    if proof["proof"] == "inclusion":
        leaf = bytes.fromhex(proof["leaf"])
        if "body" in proof and leaf_hash(proof["body"].encode()) != leaf:
            raise Bad("the record in it is not the one whose hash is in the tree")
        holds = inclusion_holds(leaf, proof["seq"] - 1, head.size, steps, head.root)
        said = f"record {proof['seq']} is in the log of {head.size} records"
    else:
        old = proof["old"]
        root = bytes.fromhex(old["root"])
        if "note" in old:
            older = Head(signed_text(old["note"], keys))
            if (older.size, older.root) != (old["size"], root):
                raise Bad("the older head says something else than its note")
        holds = consistency_holds(old["size"], root, head.size, head.root, steps)
        said = f"the log of {head.size} records goes on from that of {old['size']}"
    if not holds:
        print("this proves nothing: the proof does not lead to the root of the head")
        return 1
    print(said)
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--key", action="append", required=True, help="what `phasegate audit key` prints")
    parser.add_argument("--from", dest="kept", action="append", default=[], help="a file of heads kept elsewhere")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--store")
    what.add_argument("--export")
    what.add_argument("--proof")
    asked = parser.parse_args()
    try:
        keys = [Key(text) for text in asked.key]
        if asked.proof:
            return check_proof(asked.proof, keys)
        kept = []
        for path in asked.kept:
            with open(path, encoding="utf-8") as file:
                kept.extend((f"the head in {path}", note) for note in notes_of(file.read()))
        check = Check(keys, kept)
        if asked.export and not check.heads and not check.findings:
            raise Bad("an export proves something only against a head: give one with --from")
        (check_store if asked.store else check_export)(asked.store or asked.export, check)
        now = int(datetime.datetime.now(datetime.timezone.utc).timestamp() * 1000)
        records = check.finish(now)
    except (Bad, OSError, ValueError, KeyError, TypeError, AttributeError, sqlite3.Error) as why:
        print(f"it could not be checked: {why}", file=sys.stderr)
        return 2
    if check.findings:
        print(f"{records} records, {len(check.findings)} findings:")
        for kind, text in check.findings[:TOLD_MAX]:
            print(f"  {kind}: {text}")
        if len(check.findings) > TOLD_MAX:
            print(f"  and {len(check.findings) - TOLD_MAX} more")
        return 1
    proved = max((head.size for _, head, row in check.heads if row is None), default=0)
    what = f"records 1 to {proved} are proved" if proved else "none of them is proved"
    print(f"{records} records, nothing found; {what} by heads kept elsewhere")
    return 0


if __name__ == "__main__":
    sys.exit(main())
