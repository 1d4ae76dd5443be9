// One task: where it stands, what is missing, what was handed in, what it cost, and everything that happened, in plain words.

import { question } from "./approval.js";
import { fill, h, keyed, link } from "./dom.js";
import { story } from "./events.js";
import { throttled } from "./live.js";
import { ask, bar, budget, guard, laidOut, money, NOT_SEEN, panel, plural, priority, quote, short, status, table, taskLink, told, tokens, worded } from "./parts.js";
import { minutes, moment, since, span, until } from "./time.js";

const PAGE = 200;
/** Longer texts are cut on the page; the whole is one click away. */
const SHOWN_MAX = 20_000;
/** Of what waits for a person, so many are asked for in full. */
const QUESTIONS_MAX = 8;
/** In percent of a cap: below it a pace says nothing. */
const FORETOLD_FROM = 3;

export async function page(root, context) {
  const id = context.params.id;
  const parts = { head: h("div.stack"), alerts: h("div.stack"), steps: h("div"), main: h("div.stack.task-main"), side: h("div.stack.task-side"), timeline: null, questions: new Map() };
  context.title(id);
  const look = async () => {
    const seen = await context.api.get(`/tasks/${encodeURIComponent(id)}`, {}, { signal: context.signal });
    await asked(parts.questions, seen.card.approvals, context);
    draw(parts, seen, context);
    return seen;
  };
  const first = await look();
  parts.timeline = timeline(id, context);
  fill(root, parts.head, parts.alerts, parts.steps, h("div.task-grid", parts.main, parts.side), parts.timeline.element, raw(first.task));
  await parts.timeline.more();
  const again = throttled(async () => {
    try {
      await Promise.all([look(), parts.timeline.more()]);
    } catch (error) {
      if (error.name !== "AbortError") context.notice(error, "task");
    }
  });
  context.live.on((record) => {
    if (!record || record.task === id || record.event?.task === id) again();
  });
}

/** What is asked never changes: each is fetched once. */
async function asked(known, ids, context) {
  // An agent is shown its own and its subagents' only, and a browser notes each that it is refused.
  if (!context.is("operator", "approver", "auditor")) return;
  const missing = ids.slice(0, QUESTIONS_MAX).filter((id) => !known.has(id));
  const found = await Promise.allSettled(missing.map((id) => context.api.get(`/inbox/${id}`, {}, { signal: context.signal })));
  context.signal.throwIfAborted();
  found.forEach(({ value }, at) => value && known.set(missing[at], { ask: value.ask, call: value.call, until: value.expires_at }));
}

function draw(parts, seen, context) {
  const { task, card } = seen;
  context.title(`${task.id} ${task.spec.title}`);
  head(parts.head, seen, context);
  alerts(parts, seen, context);
  steps(parts.steps, seen.phases);
  blocks(parts.main, [
    ["gates", seen.gates, () => gates(seen, context)],
    ["spec", task.spec, () => wanted(task.spec, task.submitted_by)],
    ["artifacts", task.artifacts ?? {}, () => artifacts(task.artifacts ?? {}, context)],
    ["outcome", task.outcome ?? null, () => outcome(task)],
  ]);
  blocks(parts.side, [
    ["now", [card, task.attempts, task.progress], () => now(task, card, context)],
    ["cost", [seen.costs, card.account, card.cap, seen.forecasts, seen.usual], () => costs(seen.costs, card, foreseen(seen))],
    ["near", [task.spec.depends_on, seen.waits_for_it, seen.children, card.waiting_on], () => near(task, seen)],
  ]);
}

/** Draws only the blocks whose data changed: what was opened in the others stays open. */
function blocks(element, rows) {
  keyed(element, rows.map(([name, data, make]) => ({ name, data, toJSON: () => [name, data], make })), (row) => row.name, (row) => row.make() ?? h("div", { hidden: true }));
}

