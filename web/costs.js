// What the work cost: by day and by whatever it is asked by, and against what a strong model alone would have cost.

import { legend, stacked, bars } from "./chart.js";
import { fill, h } from "./dom.js";
import { throttled } from "./live.js";
import { CENT, count, figure, money, panel, segments, short, table, taskLink, tokens } from "./parts.js";
import { savings as settled } from "./savings.js";
import { date, now } from "./time.js";

const DAY_MS = 86_400_000;
const BY = [["model", "Model"], ["task", "Task"], ["agent", "Agent"], ["phase", "Phase"]];
const RANGES = [["7", "7 days"], ["14", "14 days"], ["30", "30 days"]];
/** More series than a person tells apart are one. */
const SERIES_MAX = 6;

export async function page(root, context) {
  const { query } = context;
  const chosen = {
    by: BY.some(([name]) => name === query.get("by")) ? query.get("by") : "model",
    days: RANGES.some(([name]) => name === query.get("days")) ? query.get("days") : "14",
  };
  const parts = { figures: h("dl.figures"), days: h("div"), by: h("div.stack.gapped"), settled: h("div") };
  const show = async () => {
    context.setQuery({ by: chosen.by === "model" ? "" : chosen.by, days: chosen.days === "14" ? "" : chosen.days });
    const since = `${day(now() - (Number(chosen.days) - 1) * DAY_MS)}T00:00:00Z`;
    const options = { signal: context.signal };
    const [daily, grouped, ended] = await Promise.all([
      context.api.get("/costs", { by: `day,${chosen.by}`, since }, options),
      context.api.get("/costs", { by: chosen.by, since }, options),
      context.api.get("/savings", { since }, options),
    ]);
    draw(parts, chosen, daily, grouped);
    fill(parts.settled, settled(ended));
  };
  const again = throttled(async () => {
    try {
      await show();
    } catch (error) {
      if (error.name !== "AbortError") context.notice(error, "costs");
    }
  }, 1000);
  fill(
    root,
    h(
      "div.page-head",
      h("h1", "Costs"),
      h(
        "div.filters",
        segments("By", BY, chosen.by, (by) => ((chosen.by = by), again())),
        segments("How far back", RANGES, chosen.days, (days) => ((chosen.days = days), again())),
      ),
    ),
    parts.figures,
    parts.days,
    parts.by,
    parts.settled,
  );
  await show();
  context.live.on((record) => {
    if (!record || /^(Call|Task|Session)/.test(record.event?.type ?? "")) again();
  });
}

function day(ms) {
  return new Date(ms).toISOString().slice(0, 10);
}

function draw(parts, chosen, daily, grouped) {
  const { total, baseline } = grouped;
  const today = daily.rows.filter((row) => row.day === day(now())).reduce((sum, row) => sum + row.micro_usd, 0);
  const saved = baseline ? baseline.micro_usd - total.micro_usd : 0;
  fill(
    parts.figures,
    figure(`last ${chosen.days} days`, money(total.micro_usd), total.guessed_micro_usd ? `${money(total.guessed_micro_usd)} of it at a guessed price` : null),
    figure("today", money(today)),
    figure("tokens", short(tokens(total.tokens)), `and ${short(total.tokens.cache_read)} read from caches`),
    figure("answers of models", count(total.calls)),
    baseline && saved > 0 && (saved < CENT ? figure("saved", "–", "too little to tell yet") : figure("saved, at most", money(saved), `${Math.round((saved / baseline.micro_usd) * 100) || "less than 1"} % of ${money(baseline.micro_usd)}`)),
  );
  if (!grouped.rows.length) {
    fill(
      parts.days,
      h(
        "div.empty",
        h("h2", "Nothing was spent in this time"),
        h("p", "Costs are read from the transcripts of the clients while their sessions go on. Clients without hooks are not seen: ", h("code", "phasegate doctor"), " says which."),
      ),
    );
    fill(parts.by);
    return;
  }
  fill(parts.days, panel("By day", chart(chosen, daily)));
  fill(parts.by, panel(`By ${chosen.by}`, ranked(chosen, grouped)), baseline && savings(baseline, total));
}

function chart(chosen, daily) {
  const sums = new Map();
  for (const row of daily.rows) sums.set(row[chosen.by] ?? "–", (sums.get(row[chosen.by] ?? "–") ?? 0) + row.micro_usd);
  const order = [...sums].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const named = order.slice(0, SERIES_MAX);
  const series = order.length > SERIES_MAX ? [...named, "all others"] : named;
  const days = Array.from({ length: Number(chosen.days) }, (_, at) => day(now() - (Number(chosen.days) - 1 - at) * DAY_MS));
  const groups = days.map((name) => {
    const values = series.map(() => 0);
    for (const row of daily.rows) {
      if (row.day !== name) continue;
      const at = named.indexOf(row[chosen.by] ?? "–");
      values[at < 0 ? series.length - 1 : at] += row.micro_usd;
    }
    return { name: name.slice(5).replace("-", "/"), title: date(name), values };
  });
  const most = groups.reduce((best, group) => (sum(group.values) > sum(best.values) ? group : best), groups[0]);
  const label = `Cost by day for ${chosen.days} days, parted by ${chosen.by}. The dearest day is ${most.title} with ${money(sum(most.values))}.`;
  return h(
    "div.stack",
    stacked({ label, groups, series, said: money }),
    legend(series),
    h(
      "details",
      h("summary", "The same as a table"),
      table("Cost by day", [["Day"], ...series.map((name) => [name, "num"]), ["All", "num"]], groups.map((group) => [group.title, ...group.values.map(money), money(sum(group.values))])),
    ),
  );
}

function sum(values) {
  return values.reduce((all, value) => all + value, 0);
}

function ranked(chosen, grouped) {
  const rows = [...grouped.rows].sort((a, b) => b.micro_usd - a.micro_usd);
  const name = (row) => (chosen.by === "task" && row.task ? taskLink(row.task) : (row[chosen.by] ?? h("span.muted", "without a task")));
  return h(
    "div.stack",
    bars(rows.slice(0, 12).map((row) => ({ name: name(row), value: row.micro_usd, said: money(row.micro_usd) }))),
    h(
      "details",
      h("summary", "All of it, with tokens"),
      table(
        `Costs by ${chosen.by}`,
        [[chosen.by], ["Answers", "num"], ["Read", "num"], ["To cache", "num"], ["From cache", "num"], ["Written", "num"], ["Cost", "num"]],
        rows.map((row) => [
          name(row), count(row.calls), short(row.tokens.input), short(row.tokens.cache_write + row.tokens.cache_write_long), short(row.tokens.cache_read), short(row.tokens.output),
          [money(row.micro_usd), row.guessed_micro_usd ? h("span.muted", { title: "at a guessed price" }, " ≈") : null],
        ]),
      ),
    ),
  );
}

function savings(baseline, total) {
  return panel(
    "Against a strong model alone",
    h(
      "div.stack",
      bars([
        { name: `always ${baseline.model}`, value: baseline.micro_usd, said: money(baseline.micro_usd) },
        { name: "what it was", value: total.micro_usd, said: money(total.micro_usd) },
      ]),
      h("p.muted.small", `How this is counted: ${baseline.method}`),
    ),
  );
}
