// What waits for a person: a list, one of them in full, and the answer. Nothing else happens on a yes than what is shown here.

import { answered, described, question } from "./approval.js";
import { fill, h, keyed, link } from "./dom.js";
import { KeyProblem } from "./keys.js";
import { throttled } from "./live.js";
import { told } from "./parts.js";
import { atHand, goingOn, keyless, signatures, sure } from "./signing.js";
import { serverTime, until } from "./time.js";

const KEYS = [
  ["j, k", "next, one before"],
  ["a", "approve"],
  ["r", "reject"],
  ["e", "change the arguments of a call"],
  ["x", "take it into the selection, or out"],
  ["?", "these keys"],
];

export async function page(root, context) {
  const self = {
    context,
    waiting: [],
    picked: new Set(),
    open: context.params.id ?? null,
    shown: null,
    busy: false,
    list: h("ul.waiting", { "aria-label": "Waiting" }),
    detail: h("section.detail", { "aria-label": "The approval", "aria-live": "off" }),
    bar: h("div.selection", { hidden: true, role: "region", "aria-label": "Selection" }),
    head: h("h1", "Inbox"),
  };
  fill(
    root,
    h(
      "div.page-head",
      self.head,
      h("button.small.keys", { type: "button", onclick: () => keysDialog() }, "Keys ", h("kbd", "?")),
    ),
    self.bar,
    h("div.inbox", { class: self.open ? "one" : "" }, self.list, self.detail),
  );
  self.frame = root.querySelector(".inbox");
  await load(self);
  const again = throttled(async () => {
    try {
      await load(self);
    } catch (error) {
      if (error.name !== "AbortError" && error.status !== 401) context.notice(error, "inbox");
    }
  }, 100);
  context.live.on((record) => {
    const kind = record?.event?.type ?? "";
    if (!record || /^(Approval|Phase|Artifact|Task|Approver)/.test(kind)) again();
  });
  const pressed = (event) => onKey(self, event);
  document.addEventListener("keydown", pressed);
  return () => document.removeEventListener("keydown", pressed);
}

async function load(self) {
  const { api, signal } = self.context;
  const { at, approvals } = await api.get("/inbox", {}, { signal });
  serverTime(at);
  self.waiting = approvals;
  for (const id of self.picked) if (!approvals.some((one) => one.id === id)) self.picked.delete(id);
  self.context.title(approvals.length ? `Inbox: ${approvals.length} waiting` : "Inbox");
  if (!self.open && approvals.length && matchMedia("(min-width: 861px)").matches) self.open = approvals[0].id;
  drawList(self);
  await drawOne(self);
}

function drawList(self) {
  const { waiting } = self;
  fill(self.head, "Inbox ", h("span.muted", waiting.length ? `${waiting.length} waiting` : ""));
  self.frame.classList.toggle("none", !waiting.length && !self.context.params.id);
  if (!waiting.length) {
    fill(self.list, h("li.empty", h("h2", "Nothing waits for you"), h("p.muted", "When an agent needs a person's answer, it shows here at once.")));
  } else {
    if (self.list.querySelector(".empty")) fill(self.list);
    const rows = waiting.map((one) => ({ one, open: one.id === self.open, picked: self.picked.has(one.id) }));
    keyed(self.list, rows, ({ one }) => one.id, (row) => item(self, row));
  }
  drawBar(self);
}

function item(self, { one, open, picked }) {
  const box = h("input", { type: "checkbox", checked: picked, "aria-label": `select ${one.id}`, onchange: () => toggle(self, one) });
  const anchor = h(
    "a",
    { href: `/inbox/${one.id}`, "aria-current": open ? "true" : null },
    h("span.spread", h("strong", one.id), h("span.muted.small", until(one.expires_at))),
    h("span.headline", one.ask_by_agent ? [h("span.quote-by", "asks: "), one.ask] : question(one)),
    h(
      "span.row.small.muted",
      one.task && h("span", `${one.task} · ${one.phase}`),
      h("span", `by ${one.requested_by}`),
      one.level >= 2 && h("span.tag.info", one.level >= 3 ? "passkey" : "signature"),
      one.together.length > 1 && h("span.tag", `${one.together.length} together`),
      one.void && h("span.tag.bad", "void"),
      !one.you.answer && !one.void && h("span.tag.warn", "not for you"),
    ),
  );
  return h("li.waits", { class: open ? "open" : "" }, h("label.pick", box), anchor);
}

/** Those that were asked together go together. */
function toggle(self, one) {
  const on = !self.picked.has(one.id);
  for (const id of one.together.filter((id) => self.waiting.some((known) => known.id === id))) {
    if (on) self.picked.add(id);
    else self.picked.delete(id);
  }
  drawList(self);
}

