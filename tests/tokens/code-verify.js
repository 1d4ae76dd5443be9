// Checks of the log that this page makes by itself: the signature under a head, that a record is under it, and that one head goes
// on from another (RFC 6962, C2SP signed notes). Nothing here asks the server whether something is true.

import { base64, bytesOf, hex, sha256, unbase64 } from "./keys.js";

const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const joined = (...parts) => {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
};

export const unhex = (text) => {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new Error("a step of the proof is no hash");
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));
};

const leafOf = (body) => sha256(joined(new Uint8Array([0]), bytesOf(body)));
const node = (left, right) => sha256(joined(new Uint8Array([1]), left, right));
const same = (one, other) => hex(one) === hex(other);

/** "name+id+base64" → what checks its signatures. */
export async function readKey(text) {
  const [name, id, ...rest] = text.trim().split("+");
  const material = unbase64(rest.join("+"));
  if (!name || material[0] !== 1 || material.length !== 33) throw new Error("this is not the key of a log");
  const made = await sha256(joined(bytesOf(`${name}\n`), material));
  if (hex(made.slice(0, 4)) !== id) throw new Error("the key does not fit its own number");
  return { name, id, text: text.trim(), raw: material.slice(1) };
}

/** The head in a note: { origin, size, root, at, note }; only what the key has signed. */
export async function readHead(note, key) {
  const split = note.lastIndexOf("\n\n");
  if (split < 0 || !note.endsWith("\n")) throw new Error("this is not a signed head");
  const text = note.slice(0, split + 1);
  const lines = note.slice(split + 2, -1).split("\n");
  let signed = false;
  for (const line of lines) {
    const found = /^— (\S+) (\S+)$/.exec(line);
    if (!found) throw new Error("this is not a signed head: a signature line is misshapen");
    const bytes = unbase64(found[2]);
    if (found[1] !== key.name || hex(bytes.slice(0, 4)) !== key.id) continue;
    const opened = await crypto.subtle.importKey("raw", key.raw, { name: "Ed25519" }, false, ["verify"]);
    if (!(await crypto.subtle.verify({ name: "Ed25519" }, opened, bytes.slice(4), bytesOf(text)))) {
      throw new Error("the signature does not fit the head: one of the two was changed");
    }
    signed = true;
  }
  if (!signed) throw new Error("the head is signed by another key than this log's");
  const [origin, size, root, ...more] = text.slice(0, -1).split("\n");
  if (!/^(0|[1-9]\d{0,15})$/.test(size) || unbase64(root).length !== 32) throw new Error("this is not a head");
  const made = more.find((line) => line.startsWith("head "));
  return { origin, size: Number(size), root: unbase64(root), at: made?.split(" ")[2] ?? null, note };
}

/** Throws where `path` does not lead from the leaf at `index` to the root of a tree of `size`. */
async function included(leaf, index, size, path, root) {
  if (index >= size) throw new Error("there is no such place in this log");
  let [at, last, found] = [index, size - 1, leaf];
  for (const step of path) {
    if (last === 0) throw new Error("the proof is too long");
    if (at % 2 === 1 || at === last) {
      found = await node(step, found);
      while (at % 2 === 0 && at !== 0) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
    } else {
      found = await node(found, step);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  if (last !== 0) throw new Error("the proof is too short");
  if (!same(found, root)) throw new Error("the proof does not lead to the head");
}

/** Throws where the newer log does not go on from the older one. */
async function grown(old, now, path) {
  if (old.size > now.size) throw new Error("the log has fewer records than it had");
  if (old.size === now.size || old.size === 0) {
    const root = old.size === 0 ? unhex(EMPTY) : now.root;
    if (!same(old.root, root) || path.length) throw new Error("the log has another past than the head that was kept");
    return;
  }
  let [at, last] = [old.size - 1, now.size - 1];
  while (at % 2 === 1) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  const steps = [...path];
  const whole = Number.isInteger(Math.log2(old.size));
  const first = whole ? old.root : steps.shift();
  if (!first) throw new Error("the proof is too short");
  let [before, after] = [first, first];
  for (const step of steps) {
    if (last === 0) throw new Error("the proof is too long");
    if (at % 2 === 1 || at === last) {
      before = await node(step, before);
      after = await node(step, after);
      while (at % 2 === 0 && at !== 0) [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
    } else {
      after = await node(after, step);
    }
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  if (last !== 0) throw new Error("the proof is too short");
  if (!same(before, old.root)) throw new Error("the log has another past than the head that was kept");
