// The phases of a workflow as a diagram: boxes from left to right, arrows to what may come next, the ways back below.

import { h, s } from "./dom.js";
import { arrow, plural } from "./parts.js";

const WIDTH = 138;
const HEIGHT = 52;
const GAP = 44;
const EDGE = 8;

export function drawFlow(phases, name) {
  const places = new Map(phases.map((phase, at) => [phase.name, at]));
  const x = (at) => EDGE + at * (WIDTH + GAP);
  const jumps = [];
  for (const [at, phase] of phases.entries()) {
    for (const next of phase.next ?? []) {
      const to = places.get(next);
      if (to !== undefined) jumps.push({ at, to });
    }
  }
  const far = jumps.filter(({ at, to }) => to > at + 1);
  const back = jumps.filter(({ at, to }) => to <= at);
  const top = EDGE + far.length * 14 + (far.length ? 10 : 0);
  const height = top + HEIGHT + back.length * 14 + (back.length ? 16 : 0) + EDGE;
  const width = x(phases.length) - GAP + EDGE;
  const near = jumps.filter(({ at, to }) => to === at + 1).map(({ at, to }) => path(`M${x(at) + WIDTH} ${top + HEIGHT / 2}H${x(to) - 2}`));
  const over = far.map(({ at, to }, row) => path(around(x(at) + WIDTH / 2 + 20, x(to) + WIDTH / 2 - 20, top, top - 12 - row * 14)));
  const under = back.map(({ at, to }, row) => path(around(x(at) + WIDTH / 2 - 20, x(to) + WIDTH / 2 + 20, top + HEIGHT, top + HEIGHT + 14 + row * 14)));
  const boxes = phases.map((phase, at) =>
    s(
      "g",
      { class: phase.end ? "end" : "" },
      s("title", phase.goal || phase.name),
      s("rect.box", { x: x(at), y: top, width: WIDTH, height: HEIGHT, rx: 8 }),
      s("text", { x: x(at) + WIDTH / 2, y: top + 22, "text-anchor": "middle" }, cut(phase.name, 18)),
      s("text.sub", { x: x(at) + WIDTH / 2, y: top + 39, "text-anchor": "middle" }, phase.end ? "the end" : plural((phase.exit ?? []).length, "gate")),
    ),
  );
  const words = phases.map((phase) => (phase.next?.length ? `${phase.name} leads to ${phase.next.join(" or ")}` : `${phase.name} is the end`)).join("; ");
  const label = `Phases of ${name}: ${words}.`;
  return h(
    "div.flow-chart",
    { tabindex: 0, role: "region", "aria-label": "Diagram of the phases" },
    s("svg", { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": label }, arrow("flow-to"), near, over, under, boxes),
  );
}

function path(d) {
  return s("path.edge", { d, "marker-end": "url(#flow-to)" });
}

function around(from, to, y, far) {
  return `M${from} ${y}V${far}H${to}V${y > far ? y - 2 : y + 2}`;
}

function cut(text, most) {
  const shown = [...text];
  return shown.length > most ? `${shown.slice(0, most - 1).join("")}…` : text;
}