const alike = (one) => [one.about, one.call?.tool, one.gate, one.workflow, one.phase, one.level, one.from.join()].join("\n");

function drawBar(self) {
  const picked = self.waiting.filter((one) => self.picked.has(one.id));
  self.bar.hidden = picked.length === 0;
  if (!picked.length) return;
  const same = self.waiting.filter((one) => alike(one) === alike(picked[0]) && !self.picked.has(one.id));
  fill(
    self.bar,
    h("strong", `${picked.length} selected`),
    same.length > 0 &&
      h("button.small", { type: "button", onclick: () => (same.forEach((one) => one.together.forEach((id) => self.picked.add(id))), drawList(self)) }, `Select ${same.length} alike`),
    h("button.primary.small", { type: "button", onclick: () => answerAll(self, picked, "approve") }, "Approve all…"),
    h("button.danger.small", { type: "button", onclick: () => answerAll(self, picked, "reject") }, "Reject all…"),
    h("button.small", { type: "button", onclick: () => (self.picked.clear(), drawList(self)) }, "Clear"),
  );
}

async function drawOne(self) {
  const id = self.open;
  if (!id) {
    fill(self.detail);
    return;
  }
  const one = self.waiting.find((one) => one.id === id) ?? (await self.context.api.get(`/inbox/${encodeURIComponent(id)}`, {}, { signal: self.context.signal }));
  const signs = one.state === "pending" && !one.void && one.you.answer && one.you.sign > 0;
  const found = { ...one, hand: signs ? await atHand(self.context, one.you.sign, one.from) : null };
  if (self.open !== id) return;
  // What somebody is reading or answering does not move under their hands.
  if (self.shown && JSON.stringify(self.shown) === JSON.stringify(found)) return;
  if (self.busy) return;
  const kept = self.shown?.id === id && self.shown.state === found.state ? [...self.detail.querySelectorAll("textarea")].map((area) => area.value) : [];
  self.shown = found;
  fill(
    self.detail,
    h("p.back", link("/inbox", "← all that waits")),
    described(found, self.context),
    found.state === "pending" && !found.void ? answering(self, found) : answered(found),
  );
  self.detail.querySelectorAll("textarea").forEach((area, at) => kept[at] && (area.value = kept[at]));
}

/** The questions and buttons under one approval. */
function answering(self, one) {
  if (!one.you.answer) return h("p.banner.warn", h("strong", "You cannot answer this. "), one.you.why, " ", h("span.muted", one.you.hint));
  const others = one.together.filter((id) => id !== one.id);
  const reason = h("textarea", { id: "reason", maxlength: 2000, rows: 2, placeholder: "The agent reads it." });
  const parts = { reason, choice: choices(one), editor: null };
  const say = (word) => () => answer(self, one, word, parts);
  const editor = h("div.editor", { hidden: true });
  const why = one.hand && !one.hand.length && h("div.banner.warn.stack", { id: "keyless", tabindex: "-1" }, goingOn(one));
  // Whoever reaches a button that would be refused is led to the reason.
  const off = why && { onclick: () => why.focus(), "aria-disabled": "true", "aria-describedby": "keyless" };
  const act = (name, onclick) => ({ type: "button", data: { answer: name }, onclick, ...off });
  const buttons = h(
    "div.answers",
    h("button.primary.big", act("approve", say("approve")), one.about === "question" ? "Answer" : "Approve"),
    h("button.danger.big", act("reject", say("reject")), "Reject"),
    one.call && !others.length && h("button.big", act("adjust", () => edit(self, one, parts, editor)), "Change…"),
  );
  return h(
    "div.stack.answering",
    one.you.sign > 0 && !why && h("p.banner.info", one.you.sign >= 3 ? "A yes takes your passkey." : "A yes takes a signature with an approver's key.", one.from.length > 0 && ` It is for ${one.from.join(", ")}.`),
    why,
    others.length > 0 && h("p.banner.warn", `It was asked together with ${others.join(", ")}, and is answered together with them.`),
    parts.choice?.element,
    h("div.field", h("label", { for: "reason" }, "Reason"), reason),
    editor,
    others.length
      ? h("button.primary.big", { type: "button", onclick: () => (self.picked.add(one.id), others.forEach((id) => self.picked.add(id)), drawList(self), self.bar.scrollIntoView({ block: "center" })) }, `Look at all ${others.length + 1} and answer`)
      : buttons,
  );
}

