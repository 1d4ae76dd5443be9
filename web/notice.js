// Short messages at the edge of the page. An error says what happened, why, and what to do next; it stays until it is put away.

import { h } from "./dom.js";

const place = document.getElementById("notices");
const STAYS_MS = 5000;

/** `notice("Saved")` or `notice(error)`; of several with one `key` only the newest is shown. */
export function notice(what, key = "") {
  const bad = what instanceof Error;
  if (bad && what.name === "AbortError") return;
  if (bad && what.status === undefined) console.error(what);
  const text = bad && what.status === undefined ? "The page has a fault; reload it." : bad ? what.message : what;
  if (key) place.querySelector(`[data-notice="${CSS.escape(key)}"]`)?.remove();
  const away = () => shown.remove();
  const shown = h(
    "div.notice",
    { class: bad ? "bad" : "", data: { notice: key } },
    h("div", h("p", text), bad && what.hint && h("p.muted", what.hint)),
    h("button.icon-button", { type: "button", "aria-label": "Put this message away", onclick: away }, "×"),
  );
  place.append(shown);
  while (place.children.length > 4) place.firstElementChild.remove();
  if (!bad) setTimeout(away, STAYS_MS);
}