function head(element, seen, context) {
  const { task } = seen;
  fill(
    element,
    h("nav.muted.small", { "aria-label": "Where this is" }, link("/", "Board"), " / ", task.id),
    h("div.page-head", h("h1", task.spec.title), actions(seen, context)),
    h(
      "div.row",
      status(task.status),
      priority(task.spec.priority),
      h("span.tag", link(`/workflows/${task.workflow}`, task.spec.workflow)),
      task.spec.type && h("span.tag", task.spec.type),
      (task.spec.labels ?? []).map((label) => h("span.tag", label)),
      task.spec.parent && h("span.muted.small", "part of ", taskLink(task.spec.parent)),
    ),
  );
}

const ACTS = [
  { name: "unblock", title: "Take the blockers away", when: ["blocked"], field: null },
  { name: "reopen", title: "Open it again", when: ["failed"], optional: true },
  { name: "release", title: "Take it from its holder", when: ["claimed"], optional: true },
  { name: "cancel", title: "Cancel this task", when: ["waiting", "ready", "claimed", "blocked"], danger: true },
];

const KEPT = "Why? It is kept in the log.";
const THEN = { label: "What waits for it", options: [["release", "goes on without it"], ["cancel", "is cancelled too"]] };

function actions(seen, context) {
  if (!context.is("operator")) return null;
  const { task } = seen;
  const fitting = ACTS.filter((act) => act.when.includes(task.status));
  return h("div.row", fitting.map((act) => h("button", { type: "button", class: act.danger ? "danger" : "", onclick: () => tend(act, seen, context) }, act.title)));
}

async function tend(act, { task, waits_for_it: after }, context) {
  const choice = act.name === "cancel" && after.length ? THEN : null;
  const field = act.field === undefined ? KEPT : act.field;
  const answer = await ask({ title: `${act.title}: ${task.id}`, field, choice, optional: act.optional, action: act.title, danger: act.danger });
  if (answer === null) return;
  try {
    await context.api.post(`/tasks/${encodeURIComponent(task.id)}/${act.name}`, { reason: answer.words, dependents: answer.chosen, ...act.more });
  } catch (error) {
    context.notice(error);
  }
}

/** A change that stands although the phase did not allow it: a person takes it over. */
function accept(seen, context) {
  if (!context.is("operator")) return null;
  const act = { name: "accept-violations", title: "Accept the changes", more: { paths: seen.violations.map((one) => one.path) } };
  return h("button.small", { type: "button", onclick: () => tend(act, seen, context) }, "Accept them…");
}

function alerts({ alerts: element, questions }, seen, context) {
  const { card, violations, task } = seen;
  const waits = card.approvals.map((id) => ({ id, ...questions.get(id) }));
  const rows = [
    ...(waits.length ? [{ key: "waits", waits }] : []),
    ...(violations.length ? [{ key: "violations", violations }] : []),
    ...(task.state?.blockers ?? []).map((one) => ({ key: `b${one.id}`, blocker: one })),
    ...(task.state?.reason ? [{ key: "reason", reason: task.state.reason, is: task.status }] : []),
  ];
  keyed(element, rows, (row) => row.key, (row) => {
    if (row.waits) {
      return h(
        "div.banner.warn",
        h("strong", "It waits for a person", row.waits.length > 1 && `, with ${row.waits.length} questions`),
        h("ul.questions", row.waits.map((one) => h("li", link(`/inbox/${one.id}`, one.ask ? `Answer ${one.id}` : `Look at ${one.id} and answer`), one.ask && [": ", h("q", question(one))], one.until && h("span.muted.small", " time left: ", until(one.until))))),
      );
    }
    if (row.blocker) return h("div.banner.bad", h("strong", "Blocked"), h("q", row.blocker.reason), h("span.muted", "by ", row.blocker.by, ", ", since(row.blocker.at)));
    if (row.reason) return h("div.banner.bad", h("strong", row.is), h("q", row.reason));
    return h(
      "div.banner.bad",
      h("strong", plural(row.violations.length, "change", "changes"), " that the phase does not allow"),
      h("ul", row.violations.map((one) => h("li", h("code", one.path), ` ${one.kind}, ${WHY[one.why] ?? one.why}`))),
      h("span.muted", "No gate passes until it is undone, or a person accepts it: ", h("code", `phasegate tasks accept ${task.id} --reason …`)),
      accept(seen, context),
    );
  });
  element.hidden = !rows.length;
}