function choices(one) {
  if (one.about !== "question") return null;
  if (!one.choices.length) {
    const area = h("textarea", { id: "choice", maxlength: 2000, rows: 3 });
    return { element: h("div.field", h("label", { for: "choice" }, "Your answer"), area), value: () => area.value.trim() || null };
  }
  const name = `choice-${one.id}`;
  const boxes = one.choices.map((choice) => h("input", { type: "radio", name, value: choice }));
  const element = h("fieldset.choices", h("legend", "Your choice"), boxes.map((box, at) => h("label.choice", box, h("span", one.choices[at]))));
  return { element, value: () => one.choices[boxes.findIndex((box) => box.checked)] ?? null };
}

/** Hidden characters stand as escapes in the text that is edited, and mean the same. */
function editable(value) {
  const hides = /[\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff\ufff9-\ufffb]|\udb40[\udc00-\udfff]/g;
  const escape = (found) => [...Array(found.length).keys()].map((at) => `\\u${found.charCodeAt(at).toString(16).padStart(4, "0")}`).join("");
  return JSON.stringify(value, null, 2).replace(hides, escape);
}

function edit(self, one, parts, place) {
  if (!place.hidden) return;
  const before = editable(one.call.arguments);
  const area = h("textarea.mono", { id: "arguments", rows: Math.min(20, before.split("\n").length + 1), spellcheck: "false", value: before });
  const diff = h("div.changes", { "aria-live": "polite" });
  const button = h("button.primary.big", { type: "button", disabled: true, data: { answer: "changed" }, onclick: () => answer(self, one, "adjust", parts) }, "Approve with these changes");
  const read = () => {
    let value;
    try {
      value = JSON.parse(area.value);
    } catch (error) {
      fill(diff, h("p.muted", `This is not JSON yet: ${error.message}`));
      return null;
    }
    fill(diff, compared(before, editable(value)));
    return value;
  };
  area.addEventListener("input", () => {
    const value = read();
    button.disabled = value === null || editable(value) === before;
  });
  parts.editor = { value: read };
  place.hidden = false;
  // What is approved while it is edited is the edited call: the plain yes is away meanwhile.
  const plain = [...self.detail.querySelectorAll('[data-answer="approve"], [data-answer="adjust"]')];
  const away = (is) => plain.forEach((one) => ((one.hidden = is), (one.disabled = is)));
  away(true);
  fill(
    place,
    h("div.field", h("label", { for: "arguments" }, "Arguments, as JSON"), h("span.muted", "A yes with changes is for the changed call only; the original is then not approved."), area),
    diff,
    h("div.row", button, h("button", { type: "button", onclick: () => ((place.hidden = true), (parts.editor = null), fill(place), away(false)) }, "Leave it as it is")),
  );
  area.focus();
}

/** Lines that go and lines that come: what is alike at both ends stays. */
function compared(before, after) {
  const [old, now] = [before.split("\n"), after.split("\n")];
  let [from, oldEnd, nowEnd] = [0, old.length, now.length];
  while (from < oldEnd && from < nowEnd && old[from] === now[from]) from += 1;
  while (oldEnd > from && nowEnd > from && old[oldEnd - 1] === now[nowEnd - 1]) [oldEnd, nowEnd] = [oldEnd - 1, nowEnd - 1];
  const line = (kind, sign) => (text) => h("div.change", { class: kind }, sign, text);
  return [
    old.slice(0, from).map(line("same", " ")),
    old.slice(from, oldEnd).map(line("gone", "-")),
    now.slice(from, nowEnd).map(line("added", "+")),
    now.slice(nowEnd).map(line("same", " ")),
  ];
}

async function answer(self, one, word, parts) {
  const choice = word === "approve" ? (parts.choice?.value() ?? null) : null;
  if (word === "approve" && parts.choice && choice === null) {
    self.context.notice(new KeyProblem("nothing is chosen yet", "choose or write the answer first"), "inbox");
    return;
  }
  const about = { approvals: [{ id: one.id, digest: one.digest }], answer: word, reason: parts.reason.value };
  if (choice !== null) about.choice = choice;
  if (word === "adjust") {
    about.arguments = parts.editor?.value();
    if (!about.arguments) return;
  }
  await send(self, [one], about);
}

/** What a signature that answers all of these must show. */
function proof(all) {
  return { level: Math.max(...all.map((one) => one.you.sign)), from: all.map((one) => one.from).find((from) => from.length) ?? [] };
}

