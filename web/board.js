// The board: open tasks by phase, as cards or as a graph, who holds them, and what a person should look at first.

import { question } from "./approval.js";
import { fill, h, keyed, link } from "./dom.js";
import { drawGraph } from "./graph.js";
import { throttled } from "./live.js";
import { budget, count, guard, money, NOT_SEEN, plural, priority, segments, status, taskLink } from "./parts.js";
import { since, until } from "./time.js";

export async function page(root, context) {
  const { query } = context;
  let now = null;
  const chosen = {
    view: query.get("view") === "graph" ? "graph" : "columns",
    text: query.get("q") ?? "",
    workflow: query.get("workflow") ?? "",
    status: query.get("status") ?? "",
    label: query.get("label") ?? "",
    agent: query.get("agent") ?? "",
  };
  const parts = {
    banners: h("div.stack"),
    figures: h("dl.figures"),
    sessions: h("ul.sessions", { "aria-label": "Sessions" }),
    body: h("div"),
    selects: {},
  };
  const show = () => {
    context.setQuery({ ...chosen, view: chosen.view === "graph" ? "graph" : "", q: chosen.text, text: "" });
    if (now) draw(parts, chosen, now, context);
  };
  fill(root, h("div.page-head", h("h1", "Board"), controls(chosen, parts, show)), parts.banners, parts.figures, parts.sessions, parts.body);
  context.board.on((seen) => {
    now = seen;
    draw(parts, chosen, seen, context);
  });
  if (!context.board.now) fill(parts.body, h("p.muted", "Loading…"));
  context.board.look();
}

function controls(chosen, parts, show) {
  const search = h("input", { type: "search", placeholder: "Search…  ( / )", "aria-label": "Search cards", value: chosen.text, data: { search: "" }, size: 16 });
  search.addEventListener("input", () => {
    chosen.text = search.value;
    show();
  });
  const select = (name, title) => {
    const element = h("select", { "aria-label": title, data: { title } });
    element.addEventListener("change", () => {
      chosen[name] = element.value;
      show();
    });
    parts.selects[name] = element;
    return element;
  };
  return h(
    "div.filters",
    search,
    select("workflow", "All workflows"),
    select("status", "Any state"),
    select("label", "Any label"),
    select("agent", "Anyone"),
    segments("View", [["columns", "Columns"], ["graph", "Graph"]], chosen.view, (view) => {
      chosen.view = view;
      show();
    }),
  );
}

function options(select, values, chosen) {
  const wanted = JSON.stringify([values, chosen]);
  if (select.shown === wanted) return;
  select.shown = wanted;
  select.hidden = values.length < 2 && !chosen;
  fill(select, h("option", { value: "" }, select.dataset.title), values.map((value) => h("option", { value }, value)));
  if (chosen && !values.includes(chosen)) select.append(h("option", { value: chosen }, chosen));
  select.value = chosen;
}

function draw(parts, chosen, seen, context) {
  const cards = seen.columns.flatMap((column) => column.cards);
  const named = (values) => [...new Set(values.filter(Boolean))].sort();
  options(parts.selects.workflow, named(seen.columns.map((column) => column.workflow)), chosen.workflow);
  options(parts.selects.status, named(cards.map((card) => card.status)), chosen.status);
  options(parts.selects.label, named(cards.flatMap((card) => card.labels ?? [])), chosen.label);
  options(parts.selects.agent, named(cards.map((card) => card.agent)), chosen.agent);
  banners(parts.banners, seen);
  figures(parts.figures, seen);
  sessions(parts.sessions, seen);
  if (!cards.length) return empty(parts.body, seen);
  if (chosen.view === "graph") return graph(parts.body, chosen, context);
  const fits = (card) => matches(card, chosen);
  columns(parts.body, seen, chosen, fits);
}

export function matches(card, chosen) {
  const text = chosen.text.trim().toLowerCase();
  return (
    (!chosen.workflow || card.workflow === chosen.workflow) &&
    (!chosen.status || card.status === chosen.status) &&
    (!chosen.label || (card.labels ?? []).includes(chosen.label)) &&
    (!chosen.agent || card.agent === chosen.agent) &&
    (!text || [card.id, card.title, card.agent, card.type, ...(card.labels ?? [])].some((word) => word?.toLowerCase().includes(text)))
  );
}