const WHY = { outside: "outside what the phase may write", protected: "it is protected", shared: "it is shared with other work trees" };

function steps(element, phases) {
  if (element.shown === JSON.stringify(phases)) return;
  element.shown = JSON.stringify(phases);
  fill(
    element,
    h(
      "ol.steps",
      { tabindex: 0, "aria-label": "Phases" },
      phases.map((step) =>
        h(
          "li",
          { class: [step.current ? "current" : "", step.visited ? "visited" : ""], "aria-current": step.current ? "step" : null },
          h("span.step-name", step.visited && !step.current && h("span", { "aria-hidden": "true" }, "✓ "), step.name),
          h("span.small.muted", step.goal || (step.end ? "the end" : "")),
        ),
      ),
    ),
  );
  // On a phone not all of them fit: the one it stands in is shown.
  requestAnimationFrame(() => {
    const list = element.firstElementChild;
    const current = list.querySelector(".current");
    if (current) list.scrollLeft = current.offsetLeft - list.clientWidth / 3;
  });
}

function gates(seen, context) {
  const step = seen.phases.find((one) => one.current);
  if (!seen.gates.length) return null;
  const open = seen.gates.filter((gate) => !gate.met).length;
  const next = step?.next.length ? ` for ${step.next.join(" or ")}` : "";
  return panel(
    open ? `To leave ${step?.name ?? "this phase"}${next}` : `Ready to leave ${step?.name ?? "this phase"}${next}`,
    h(
      "ul.gates",
      seen.gates.map((gate) =>
        h(
          "li",
          h("span.gate-sign", { class: gate.met ? "ok" : "bad", "aria-label": gate.met ? "met" : "not met", role: "img" }, gate.met ? "✓" : "✗"),
          h(
            "div",
            h("p.wrap", worded(gate.asks)),
            gate.why && h("p.wrap", { class: gate.met ? "muted" : "" }, told(gate.why)),
            gate.how && !gate.met && h("p.muted.wrap", "→ ", told(gate.how)),
            h("p.small.muted", gate.tier && [h("span.tag", { title: TIERS[gate.tier] ?? "" }, gate.tier), " "], gate.at && since(gate.at)),
            gate.output && blob(gate.output, "Output", context),
          ),
        ),
      ),
    ),
  );
}

const TIERS = { claimed: "the agent says so", observed: "a hook saw it", executed: "phasegate ran it", signed: "a person signed it" };

/** A kept text, fetched when it is opened, shown as text whatever it says it is; `laid(text)` may lay it out. */
function blob(sha256, name, context, laid) {
  const place = h("div");
  const details = h("details", h("summary", name), place);
  details.addEventListener("toggle", async () => {
    if (!details.open || place.hasChildNodes()) return;
    fill(place, h("p.muted", "Loading…"));
    try {
      const text = await context.api.text(`/blobs/${encodeURIComponent(sha256)}`, { signal: context.signal });
      const cut = text.length > SHOWN_MAX;
      fill(place, (!cut && laid?.(text)) || h("pre", { tabindex: 0 }, h("code", cut ? text.slice(0, SHOWN_MAX) : text)), cut && h("p.muted.small", `the first ${SHOWN_MAX} of ${text.length} characters`));
    } catch (error) {
      fill(place, h("p.muted", error.message));
    }
  });
  return details;
}

function wanted(spec, by) {
  const text = [spec.goal, spec.description].filter(Boolean);
  const lists = [["Accepted if", spec.acceptance_criteria], ["Constraints", spec.constraints]].filter(([, rows]) => rows?.length);
  if (!text.length && !lists.length && spec.context === undefined) return null;
  return panel(
    "What is wanted",
    h(
      "div.stack",
      text.length ? quote(text.join("\n\n"), by) : null,
      lists.map(([name, rows]) => h("div", h("h3", name), h("ul.dots", rows.map((row) => h("li.wrap", row))))),
      spec.context !== undefined && h("details", h("summary", "Context"), h("pre", { tabindex: 0 }, h("code", JSON.stringify(spec.context, null, 2)))),
    ),
  );
}

