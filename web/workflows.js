// Workflows: which are in force and who trusted them, their phases as a diagram, the rules of each, warnings, and what the calls
// on record would have been judged under them. Trusting one is not done here: it takes a person's key at the command line.

import { drawFlow } from "./flow.js";
import { fill, h, link } from "./dom.js";
import { count, panel, plural, table, taskLink, worded } from "./parts.js";
import { minutes, since, span } from "./time.js";

export async function page(root, context) {
  if (context.params.id) await one(root, context, context.params.id);
  else await all(root, context);
}

function trust(row) {
  if (row.in_force) return h("span.tag.ok", row.default ? "in force, the default" : "in force");
  return row.origin === "builtin" ? h("span.tag", "starter") : h("span.tag.warn", "not in force");
}

function trusted(row) {
  return row.origin === "builtin" ? "comes with phasegate" : ["trusted by ", row.trusted_by, " ", since(row.trusted_at)];
}

async function all(root, context) {
  const rows = await context.api.get("/workflows", {}, { signal: context.signal });
  const listed = [...(rows.workflows ?? rows)].sort((a, b) => b.in_force - a.in_force || b.open_tasks - a.open_tasks || a.name.localeCompare(b.name));
  fill(
    root,
    h("div.page-head", h("h1", "Workflows")),
    h(
      "section.panel",
      table(
        "Workflows",
        [["Name"], ["State"], ["Version"], ["Where from"], ["Open tasks", "num"]],
        listed.map((row) => [
          link(`/workflows/${row.hash}`, row.name),
          trust(row),
          h("code", { title: row.hash }, row.hash.slice(0, 12)),
          h("span.muted", trusted(row)),
          count(row.open_tasks),
        ]),
      ),
    ),
    h("p.muted", "A file has no power until a person trusts it: ", h("code", "phasegate workflow trust FILE")),
  );
}

async function one(root, context, id) {
  const seen = await context.api.get(`/workflows/${encodeURIComponent(id)}`, {}, { signal: context.signal });
  const { row, workflow } = seen;
  const warnings = seen.lint?.warnings ?? seen.lint ?? [];
  context.title(workflow.name);
  const tried = h("div");
  fill(
    root,
    h("nav.muted.small", { "aria-label": "Where this is" }, link("/workflows", "Workflows"), " / ", workflow.name),
    h("div.page-head", h("h1", workflow.name), context.is("operator") && backtest(row.hash, tried, context)),
    h(
      "div.row",
      trust(row),
      h("span.tag", workflow.enforcement),
      h("span.muted", "version ", h("code", { title: row.hash }, row.hash.slice(0, 12)), ", ", trusted(row), `, ${plural(row.open_tasks, "open task")}`),
    ),
    tried,
    panel("Phases", drawFlow(workflow.phases, workflow.name)),
    warnings.length > 0 && lint(warnings),
    h("div.stack.gapped", everywhere(workflow), workflow.phases.filter((phase) => !phase.end).map(phase)),
    typeof seen.explain === "string" && h("details", h("summary", "All of it in words"), h("pre", { tabindex: 0 }, seen.explain)),
  );
}

function lint(warnings) {
  return panel(
    plural(warnings.length, "warning"),
    h("ul.stack", warnings.map((one) => h("li.wrap", one.phase && [h("strong", one.phase), ": "], worded(one.message), one.hint && h("div.muted", "→ ", worded(one.hint))))),
  );
}

function everywhere(workflow) {
  const budget = Object.entries(workflow.budget ?? {}).map(([name, value]) => ({ usd: `$${value}`, minutes: minutes(value) })[name] ?? `${count(value)} ${name}`);
  const rows = [
    ["Always denied", rules(workflow.protect?.deny)],
    ["Without a task", rules(workflow.unclaimed?.allow)],
    ["Budget of a task", budget.length ? budget.join(", ") : null],
    ["What cannot be read", workflow.uninspectable === undefined ? null : { ask: "waits for a person", deny: "is denied" }[workflow.uninspectable] ?? workflow.uninspectable],
  ].filter(([, value]) => value);
  return rows.length ? panel("In every phase", list(rows)) : null;
}

