// What choosing models saved: work that has ended, against always taking a strong model, with what is left out of it.

import { bars } from "./chart.js";
import { h } from "./dom.js";
import { CENT, count, money, panel, plural, table } from "./parts.js";

const PARTS = [["by_type", "Type"], ["by_tier", "Tier"], ["by_project", "Project"]];

/** Nothing where no work has ended. */
export function savings(found) {
  const out = leftOut(found.left_out);
  const { all } = found;
  if (!all.pieces && !out.length) return null;
  return panel(
    "Work that has ended, against always strong",
    h(
      "div.stack",
      all.pieces
        ? [
            bars([
              { name: "always strong", value: all.baseline_micro_usd, said: money(all.baseline_micro_usd) },
              { name: "what it was", value: all.micro_usd, said: money(all.micro_usd) },
            ]),
            h("p", verdict(all)),
            more(all).map((line) => h("p.muted.small", line)),
          ]
        : h("p.muted", "No work has ended yet whose outcome and cost are known."),
      PARTS.filter(([part]) => found[part].length && (part !== "by_project" || found[part].length > 1)).map(([part, name]) => rows(name, found[part], isLittle(all))),
      found.strong.map((row) => h("p.muted.small", `Strong models at fresh work of type ${row.type}: ${row.solved} of ${row.tries} tries done, ${money(row.mean_micro_usd)} a try.`)),
      out.map((line) => h("p.muted.small", `Left out: ${line}.`)),
      h("details", h("summary", "How this is counted"), h("p.muted.small", found.method)),
    ),
  );
}

/** A difference that says nothing yet. */
function isLittle(all) {
  return [all.saved_micro_usd, all.low_micro_usd, all.high_micro_usd].every((micro) => Math.abs(micro) < CENT);
}

function verdict(all) {
  const work = `${count(all.solved)} of ${plural(all.pieces, "piece")} of work done in ${plural(all.tries, "try", "tries")}, of which ${count(all.failed_tries)} failed.`;
  if (isLittle(all)) return `Too little to tell yet, as the difference is below a cent: ${work}`;
  const [saved, word] = all.saved_micro_usd < 0 ? [-all.saved_micro_usd, "It cost more, by"] : [all.saved_micro_usd, "Saved"];
  return `${word} ${money(saved)}, between ${signed(all.low_micro_usd)} and ${signed(all.high_micro_usd)}: ${work}`;
}

function more(all) {
  return [
    all.strong_known > 0 && `Of ${plural(all.strong_known, "piece")} of types that a strong model was tried at often enough it would have done about ${all.strong_solves}.`,
    all.strong_failed > 0 && `At ${count(all.strong_failed)} a strong model failed as well.`,
    all.given_up > 0 && `${count(all.given_up)} not done and not tried by a strong model: only their cost counts.`,
  ].filter(Boolean);
}

function rows(name, found, isLittle) {
  const saved = [["Saved", "num"], ["Between", "num"]];
  return table(
    `Against always strong, by ${name.toLowerCase()}`,
    [[name], ["Pieces", "num"], ["Done", "num"], ["Tries", "num"], ["Cost", "num"], ["Always strong", "num"], ...(isLittle ? [] : saved)],
    found.map((row) => [
      row.name, count(row.pieces), count(row.solved), count(row.tries), money(row.micro_usd), money(row.baseline_micro_usd),
      ...(isLittle ? [] : [signed(row.saved_micro_usd), `${signed(row.low_micro_usd)} and ${signed(row.high_micro_usd)}`]),
    ]),
  );
}

function signed(micro) {
  return micro < 0 ? `−${money(-micro)}` : money(micro);
}

function leftOut(out) {
  return [
    out.going_on && `${count(out.going_on)} that still go on`,
    out.without_cost && `${count(out.without_cost)} whose cost nobody knows`,
    out.without_price && `${count(out.without_price)} on models without a known price (${(out.models ?? []).join(", ")})`,
    out.without_baseline && `${count(out.without_baseline)} whose cost was told, with no tokens and no mean to set against it`,
    out.older && "tries before the newest 100,000",
  ].filter(Boolean);
}
