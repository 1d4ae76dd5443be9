// Times as people read them: how long ago, how much longer. Elements made here go on by themselves.

import { h } from "./dom.js";

const UNITS = [["d", 86_400], ["h", 3_600], ["min", 60], ["s", 1]];
const full = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** How far this machine's clock is from the server's. */
let offset = 0;

/** What the server says the time is: countdowns hold on a phone whose clock is wrong. */
export function serverTime(at) {
  const parsed = Date.parse(at);
  if (Number.isFinite(parsed)) offset = parsed - Date.now();
}

export function now() {
  return Date.now() + offset;
}

/** 5400 → "1 h 30 min": the two largest units. */
export function span(seconds) {
  let rest = Math.max(0, Math.round(seconds));
  if (rest === 0) return "0 s";
  const parts = [];
  for (const [unit, size] of UNITS) {
    if (rest >= size) {
      parts.push(`${Math.floor(rest / size)} ${unit}`);
      rest %= size;
    } else if (parts.length) break;
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

/** One unit, for where there is little room. */
function brief(seconds) {
  const [unit, size] = UNITS.find(([, size]) => seconds >= size) ?? ["s", 1];
  return `${Math.max(0, Math.floor(seconds / size))} ${unit}`;
}

function said(element) {
  const at = Number(element.dataset.at);
  const away = (at - now()) / 1000;
  if (element.dataset.tick === "since") return away > -2 ? "just now" : `${brief(-away)} ago`;
  if (element.dataset.tick === "for") return span(-away);
  return away <= 0 ? "lapsed" : away < 3600 ? minutes(away) : span(away);
}

function minutes(seconds) {
  const whole = Math.floor(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function ticking(kind, at, properties) {
  const parsed = Date.parse(at);
  if (!Number.isFinite(parsed)) return h("span.muted", "–");
  const element = h("time", { datetime: at, title: full.format(parsed), data: { tick: kind, at: parsed }, ...properties });
  element.textContent = said(element);
  mark(element, parsed);
  return element;
}

function mark(element, at) {
  if (element.dataset.tick === "until") element.classList.toggle("short", at - now() < 60_000);
}

/** "4 min ago" */
export const since = (at, properties) => ticking("since", at, properties);
/** "4:10" and, in the end, "lapsed" */
export const until = (at, properties) => ticking("until", at, properties);
/** "4 min": how long something has lasted */
export const lasting = (at, properties) => ticking("for", at, properties);

/** The moment itself. */
export function moment(at) {
  const parsed = Date.parse(at);
  if (!Number.isFinite(parsed)) return h("span.muted", "–");
  const today = new Date(now()).toDateString() === new Date(parsed).toDateString();
  return h("time", { datetime: at, title: full.format(parsed) }, today ? clock.format(parsed) : full.format(parsed));
}

/** "2026-11-20" or a time, as a day. */
export function date(at) {
  const parsed = Date.parse(at);
  return Number.isFinite(parsed) ? day.format(parsed) : String(at);
}

setInterval(() => {
  for (const element of document.querySelectorAll("time[data-tick]")) {
    const text = said(element);
    if (element.textContent !== text) element.textContent = text;
    mark(element, Number(element.dataset.at));
  }
}, 1000);