function phase(one) {
  const rows = [
    ["Allowed", rules(one.allow) ?? h("span.muted", "nothing")],
    ["Asks first", rules(one.require_approval) ?? rules(one.ask)],
    ["Denied", rules(one.deny)],
    // Only where the file says nothing of it, the rules alone decide.
    ["May write", rules(one.writes) ?? h("span.muted", one.writes ? "nothing" : "wherever the rules reach")],
    ["Model", one.model?.tier && [one.model.tier, one.model.raise_on_failure ? ", a stronger one after a failure" : ""]],
    ["To leave it", one.exit?.length ? h("ul.dots", one.exit.map((gate) => h("li.wrap", gateText(gate)))) : h("span.muted", "nothing is asked for")],
    ["Leads to", (one.next ?? []).join(", ")],
  ].filter(([, value]) => value);
  return panel(one.name, one.goal && h("p.muted.below", one.goal), list(rows));
}

function list(rows) {
  return h("dl.phase-rules", rows.map(([name, value]) => [h("dt", name), h("dd", value)]));
}

function rules(found) {
  return found?.length ? h("div.rules", found.map((rule) => h("code", typeof rule === "string" ? rule : JSON.stringify(rule)))) : null;
}

function gateText(gate) {
  const fresh = gate.fresh ? ", after the last change" : "";
  switch (gate.kind) {
    case "artifact":
      return ["hand in ", h("code", gate.name), gate.schema ? " that fits its schema" : ""];
    case "approval":
      return ["a person says yes to ", h("q", gate.ask), gate.from?.length ? ` (${gate.from.join(", ")})` : "", `, level ${gate.level ?? 1}`, gate.within_seconds ? `, within ${span(gate.within_seconds)}` : "", gate.not_by_author ? ", not the author" : ""];
    case "command":
    case "hook":
      return [h("code", (gate.argv ?? []).join(" ")), " ends with 0", fresh];
    case "syntax":
      return ["every chosen file parses", fresh];
    case "children":
      return "all its parts have ended well";
    case "tasks":
      return ["these tasks are done: ", (gate.tasks ?? []).map((id, at) => [at ? ", " : "", taskLink(id)])];
    case "budget":
      return "it is within its budget";
    default:
      return h("code", gate.id ?? JSON.stringify(gate));
  }
}

function backtest(hash, place, context) {
  const button = h("button", { type: "button" }, "Backtest");
  button.title = "Hold the calls on record against this version";
  button.addEventListener("click", async () => {
    button.disabled = true;
    fill(place, h("p.muted", "Judging the calls on record…"));
    try {
      const found = await context.api.post(`/workflows/${encodeURIComponent(hash)}/backtest`, {}, { signal: context.signal });
      fill(place, result(found));
    } catch (error) {
      fill(place);
      context.notice(error, "backtest");
    }
    button.disabled = false;
  });
  return button;
}

function result(found) {
  return panel(
    "Backtest",
    h("p.below", `${plural(found.calls, "recorded call")}, ${plural(found.changes, "verdict")} would change`, found.without_phase ? `; ${found.without_phase} calls were made in phases that this version does not have` : "", "."),
    table(
      "Verdicts that would change",
      [["Task"], ["Phase"], ["Call"], ["Was"], ["Would be"], ["Why"]],
      found.changed.map((one) => [one.task ? taskLink(one.task) : "–", one.phase, h("code", one.call), one.was, h("strong", one.would_be), h("span.wrap", worded(one.reason))]),
      found.calls > found.without_phase ? "Every other call would be judged as it was." : "No call on record was made in a phase of this version.",
    ),
  );
}
