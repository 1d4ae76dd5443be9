// Small parts that several pages show: money, states, guards, bars, tables, and a question before something is done.

import { h, link, s } from "./dom.js";
import { minutes, moment } from "./time.js";

const whole = new Intl.NumberFormat("en");

export function money(micro) {
  const usd = (micro ?? 0) / 1e6;
  if (usd === 0) return "$0";
  const digits = usd >= 100 ? 0 : usd >= 0.1 ? 2 : 4;
  return `$${new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(usd)}`;
}

/** In millionths of a dollar: a difference below it says nothing. */
export const CENT = 10_000;

export function count(number) {
  return whole.format(number ?? 0);
}

/** 30800 → "30.8 k" */
export function short(number) {
  const value = number ?? 0;
  if (value < 10_000) return whole.format(value);
  return value < 1e6 ? `${(value / 1e3).toFixed(1)} k` : `${(value / 1e6).toFixed(1)} M`;
}

export function plural(number, one, many = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : many}`;
}

/** As a cap counts them: what is read back from a cache is not counted. */
export function tokens(kinds) {
  return kinds.input + kinds.cache_write + kinds.cache_write_long + kinds.output;
}

const STATUS = { waiting: "", ready: "info", claimed: "accent", blocked: "bad", done: "ok", failed: "bad", cancelled: "" };

export function status(word) {
  return h("span.tag", { class: STATUS[word] ?? "" }, word);
}

export function priority(word) {
  if (word === "critical") return h("span.tag.bad", "critical");
  if (word === "high") return h("span.tag.warn", "high");
  return word === "low" ? h("span.tag", "low") : null;
}

const GUARD = { enforced: ["ok", "◆"], advisory: ["warn", "◈"], blind: ["bad", "◇"] };
const GUARD_MEANS = {
  enforced: "the client's own tools are held to the phase; a hook that fails blocks the call",
  advisory: "calls are judged, but a hook that fails lets them pass",
  blind: "phasegate does not see what the client's own tools do",
};

/** Why an agent without a session counts as blind. */
export const NOT_SEEN = "no hook of its client has shown itself";

export function guard(word, why) {
  const [kind, sign] = GUARD[word] ?? ["", ""];
  const text = `${GUARD_MEANS[word] ?? ""}${why ? ` (${why})` : ""}`;
  return h("span.tag", { class: kind, title: text }, h("span", { "aria-hidden": "true" }, sign), word, h("span.visually-hidden", `: ${text}`));
}

export function taskLink(id, text) {
  return link(`/tasks/${id}`, text ?? id);
}

/** How much of a cap is used; nothing where there is no cap. */
export function bar(used, cap, name, said) {
  if (!cap) return null;
  const share = Math.min(1, used / cap);
  const kind = share >= 1 ? "bad" : share >= 0.8 ? "warn" : "";
  const meter = h("div.bar", {
    class: kind, role: "meter", "aria-label": name, "aria-valuemin": 0, "aria-valuemax": 100, "aria-valuenow": Math.round(share * 100), "aria-valuetext": said,
  });
  meter.append(h("span", { vars: { share: `${(share * 100).toFixed(1)}%` } }));
  return h("div.barred", meter, h("span.muted.small", said));
}

/** The budget of a card: its bars, or what was spent without a cap. `begun: false`: nothing yet, so nothing to see. */
export function budget(account, cap, begun = true) {
  const spent = account.spent;
  const parts = [];
  if (!begun && !spent.calls && !cap.minutes_used) return parts;
  if (cap.micro_usd !== undefined) parts.push(bar(spent.micro_usd + account.reserved.micro_usd, cap.micro_usd, "Money", `${money(spent.micro_usd)} of ${money(cap.micro_usd)}`));
  if (cap.tokens !== undefined) parts.push(bar(spent.tokens + account.reserved.tokens, cap.tokens, "Tokens", `${short(spent.tokens)} of ${short(cap.tokens)} tokens`));
  if (cap.minutes !== undefined) parts.push(bar(cap.minutes_used, cap.minutes, "Minutes", `${minutes(cap.minutes_used)} of ${minutes(cap.minutes)}`));
  if (cap.calls !== undefined) parts.push(bar(spent.calls + account.reserved.calls, cap.calls, "Answers", `${spent.calls} of ${cap.calls} answers`));
  if (!parts.length && spent.micro_usd > 0) parts.push(h("span.muted.small", `${money(spent.micro_usd)}, no cap`));
  return parts;
}

/** table(caption, [["Name", "num"], …], rows of cells) */
export function table(caption, heads, rows, empty = "Nothing yet.") {
  if (!rows.length) return h("p.muted", empty);
  return h(
    "div.table",
    { tabindex: 0, role: "region", "aria-label": caption },
    h(
      "table",
      h("caption.visually-hidden", caption),
      h("thead", h("tr", heads.map(([name, kind]) => h("th", { scope: "col", class: kind ?? "" }, name)))),
      h("tbody", rows.map((cells) => h("tr", cells.map((cell, at) => h("td", { class: heads[at][1] ?? "" }, cell))))),
    ),
  );
}

/** A message of ours: what it puts in backticks becomes code. */
export function worded(text, plain = (part) => part) {
  return String(text ?? "").split(/`([^`]*)`/).map((part, at) => (at % 2 ? h("code", part) : plain(part)));
}

