// Charts drawn by hand in SVG. Each says in words what it shows; the page has the same numbers as a table.

import { h, s } from "./dom.js";

const COLOURS = 7;

/** A number that looks well at the end of a scale: one digit and noughts, at least `most`. */
export function nice(most) {
  if (!(most > 0)) return 1;
  const size = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 3, 4, 5, 6, 8, 10].map((step) => step * size).find((step) => step >= most * 0.999);
}

export function colour(at) {
  return `c${(at % COLOURS) + 1}`;
}

export function legend(names, colours = names.map((_, at) => colour(at))) {
  return h("ul.legend", names.map((name, at) => h("li", h("span.swatch", { class: colours[at] }), name)));
}

/**
 * Stacked columns. `groups` are [{ name, title, values: [number…] }], `series` the names of the values, `said(number)` how a
 * number is written. It is drawn as wide as its place is, so that its letters keep their size.
 */
export function stacked({ label, groups, series, said, height = 200, colours = series.map((_, at) => colour(at)) }) {
  const place = h("div.chart-place");
  let drawn = 0;
  const draw = () => {
    const width = Math.max(260, Math.round(place.clientWidth));
    if (width === drawn) return;
    drawn = width;
    place.replaceChildren(columns({ label, groups, series, said, colours, height, width }));
  };
  new ResizeObserver(draw).observe(place);
  return place;
}

const [LEFT, RIGHT, TOP, BOTTOM] = [50, 4, 8, 24];
const NAME_WIDTH = 56;

/** Below its column; the last one ends with it, so that it is not cut off. */
function nameAt(at, length, slot, height) {
  const last = at === length - 1 && slot < NAME_WIDTH;
  return { x: LEFT + slot * (at + (last ? 1 : 0.5)), y: height - 7, "text-anchor": last ? "end" : "middle" };
}

function columns({ label, groups, series, said, colours, height, width }) {
  const most = nice(Math.max(0, ...groups.map((group) => group.values.reduce((sum, value) => sum + value, 0))));
  const inner = { w: width - LEFT - RIGHT, h: height - TOP - BOTTOM };
  const slot = inner.w / Math.max(1, groups.length);
  const thick = Math.max(2, Math.min(44, slot * 0.72));
  const every = Math.max(1, Math.ceil(NAME_WIDTH / slot));
  const y = (value) => TOP + inner.h * (1 - value / most);
  const grid = [0, 0.5, 1].map((share) => [
    s("line.grid", { x1: LEFT, x2: width - RIGHT, y1: y(most * share), y2: y(most * share) }),
    s("text.axis", { x: LEFT - 6, y: y(most * share) + 4, "text-anchor": "end" }, said(most * share)),
  ]);
  const drawn = groups.map((group, at) => {
    const x = LEFT + slot * at + (slot - thick) / 2;
    let below = 0;
    const boxes = group.values.map((value, kind) => {
      if (!value) return null;
      const from = y(below);
      below += value;
      return s("rect", { class: colours[kind], x, y: y(below), width: thick, height: Math.max(1, from - y(below)) });
    });
    const words = group.values.map((value, kind) => (value ? `${series[kind]}: ${said(value)}` : null)).filter(Boolean);
    return s(
      "g.column-of",
      s("title", `${group.title ?? group.name}\n${words.join("\n") || "nothing"}`),
      s("rect.catch", { x: LEFT + slot * at, y: TOP, width: slot, height: inner.h }),
      boxes,
      (groups.length - 1 - at) % every === 0 && s("text.axis", { ...nameAt(at, groups.length, slot, height) }, group.name),
    );
  });
  return s("svg.chart", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, grid, drawn);
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
