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
  const away = () => (shown.remove(), settle());
  const shown = h(
    "div.notice",
    { class: bad ? "bad" : "", data: { notice: key } },
    h("div", h("p", text), bad && what.hint && h("p.muted", what.hint)),
    h("button.icon-button", { type: "button", "aria-label": "Put this message away", onclick: away }, "×"),
  );
  if (!place.hasChildNodes()) place.className = "";
  place.append(shown);
  while (place.children.length > 4) place.firstElementChild.remove();
  settle();
  if (!bad) setTimeout(away, STAYS_MS);
}

const CORNERS = ["", "left", "top", "top left"];

/** Buttons and fields stay free: it goes to the first corner where it lies over none, else to where it lies over the fewest. */
function settle() {
  if (!place.hasChildNodes()) return;
  const kept = [...document.querySelectorAll("main :is(button, .button, textarea, select, input)")].map((one) => one.getBoundingClientRect());
  const over = () => {
    const mine = place.getBoundingClientRect();
    return kept.filter((one) => one.width > 0 && one.left < mine.right && one.right > mine.left && one.top < mine.bottom && one.bottom > mine.top).length;
  };
  // Where it stands it stays as long as it can.
  if (!over()) return;
  const tried = CORNERS.map((corner) => {
    place.className = corner;
    return [over(), corner];
  });
  place.className = tried.sort((a, b) => a[0] - b[0])[0][1];
}

const later = () => requestAnimationFrame(settle);
for (const event of ["scroll", "resize"]) addEventListener(event, later, { passive: true });
// After an answer the next question comes, with its buttons elsewhere.
new MutationObserver(later).observe(document.getElementById("main"), { childList: true, subtree: true });
