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

/** The same of minutes, as caps count them. */
export function minutes(count) {
  return count > 0 ? span(count * 60) : "0 min";
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
  // Seconds count in the end only; before, they would make the page flicker.
  return away <= 0 ? "lapsed" : span(away < 120 ? Math.ceil(away) : Math.floor(away / 60) * 60);
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
/** "4 min", "1 min 10 s" and, in the end, "lapsed" */
export const until = (at, properties) => ticking("until", at, properties);
/** "4 min": how long something has lasted */
export const lasting = (at, properties) => ticking("for", at, properties);

/** The moment itself, to the second; exactly in its title. */
export function moment(at) {
  const parsed = Date.parse(at);
  if (!Number.isFinite(parsed)) return h("span.muted", "–");
  const today = new Date(now()).toDateString() === new Date(parsed).toDateString();
  return h("time", { datetime: at, title: `${full.format(parsed)}, exactly ${at}` }, today ? clock.format(parsed) : full.format(parsed));
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
