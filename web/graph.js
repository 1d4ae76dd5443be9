// Dependencies drawn: waves as columns, tasks as links, and a line from each task to those that wait for it.

import { fill, h, s } from "./dom.js";
import { arrow, priority, status, taskLink } from "./parts.js";

const WIDTH = 220;
const HEIGHT = 84;
const GAP_X = 76;
const GAP_Y = 16;
const TOP = 34;
const EDGE = 6;

export function drawGraph(element, graph, fits) {
  const rows = new Map(graph.tasks.map((row) => [row.id, row]));
  const placed = place(graph.waves, rows);
  const most = Math.max(1, ...graph.waves.map((wave) => wave.length));
  const width = Math.max(1, graph.waves.length) * (WIDTH + GAP_X) - GAP_X + 2 * EDGE;
  const height = TOP + most * (HEIGHT + GAP_Y) + EDGE;
  const waits = new Map();
  for (const { from, to } of graph.edges) waits.set(to, [...(waits.get(to) ?? []), from]);
  const nodes = graph.waves.flat().filter((id) => rows.has(id)).map((id) => node(rows.get(id), placed.get(id), waits.get(id), fits));
  const canvas = h("div.graph", { vars: { w: `${width}px`, h: `${height}px` } }, lines(graph.edges, placed, width, height), heads(graph.waves), h("ul", nodes));
  const focused = element.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
  const scroller = element.querySelector(".graph-scroll");
  const at = scroller ? [scroller.scrollLeft, scroller.scrollTop] : [0, 0];
  const outer = h("div.graph-scroll", { tabindex: 0, role: "region", "aria-label": "Dependencies of open tasks" }, canvas);
  fill(element, graph.more ? h("p.muted.small", "There are more tasks than are shown.") : null, outer);
  outer.scrollTo(at[0], at[1]);
  if (focused) element.querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus({ preventScroll: true });
  const light = (event) => trace(canvas, event.target.closest?.("[data-task]")?.dataset.task);
  canvas.addEventListener("mouseover", light);
  canvas.addEventListener("focusin", light);
  canvas.addEventListener("mouseleave", () => trace(canvas));
}

/** Within a wave, each task stands as near as can be to those it waits for, so that few lines cross. */
function place(waves) {
  const placed = new Map();
  waves.forEach((wave, column) => {
    wave.forEach((id, row) => placed.set(id, { x: EDGE + column * (WIDTH + GAP_X), y: TOP + row * (HEIGHT + GAP_Y) }));
  });
  return placed;
}

function heads(waves) {
  return waves.map((wave, at) =>
    h("span.wave.muted", { vars: { x: `${EDGE + at * (WIDTH + GAP_X)}px` } }, `wave ${at + 1} · ${wave.length}`),
  );
}

function node(row, spot, waits, fits) {
  const element = h(
    "li.node",
    { class: [row.status, fits(row) ? "" : "dim"], vars: { x: `${spot.x}px`, y: `${spot.y}px` }, data: { task: row.id } },
    h("div.card-head", h("span.muted.mono", row.id), priority(row.priority), status(row.status)),
    taskLink(row.id, row.title),
    h("span.visually-hidden", waits ? `, waits for ${waits.join(", ")}` : ", waits for nothing"),
    row.agent && h("span.muted.small", row.agent),
  );
  return element;
}

function lines(edges, placed, width, height) {
  const paths = edges.map(({ from, to }) => {
    const [a, b] = [placed.get(from), placed.get(to)];
    if (!a || !b) return null;
    const [x1, y1, x2, y2] = [a.x + WIDTH, a.y + HEIGHT / 2, b.x, b.y + HEIGHT / 2];
    const bend = Math.max(28, (x2 - x1) / 2);
    return s("path.edge", { d: `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2 - 2} ${y2}`, "marker-end": "url(#to)", "data-from": from, "data-to": to });
  });
  return s("svg", { width, height, viewBox: `0 0 ${width} ${height}`, "aria-hidden": "true", focusable: "false" }, arrow("to"), paths);
}

function trace(canvas, task) {
  for (const line of canvas.querySelectorAll(".edge")) {
    line.classList.toggle("lit", Boolean(task) && (line.dataset.from === task || line.dataset.to === task));
  }
}