function banners(element, seen) {
  const rows = [
    ...seen.bypasses.map((one) => ({ key: one.id, bypass: one })),
    ...(seen.blind.length ? [{ key: "blind", blind: seen.blind }] : []),
  ];
  keyed(element, rows, (row) => row.key, (row) =>
    row.bypass
      ? h(
          "div.banner.bad",
          h("strong", `Bypass ${row.bypass.id} is open`),
          h("span", h("code", row.bypass.rules.join(", ")), row.bypass.task ? [" for ", taskLink(row.bypass.task)] : " for every task"),
          h("span", "by ", row.bypass.by, ": ", h("q", row.bypass.reason)),
          h("span", "closes in ", until(row.bypass.until)),
        )
      : h(
          "div.banner.warn",
          h("strong", row.blind.length === 1 ? "One agent works unguarded" : `${row.blind.length} agents work unguarded`),
          h("span", row.blind.join(", ")),
          h("span.muted", `${NOT_SEEN}; set it up with `, h("code", "phasegate init")),
        ),
  );
  element.hidden = !rows.length;
}

const OPEN = ["claimed", "ready", "waiting", "blocked"];

function figures(element, seen) {
  const waits = seen.waiting.approvals;
  const rows = [
    ...OPEN.map((word) => ({ name: word, value: count(seen.counts[word]) })),
    { name: "waits for a person", value: count(waits), oldest: seen.waiting.oldest, href: waits ? "/inbox" : null },
    { name: "today", value: money(seen.micro_usd_today), href: "/costs" },
  ];
  keyed(element, rows, (row) => row.name, (row) =>
    h(
      "div.figure",
      h("dt", row.name),
      h("dd", row.href ? link(row.href, row.value) : row.value),
      row.oldest && h("dd.small.muted", "oldest ", since(row.oldest)),
    ),
  );
}

function sessions(element, seen) {
  const open = seen.sessions.filter((one) => !one.ended);
  element.hidden = !open.length;
  keyed(element, open, (one) => one.id, (one) =>
    h(
      "li",
      guard(one.guard, one.why),
      h("strong.wrap", one.agent),
      h("span.muted", [one.client, one.model].filter(Boolean).join(" · ")),
      one.subagents ? h("span.muted", plural(one.subagents, "subagent")) : null,
      one.tasks.map((id) => taskLink(id)),
      h("span.muted", "seen ", since(one.seen)),
    ),
  );
}

function columns(element, seen, chosen, fits) {
  if (!element.firstElementChild?.matches(".flows")) fill(element, h("div.flows"));
  const flows = [...new Set(seen.columns.map((column) => column.workflow))].filter((name) => !chosen.workflow || name === chosen.workflow);
  const around = {
    whys: Object.fromEntries(seen.sessions.map((one) => [one.agent, one.why])),
    asks: new Map((seen.waiting.asks ?? []).map((one) => [one.approval, one.ask])),
  };
  const host = element.firstElementChild;
  const before = new Map([...host.children].map((child) => [child.dataset.flow, child]));
  const wanted = flows.map((name) => before.get(name) ?? flow(name));
  if (wanted.some((child, at) => host.children[at] !== child) || host.children.length !== wanted.length) host.replaceChildren(...wanted);
  flows.forEach((name, at) => {
    const section = wanted[at];
    section.firstElementChild.classList.toggle("visually-hidden", flows.length < 2);
    phases(section.lastElementChild, seen.columns.filter((column) => column.workflow === name), fits, around);
  });
}

function flow(name) {
  const section = h("section", h("h2.flow-name", name), h("div.columns", { tabindex: 0, role: "region", "aria-label": `Phases of ${name}` }));
  section.dataset.flow = name;
  return section;
}

function phases(element, found, fits, { whys, asks }) {
  const before = new Map([...element.children].map((child) => [child.dataset.phase, child]));
  const wanted = found.map((column) => before.get(column.phase) ?? emptyColumn(column));
  if (wanted.some((child, at) => element.children[at] !== child) || element.children.length !== wanted.length) element.replaceChildren(...wanted);
  found.forEach((column, at) => {
    const section = wanted[at];
    const cards = column.cards.filter(fits);
    section.querySelector(".column-count").textContent = column.more ? `${cards.length} of ${column.cards.length + column.more}` : cards.length;
    const rows = cards.map((card) => ({ card, why: whys[card.agent], waits: card.approvals.map((id) => ({ id, ask: asks.get(id) })) }));
    keyed(section.lastElementChild, rows, ({ card }) => card.id, cardOf);
    section.classList.toggle("bare", !cards.length);
    reachable(section.querySelector(".column-goal"));
  });
}