function artifacts(found, context) {
  const names = Object.keys(found);
  if (!names.length) return null;
  return panel(
    "Handed in",
    h(
      "ul.stack",
      names.map((name) => {
        const one = found[name];
        return h(
          "li",
          h("div.row", h("strong", name), h("span.tag", `version ${one.version}`), h("span.tag", one.phase), h("span.small.muted", `${short(one.bytes)} bytes, ${one.media_type}, by `, one.by, ", ", since(one.at))),
          blob(one.sha256, "Show the text", context, laidOut),
        );
      }),
    ),
  );
}

function outcome(task) {
  if (!task.outcome) return null;
  const sure = task.outcome.confidence;
  return panel("Result", quote(task.outcome.summary, "the agent"), sure !== undefined && h("p.small.muted", `it says that it is sure to ${Math.round(sure * 100)} %`));
}

function now(task, card, context) {
  const why = context.board.now?.sessions.find((one) => one.agent === card.agent)?.why ?? (card.guard === "blind" ? NOT_SEEN : "");
  const rows = [
    card.agent && ["Held by", [h("span.wrap", card.agent), " ", card.guard && guard(card.guard, why), why && h("div.muted.small", why)]],
    card.lease_until && ["Lease", until(card.lease_until)],
    card.last_activity && ["Active", since(card.last_activity)],
    ["Tries failed", `${task.attempts.failed} of ${task.attempts.limit}`],
    ["Handed in", [task.submitted_by, ", ", since(task.submitted_at)]],
    task.state?.parked_until && ["Parked", ["until ", moment(task.state.parked_until)]],
  ].filter(Boolean);
  return panel(
    "Now",
    h("dl.facts", rows.map(([name, value]) => [h("dt", name), h("dd", value)])),
    task.progress && h("div.stack.progress", h("h3", "Progress"), h("p.quote", task.progress.note), task.progress.percent !== undefined && task.progress.percent !== null && bar(task.progress.percent, 100, "Progress", `${Math.round(task.progress.percent)} %`)),
  );
}

/** When caps are reached, and what such a task usually comes to. */
function foreseen(seen) {
  const amount = (cap, value) => ({ micro_usd: money, minutes })[cap.unit]?.(value) ?? `${short(value)} ${cap.unit === "calls" ? "answers" : cap.unit}`;
  const soon = (left) => (left < 1 ? "less than a minute" : `about ${span(left >= 120 ? Math.floor(left / 60) * 3600 : left * 60)}`);
  const lines = (seen.forecasts ?? [])
    .filter((cap) => (cap.minutes_left !== undefined && cap.percent >= FORETOLD_FROM) || cap.percent >= 80)
    .map((cap) => `Budget of ${cap.task}: ${amount(cap, cap.spent)} of ${amount(cap, cap.cap)} spent, ${cap.percent >= 100 ? "used up" : cap.minutes_left === undefined ? `${cap.percent} %` : `at this pace used up in ${soon(cap.minutes_left)}`}`);
  const usual = seen.usual;
  if (usual) lines.push(`Usual for such a task: ${money(usual.micro_usd)}, ${short(usual.tokens)} tokens, ${minutes(usual.minutes)} (each the median of ${usual.tasks} done ones)`);
  return lines.length ? h("ul.dots", lines.map((line) => h("li", line))) : null;
}

function costs(rows, card, more) {
  const bars = budget(card.account, card.cap);
  if (!rows.length && !bars.length) return null;
  const sums = (name) => {
    const by = new Map();
    for (const row of rows) {
      const key = row[name] ?? "–";
      const old = by.get(key) ?? { calls: 0, tokens: 0, micro_usd: 0 };
      by.set(key, { calls: old.calls + row.calls, tokens: old.tokens + tokens(row.tokens), micro_usd: old.micro_usd + row.micro_usd });
    }
    return [...by].sort((a, b) => b[1].micro_usd - a[1].micro_usd);
  };
  const listed = (name, title) =>
    table(`Cost by ${name}`, [[title], ["Tokens", "num"], ["Cost", "num"]], sums(name).map(([key, sum]) => [h("span.wrap", key), short(sum.tokens), money(sum.micro_usd)]));
  const guessed = rows.reduce((sum, row) => sum + (row.guessed_micro_usd ?? 0), 0);
  return panel("Cost", h("div.stack", bars, more, rows.length ? [listed("phase", "Phase"), listed("model", "Model")] : null, guessed > 0 && h("p.small.muted", `${money(guessed)} of it is counted at the dearest known price, because the model has none.`)));
}

