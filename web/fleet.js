// Who works, how fast it goes, and what it waits for: agents, sessions, hours, persons, stalled tasks, bottlenecks.

import { question } from "./approval.js";
import { bars, legend, stacked } from "./chart.js";
import { fill, h, link } from "./dom.js";
import { throttled } from "./live.js";
import { count, figure, guard, money, NOT_SEEN, panel, plural, table, taskLink } from "./parts.js";
import { serverTime, since, span, until } from "./time.js";

const SERIES = ["done", "failed", "refused"];
const COLOURS = ["c1", "c5", "c3"];

export async function page(root, context) {
  const parts = { figures: h("dl.figures"), body: h("div.stack.gapped") };
  let [seen, board] = [null, context.board.now];
  const show = async () => {
    seen = await context.api.get("/fleet", {}, { signal: context.signal });
    serverTime(seen.at);
    draw(parts, seen, board);
  };
  const again = throttled(async () => {
    try {
      await show();
    } catch (error) {
      if (error.name !== "AbortError") context.notice(error, "fleet");
    }
  }, 500);
  fill(root, h("div.page-head", h("h1", "Fleet")), parts.figures, parts.body);
  await show();
  context.live.on(again);
  context.board.on((now) => {
    board = now;
    draw(parts, seen, board);
  });
}

function draw(parts, seen, board) {
  const sum = (name) => seen.hours.reduce((all, hour) => all + hour[name], 0);
  const busy = seen.agents.filter((agent) => agent.tasks.length).length;
  fill(
    parts.figures,
    figure("agents at work", `${busy} of ${seen.agents.length}`),
    figure("done in 24 h", count(sum("done"))),
    figure("failed", count(sum("failed"))),
    figure("refused", count(sum("refused"))),
    figure("wait for a person", count(seen.waiting.length)),
    figure("stalled", count(seen.stalled.length)),
  );
  // What was opened or scrolled stays, since only the parts that are news are drawn anew.
  replace(parts, "rows", { ...seen, sessions: board?.sessions ?? [], blind: board?.blind ?? [] }, () => [
    h("div.panels", hours(seen.hours), h("div.stack.gapped", waiting(seen.waiting), stalled(seen.stalled), bottlenecks(seen.bottlenecks))),
    agents(seen.agents, board?.blind ?? []),
    sessions(board?.sessions ?? []),
  ]);
}

function replace(parts, name, seen, make) {
  const { at, ...rest } = seen;
  const mark = JSON.stringify(rest);
  if (parts[name] === mark) return;
  parts[name] = mark;
  fill(parts.body, make());
}

function hours(rows) {
  const hour = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  const groups = rows.map((row) => {
    const begins = Date.parse(row.from);
    const name = hour.format(begins);
    return { name, title: `from ${name}: ${plural(row.claimed, "claim")}`, values: SERIES.map((one) => row[one]) };
  });
  const done = rows.reduce((all, row) => all + row.done, 0);
  const label = `Tasks that ended and calls that were refused, by the hour, for ${plural(rows.length, "hour")}; ${plural(done, "task")} done in all.`;
  return panel(
    "By the hour",
    h(
      "div.stack",
      stacked({ label, groups, series: SERIES, said: (value) => (Number.isInteger(value) ? count(value) : ""), colours: COLOURS }),
      legend(SERIES, COLOURS),
      h(
        "details",
        h("summary", "The same as a table"),
        table("By the hour", [["From"], ["Claimed", "num"], ["Done", "num"], ["Failed", "num"], ["Refused", "num"]], groups.map((group, at) => [group.name, count(rows[at].claimed), ...group.values.map(count)])),
      ),
    ),
  );
}

function waiting(rows) {
  return panel(
    "Waiting for a person",
    rows.length
      ? h(
          "ul.stack",
          rows.map((row) =>
            h(
              "li",
              h("div", link(`/inbox/${row.approval}`, row.approval), row.task && [" for ", taskLink(row.task)], h("span.muted", " asked ", since(row.since), ", expires in ", until(row.expires_at))),
              h("q.wrap", question(row)),
            ),
          ),
        )
      : h("p.muted", "Nobody waits for an answer."),
  );
}

function stalled(rows) {
  return panel(
    "Stalled",
    rows.length
      ? h(
          "ul.stack",
          rows.map((row) =>
            h(
              "li",
              h("div.wrap", taskLink(row.task), " ", row.title),
              h("div.muted.wrap", row.why, row.agent && [", held by ", row.agent], row.last_activity && [", last active ", since(row.last_activity)]),
            ),
          ),
        )
      : h("p.muted", "Everything that is claimed moves."),
  );
}

function bottlenecks(rows) {
  return panel(
    "Where work stands longest",
    rows.length
      ? h(
          "div.stack",
          bars(rows.map((row) => ({ name: [row.phase, h("span.muted", ` ${row.workflow}, ${plural(row.tasks, "task")}`)], value: row.oldest_seconds, said: span(row.oldest_seconds) }))),
          h("p.muted.small", "The bar is the task that has stood in the phase longest."),
        )
      : h("p.muted", "No task is open."),
  );
}

function agents(rows, blind) {
  return panel(
    "Agents",
    table(
      "Agents",
      [["Agent"], ["Guard"], ["Tasks"], ["Seen"], ["Done", "num"], ["Refused", "num"], ["Cost", "num"]],
      rows.map((row) => [
        [h("span.wrap", row.name), (row.parent || row.client) && h("div.muted.small", row.parent ? `below ${row.parent}` : row.client)],
        row.guard ? guard(row.guard) : blind.includes(row.name) ? guard("blind", NOT_SEEN) : h("span.muted", "–"),
        row.tasks.length ? row.tasks.map((id, at) => [at ? ", " : "", taskLink(id)]) : h("span.muted", "none"),
        row.seen ? since(row.seen) : "–",
        count(row.done),
        count(row.refused),
        money(row.micro_usd),
      ]),
      "No agent has been here yet: it appears with its first call.",
    ),
  );
}

function sessions(rows) {
  return panel(
    "Sessions",
    table(
      "Sessions",
      [["Agent"], ["Client"], ["Guard"], ["Why"], ["Tasks"], ["Began"], ["Seen"]],
      rows.map((row) => [
        h("span.wrap", row.agent),
        [row.client, row.model && h("div.muted.small", row.model)],
        guard(row.guard),
        h("span.wrap", row.why),
        row.tasks.length ? row.tasks.map((id, at) => [at ? ", " : "", taskLink(id)]) : h("span.muted", "none"),
        since(row.since),
        row.ended ? h("span.muted", "ended") : since(row.seen),
      ]),
      "No session of a client with hooks is open.",
    ),
  );
}