/** A goal that is cut off can be reached by keys: it stands there whole while it has the focus. */
function reachable(goal) {
  if (!goal || goal === document.activeElement) return;
  if (goal.scrollHeight > goal.clientHeight + 1) goal.tabIndex = 0;
  else goal.removeAttribute("tabindex");
}

function emptyColumn(column) {
  const section = h(
    "section.column",
    { class: column.end ? "end" : "", "aria-label": `Phase ${column.phase}` },
    h("header", h("h3", { title: column.goal }, column.phase), h("span.column-count.muted")),
    column.goal && h("p.column-goal.muted.small", { title: column.goal }, column.goal),
    h("ul.cards"),
  );
  section.dataset.phase = column.phase;
  return section;
}

function cardOf({ card, why, waits: questions }) {
  const waits = card.waiting_on ?? [];
  return h(
    "li.card",
    { class: [card.status, card.violations ? "violated" : ""] },
    h("div.card-head", h("span.muted.mono", card.id), priority(card.priority), card.status === "claimed" ? null : status(card.status)),
    h("h4", taskLink(card.id, card.title)),
    card.agent &&
      h(
        "p.card-who",
        h("span.wrap", card.agent),
        card.guard && guard(card.guard, why ?? (card.guard === "blind" ? NOT_SEEN : "")),
      ),
    card.agent && h("p.muted.small", card.last_activity ? ["active ", since(card.last_activity), " · "] : null, "lease ", until(card.lease_until)),
    card.progress && h("p.small.card-note", card.progress),
    waits.length > 0 && h("p.small", "waits for ", waits.map((id, at) => [at ? ", " : "", taskLink(id)])),
    (card.blocked_by ?? []).map((text) => h("p.small.card-note", text)),
    flags(card),
    asked(questions),
    budget(card.account, card.cap, Boolean(card.agent)),
    (card.labels ?? []).length > 0 && h("div.row.tight", (card.labels ?? []).map((label) => h("span.tag", label))),
  );
}

function flags(card) {
  const found = [
    card.violations ? h("span.tag.bad", plural(card.violations, "violation")) : null,
    card.failed_attempts ? h("span.tag.warn", plural(card.failed_attempts, "failed try", "failed tries")) : null,
  ].filter(Boolean);
  return found.length ? h("div.row.tight", found) : null;
}

/** What a card shows of its questions; the page of the task has all of them. */
const QUESTIONS_MAX = 3;

function asked(questions) {
  if (!questions.length) return null;
  const more = questions.length - QUESTIONS_MAX;
  return h(
    "div.asked",
    h("p.small", "waits for a person"),
    h(
      "ul.small",
      questions.slice(0, QUESTIONS_MAX).map(({ id, ask }) => h("li", { title: ask }, link(`/inbox/${id}`, id), ask && [" ", question({ ask })])),
      more > 0 && h("li", link("/inbox", `and ${more} more`)),
    ),
  );
}

function empty(element, seen) {
  const over = ["done", "failed", "cancelled"].reduce((sum, word) => sum + (seen.counts[word] ?? 0), 0);
  fill(
    element,
    h(
      "div.empty",
      h("h2", over ? "Nothing is open" : "Nothing here yet"),
      h("p", over ? `${plural(over, "task")} ended; ` : "Work appears here as soon as an agent claims a task. ", over ? link("/audit", "the log has them all") : null),
      h("p", "Set up the clients of this repository, then open one and say what you want:"),
      h("pre", h("code", "phasegate init")),
      h("p", "Or hand in a task yourself:"),
      h("pre", h("code", `phasegate call submit_task '{"title": "Limit the API to 30 calls a minute"}'`)),
    ),
  );
}

const looks = new WeakMap();

/** Dependencies are asked for only while they are looked at. */
function graph(element, chosen, context) {
  let look = looks.get(element);
  if (!look) {
    look = {
      run: throttled(async () => {
        try {
          look.graph = await context.api.get("/graph", {}, { signal: context.signal });
          if (element.isConnected) look.draw();
        } catch (error) {
          if (error.name !== "AbortError") context.notice(error, "graph");
        }
      }, 400),
    };
    looks.set(element, look);
  }
  look.draw = () => chosen.view === "graph" && drawGraph(element, look.graph, (row) => matches(row, chosen));
  if (look.graph) look.draw();
  look.run();
}