const EXACT_TIME = /(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z)/;

/** The same, with the exact times in it as people read them. */
export function told(text) {
  return worded(text, (plain) => plain.split(EXACT_TIME).map((part, at) => (at % 2 ? moment(part) : part)));
}

/** What an agent wrote, as text and marked as its own. */
export function quote(text, by) {
  return h("blockquote.quote", text, by && h("footer.quote-by", "written by ", by));
}

/** JSON as lists and names, the JSON itself behind it; null where the text is no list and no object. */
export function laidOut(text) {
  let value;
  try {
    value = JSON.parse(text, exactly);
  } catch {
    return null;
  }
  if (value === null || typeof value !== "object") return null;
  return [h("div.quote", part(value)), h("details", h("summary", "As JSON"), h("pre", { tabindex: 0 }, h("code", text)))];
}

/** What a browser would round is better read as it was written. */
function exactly(_, value) {
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) throw new RangeError("too large");
  return value;
}

function part(value) {
  if (typeof value === "string") return value === "" ? h("code", '""') : h("span.written", value);
  if (value === null || typeof value !== "object") return h("code", String(value));
  const rows = Object.entries(value);
  if (!rows.length) return h("span.muted", "none");
  if (Array.isArray(value)) return h("ol.numbered", value.map((one) => h("li", part(one))));
  return h("dl.named", rows.map(([name, one]) => [h("dt", name), h("dd", part(one))]));
}

export function panel(title, ...children) {
  return h("section.panel", h("h2", title), ...children);
}

export function figure(name, value, note) {
  return h("div.figure", h("dt", name), h("dd", value), note && h("dd.small.muted", note));
}

/** Buttons of which one is pressed. */
export function segments(label, choices, chosen, choose) {
  const group = h("div.segments", { role: "group", "aria-label": label });
  for (const [value, name] of choices) {
    const button = h("button", { type: "button", "aria-pressed": String(value === chosen) }, name);
    button.addEventListener("click", () => {
      for (const other of group.children) other.setAttribute("aria-pressed", String(other === button));
      choose(value);
    });
    group.append(button);
  }
  return group;
}

/**
 * Asks before something is done. Gives { words, chosen }, of its field and its choice, or null when it was put away.
 * `choice` is { label, options: [[value, name]…] }.
 */
export function ask({ title, text, field, choice, optional = false, action, danger = false }) {
  return new Promise((answered) => {
    const words = field && h("textarea", { id: "ask-words", maxlength: 2000, required: !optional });
    const options = choice && h("select", { id: "ask-choice" }, choice.options.map(([value, name]) => h("option", { value }, name)));
    const dialog = h(
      "dialog",
      { "aria-labelledby": "ask-title" },
      h(
        "form.stack",
        { method: "dialog" },
        h("h2", { id: "ask-title" }, title),
        text && h("p", text),
        choice && h("div.field", h("label", { for: "ask-choice" }, choice.label), options),
        field && h("div.field", h("label", { for: "ask-words" }, field), words),
        h(
          "div.row",
          h(`button.${danger ? "danger" : "primary"}`, { type: "submit", value: "yes" }, action),
          h("button", { type: "submit", value: "no", formnovalidate: true }, "Leave it"),
        ),
      ),
    );
    dialog.addEventListener("close", () => {
      dialog.remove();
      answered(dialog.returnValue === "yes" ? { words: words?.value ?? "", chosen: options?.value } : null);
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

/** An arrow's head for lines of SVG, by the name that `marker-end` refers to. */
export function arrow(id) {
  return s(
    "defs",
    s("marker", { id, viewBox: "0 0 10 10", refX: 9, refY: 5, markerWidth: 7, markerHeight: 7, orient: "auto-start-reverse" }, s("path.arrow", { d: "M0 0 10 5 0 10z" })),
  );
}