async function send(self, all, about) {
  if (self.busy) return;
  self.busy = true;
  self.detail.setAttribute("aria-busy", "true");
  try {
    const { level, from } = proof(all);
    if (level > 0) {
      const what = `${about.answer === "reject" ? "Reject" : "Approve"} ${all.map((one) => one.id).join(", ")}`;
      const signed = await signatures(self.context, { act: "approval.answer", ...about }, { level, from, what });
      if (!signed) return;
      about = { ...about, approvals: about.approvals.map((named, at) => ({ ...named, signed: signed[at] })) };
    }
    const { approvals } = await self.context.api.post("/approvals/answer", about);
    self.context.notice(approvals.map((after) => `${after.id} is ${after.state} at level ${after.level}`).join("; "));
    self.picked.clear();
    const at = self.waiting.findIndex((one) => one.id === all[0].id);
    const rest = self.waiting.filter((one) => !all.includes(one));
    const next = rest[Math.min(at, rest.length - 1)] ?? null;
    self.busy = false;
    if (self.context.params.id) await self.context.go("/inbox");
    else {
      self.open = next?.id ?? null;
      self.shown = null;
      await load(self);
      self.list.querySelector("a[aria-current]")?.focus();
    }
    self.context.board.look();
  } catch (error) {
    self.context.notice(error, "inbox");
    self.busy = false;
    self.shown = null;
    await load(self).catch(() => {});
  } finally {
    self.busy = false;
    self.detail.removeAttribute("aria-busy");
  }
}

/** Several alike: each is shown in full before the one answer for all. */
async function answerAll(self, picked, word) {
  const cannot = picked.find((one) => !one.you.answer);
  if (cannot) {
    self.context.notice(new KeyProblem(`${cannot.id} cannot be answered here: ${cannot.you.why}`, "take it out of the selection"), "inbox");
    return;
  }
  const { level, from } = proof(picked);
  if (level > 0) {
    try {
      if (!(await atHand(self.context, level, from)).length) throw keyless(level, from);
    } catch (error) {
      self.context.notice(error, "inbox");
      return;
    }
  }
  const reason = h("textarea", { id: "reason-all", maxlength: 2000, rows: 2 });
  const body = h(
    "div.stack",
    h("p.muted", "One answer for all of them, or for none."),
    h("div.all-picked", { tabindex: "0", role: "region", "aria-label": "What is answered" }, picked.map((one) => described(one, self.context))),
    h("div.field", h("label", { for: "reason-all" }, "Reason"), reason),
  );
  const verb = word === "approve" ? "Approve" : "Reject";
  if (!(await sure(`${verb} ${picked.length} approvals`, body, `${verb} all ${picked.length}`, word === "approve" ? "primary" : "danger"))) return;
  const approvals = picked.map(({ id, digest }) => ({ id, digest }));
  await send(self, picked, { approvals, answer: word, reason: reason.value });
}

function keysDialog() {
  sure("Keys of the inbox", h("dl.facts", KEYS.map(([key, what]) => [h("dt", h("kbd", key)), h("dd", what)])), "Close");
}

function onKey(self, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input:not([type=checkbox]), textarea, select, dialog")) return;
  const at = self.waiting.findIndex((one) => one.id === self.open);
  const one = self.waiting[at];
  const press = (name) => self.detail.querySelector(`[data-answer="${name}"]`);
  const actions = {
    j: () => choose(self, Math.min(at + 1, self.waiting.length - 1)),
    k: () => choose(self, Math.max(at - 1, 0)),
    x: () => one && toggle(self, one),
    e: () => press("adjust")?.click(),
    "?": keysDialog,
    a: () => ask(self, one, "approve", press("approve")),
    r: () => ask(self, one, "reject", press("reject")),
  };
  const action = actions[event.key];
  if (!action) return;
  event.preventDefault();
  action();
}

/** A key is pressed by mistake more easily than a button: it asks once more, with what it is about. */
async function ask(self, one, word, button) {
  if (!one || !button || button.disabled || self.busy) return;
  if (button.ariaDisabled === "true") {
    button.click();
    return;
  }
  const verb = word === "approve" ? "Approve" : "Reject";
  const body = h("div.stack", h("p.wrap", one.ask_by_agent ? one.ask : question(one)), word === "approve" && h("p.muted", "After a yes: ", told(one.on_yes)));
  if (await sure(`${verb} ${one.id}?`, body, verb, word === "approve" ? "primary" : "danger")) button.click();
}

async function choose(self, at) {
  const one = self.waiting[at];
  if (!one) return;
  self.open = one.id;
  drawList(self);
  self.list.querySelector("a[aria-current]")?.focus();
  await drawOne(self).catch((error) => self.context.notice(error, "inbox"));
}