function near(task, seen) {
  const list = (name, rows) => rows.length > 0 && h("div", h("h3", name), h("ul.dots", rows.map((row) => h("li.wrap", row))));
  const named = (row) => [taskLink(row.id), " ", row.title, " ", status(row.status)];
  const parts = [
    list("Depends on", (task.spec.depends_on ?? []).map((id) => [taskLink(id), (seen.card.waiting_on ?? []).includes(id) ? " (still open)" : " ✓"])),
    list("Waits for this", seen.waits_for_it.map(named)),
    list("Parts", seen.children.map(named)),
  ].filter(Boolean);
  return parts.length ? panel("Around it", h("div.stack", parts)) : null;
}

function timeline(id, context) {
  const list = h("ol.timeline");
  const button = h("button", { type: "button", hidden: true }, "Show more");
  const state = { after: 0, busy: false };
  let showing = "all";
  const filter = () => {
    for (const row of list.children) row.hidden = showing !== "all" && row.dataset.kind !== showing;
  };
  const more = async () => {
    if (state.busy) return;
    state.busy = true;
    try {
      const found = await context.api.get(`/tasks/${encodeURIComponent(id)}/timeline`, { after: state.after, limit: PAGE }, { signal: context.signal });
      for (const record of found.records) {
        if (record.seq <= state.after) continue;
        state.after = record.seq;
        list.append(entry(record));
      }
      filter();
      button.hidden = found.next === undefined || found.next === null;
    } finally {
      state.busy = false;
    }
  };
  button.addEventListener("click", () => more().catch((error) => context.notice(error)));
  const element = h(
    "section.panel",
    h(
      "div.spread",
      h("h2", "What happened"),
      h("select", { "aria-label": "Which records", onchange: (event) => ((showing = event.target.value), filter()) }, [["all", "Everything"], ["calls", "Calls and verdicts"], ["gates", "Gates"], ["people", "People"], ["refused", "Refusals"]].map(([value, name]) => h("option", { value }, name))),
    ),
    list,
    button,
  );
  return { element, more };
}

function group(type) {
  if (/^Call(Judged|Observed)/.test(type)) return "calls";
  if (/^(Gate|Artifact)/.test(type)) return "gates";
  if (/^(Approval|Bypass|ViolationAccepted|Budget)/.test(type)) return "people";
  if (/Refus/.test(type)) return "refused";
  return "work";
}

function entry(record) {
  const told = story(record);
  const json = h("pre", { tabindex: 0, hidden: true });
  const number = h("button.plain.small", { type: "button", "aria-expanded": "false", "aria-label": `Record ${record.seq} as JSON` }, `#${record.seq}`);
  number.addEventListener("click", () => {
    json.hidden = !json.hidden;
    number.setAttribute("aria-expanded", String(!json.hidden));
    if (!json.hasChildNodes()) fill(json, h("code", JSON.stringify(record, null, 2)));
  });
  const row = h(
    "li",
    h("span.dot", { class: told.kind }),
    h("div.when.muted.small", moment(record.at)),
    h("div.what", h("p.wrap", told.by && [h("strong", told.by), " "], told.text), told.why && h("div.wrap", told.why), json),
    number,
  );
  row.dataset.kind = group(record.event.type ?? "");
  return row;
}

function raw(task) {
  const place = h("div");
  const details = h("details", h("summary", "The task as JSON"), place);
  details.addEventListener("toggle", () => details.open && fill(place, h("pre", { tabindex: 0 }, h("code", JSON.stringify(task, null, 2)))));
  return details;
}
