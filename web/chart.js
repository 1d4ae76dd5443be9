// Charts drawn by hand in SVG. Each says in words what it shows; the page has the same numbers as a table.

import { h, s } from "./dom.js";

const COLOURS = 7;

/** A number that looks well at the end of a scale: 1, 2 or 5 and noughts, at least `most`. */
export function nice(most) {
  if (!(most > 0)) return 1;
  const size = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 2.5, 5, 10].map((step) => step * size).find((step) => step >= most * 0.999);
}

export function colour(at) {
  return `c${(at % COLOURS) + 1}`;
}

export function legend(names) {
  return h("ul.legend", names.map((name, at) => h("li", h("span.swatch", { class: colour(at) }), name)));
}

/**
 * Stacked columns. `groups` are [{ name, title, values: [number…] }], `series` the names of the values, `said(number)` how a
 * number is written.
 */
export function stacked({ label, groups, series, said, height = 200, every = 1 }) {
  const [left, right, top, bottom] = [52, 6, 8, 24];
  const width = 720;
  const most = nice(Math.max(0, ...groups.map((group) => group.values.reduce((sum, value) => sum + value, 0))));
  const inner = { w: width - left - right, h: height - top - bottom };
  const slot = inner.w / Math.max(1, groups.length);
  const thick = Math.min(44, slot * 0.72);
  const y = (value) => top + inner.h * (1 - value / most);
  const grid = [0, 0.5, 1].map((share) => [
    s("line.grid", { x1: left, x2: width - right, y1: y(most * share), y2: y(most * share) }),
    s("text.axis", { x: left - 6, y: y(most * share) + 4, "text-anchor": "end" }, said(most * share)),
  ]);
  const columns = groups.map((group, at) => {
    const x = left + slot * at + (slot - thick) / 2;
    let below = 0;
    const boxes = group.values.map((value, kind) => {
      if (!value) return null;
      const from = y(below);
      below += value;
      return s("rect", { class: colour(kind), x, y: y(below), width: thick, height: Math.max(1, from - y(below)) });
    });
    const words = group.values.map((value, kind) => (value ? `${series[kind]}: ${said(value)}` : null)).filter(Boolean);
    return s(
      "g.column-of",
      s("title", `${group.title ?? group.name}\n${words.join("\n") || "nothing"}`),
      s("rect.catch", { x: left + slot * at, y: top, width: slot, height: inner.h }),
      boxes,
      at % every === 0 && s("text.axis", { x: left + slot * (at + 0.5), y: height - 7, "text-anchor": "middle" }, group.name),
    );
  });
  return s("svg.chart", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, grid, columns);
}

/** Bars from left to right, with their names: [{ name (a node or text), value, said }]. */
export function bars(rows) {
  const most = Math.max(1, ...rows.map((row) => row.value));
  return h(
    "ul.bars",
    rows.map((row) =>
      h(
        "li",
        h("span.bars-name", row.name),
        h("span.bars-track", { "aria-hidden": "true" }, h("span", { vars: { share: `${((row.value / most) * 100).toFixed(1)}%` } })),
        h("span.num", row.said),
      ),
    ),
  );
}
