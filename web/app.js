// The shell: which page stands at which path, the navigation, who is signed in, and one look at the board that all pages share.
//
// A page is a module with `export async function page(root, context)`. It fills `root` (an empty <div>, already in the document)
// and may return a function that is called when it is left. The context:
//
//   path, params     "/tasks/T-1", and what the path's pattern named: { id: "T-1" }
//   query            URLSearchParams of the address; `setQuery({ name: value })` changes it without loading the page anew
//   me               { name, role, credential, can }, null on the sign-in page; `is("operator", "approver")`: is it one of these
//   api              get(path, query), post(path, body), text(path): see api.js; they throw a Problem
//   live             live.on(hears): see live.js
//   board            board.now (the last look or null), board.on(hears) (called at once if there is one), board.look()
//   signal           aborted when the page is left: pass it to requests
//   go(path)         to another page; `replace: true` leaves no step back
//   title(text)      the name of the page, for the tab and for screen readers
//   notice(text)     a short message; notice(error) says what happened, why, and what to do next
//   signedIn(me)     for the sign-in page: somebody is, go on

import { api, onSignedOut } from "./api.js";
import { fill, h, link } from "./dom.js";
import { live, throttled } from "./live.js";
import { notice } from "./notice.js";
import { serverTime } from "./time.js";

const PAGES = [
  { path: "/", name: "Board", key: "b", load: () => import("./board.js") },
  { path: "/tasks/:id", load: () => import("./task.js"), under: "/" },
  { path: "/inbox", name: "Inbox", key: "i", load: () => import("./inbox.js"), badge: (board) => board.waiting.approvals },
  { path: "/inbox/:id", load: () => import("./inbox.js"), under: "/inbox" },
  { path: "/fleet", name: "Fleet", key: "f", load: () => import("./fleet.js") },
  { path: "/costs", name: "Costs", key: "c", load: () => import("./costs.js") },
  { path: "/workflows", name: "Workflows", key: "w", load: () => import("./workflows.js") },
  { path: "/workflows/:id", load: () => import("./workflows.js"), under: "/workflows" },
  { path: "/audit", name: "Audit", key: "a", load: () => import("./audit.js") },
  { path: "/people", name: "People", key: "p", load: () => import("./people.js") },
  { path: "/sign-in", name: "Sign in", load: () => import("./sign-in.js"), open: true, hidden: true },
];

const main = document.getElementById("main");
const top = document.getElementById("top");

let me = null;
let left = null;
let step = 0;

function matched(path) {
  for (const page of PAGES) {
    const names = [];
    const pattern = page.path.replace(/:(\w+)/g, (_, name) => (names.push(name), "([^/]+)"));
    const found = new RegExp(`^${pattern}/?$`).exec(path);
    if (found) return { page, params: Object.fromEntries(names.map((name, at) => [name, decoded(found[at + 1])])) };
  }
  return null;
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

// One look at the board for the badge and for whoever shows it.
const board = {
  now: null,
  listeners: new Set(),
  on(hears) {
    this.listeners.add(hears);
    if (this.now) hears(this.now);
    return () => this.listeners.delete(hears);
  },
  look: throttled(async () => {
    if (!me) return;
    try {
      const seen = await api.get("/board");
      serverTime(seen.at);
      board.now = seen;
      badges(seen);
      for (const hears of [...board.listeners]) hears(seen);
    } catch (error) {
      if (error.status !== 401 && board.listeners.size) notice(error, "board");
    }
  }),
};

live.on((record) => {
  const kind = record?.event?.type ?? "";
  if (!record || board.listeners.size || kind.startsWith("Approval")) board.look();
});

export function go(path, { replace = false } = {}) {
  const here = location.pathname + location.search;
  if (replace) history.replaceState(null, "", path);
  else if (path !== here) history.pushState(null, "", path);
  return show();
}

function title(text) {
  const waits = board.now?.waiting.approvals;
  main.dataset.title = text;
  document.title = `${waits ? `(${waits}) ` : ""}${text} · phasegate`;
}

function setQuery(words) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(words)) {
    if (value === "" || value === null || value === undefined) query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  history.replaceState(null, "", location.pathname + (text ? `?${text}` : ""));
}

function toSignIn() {
  me = null;
  live.stop();
  if (location.pathname === "/sign-in") return;
  const next = location.pathname + location.search;
  go(`/sign-in${next === "/" ? "" : `?next=${encodeURIComponent(next)}`}`, { replace: true });
}

function signedIn(who) {
  me = who;
  live.last = null;
  const next = new URLSearchParams(location.search).get("next") ?? "/";
  go(next.startsWith("/") && !next.startsWith("//") && matched(next.split("?")[0]) ? next : "/", { replace: true });
}

async function signOut() {
  try {
    await api.post("/sign-out");
  } catch (error) {
    notice(error);
    return;
  }
  me = null;
  board.now = null;
  live.stop();
  go("/sign-in");
}

async function show() {
  const mine = ++step;
  left?.();
  left = null;
  const path = location.pathname;
  const found = matched(path);
  if (!me && !found?.page.open) {
    try {
      me = await api.get("/me");
    } catch (error) {
      if (mine === step && error.status !== 401) broken(error);
      return;
    }
    if (mine !== step) return;
  }
  if (me) live.start();
  if (me && !board.now) board.look();
  navigation(found?.page);
  const root = h("div.page", { "aria-busy": "true" });
  fill(main, root);
  if (!found) {
    root.removeAttribute("aria-busy");
    title("Not there");
    fill(root, h("div.empty", h("h1", "There is no such page"), h("p", link("/", "Go to the board"))));
    return;
  }
  await open(found, root, mine);
}

async function open({ page, params }, root, mine) {
  const stopper = new AbortController();
  const ends = [() => stopper.abort()];
  left = () => ends.forEach((end) => end());
  title(page.name ?? params.id ?? "");
  const context = {
    path: location.pathname,
    params,
    query: new URLSearchParams(location.search),
    me,
    is: (...roles) => roles.includes(me?.role),
    api,
    live: { on: (hears) => void ends.push(live.on(hears)) },
    board: { now: board.now, on: (hears) => void ends.push(board.on(hears)), look: board.look },
    signal: stopper.signal,
    go,
    title,
    setQuery,
    notice,
    signedIn,
  };
  try {
    const module = await page.load();
    if (mine !== step) return;
    const end = await module.page(root, context);
    if (typeof end === "function") {
      if (mine === step) ends.push(end);
      else end();
    }
  } catch (error) {
    if (mine !== step || error.name === "AbortError") return;
    if (error instanceof TypeError && /import|module/i.test(error.message)) missing(root, page);
    else if (error.status !== 401) failed(root, error);
  } finally {
    root.removeAttribute("aria-busy");
  }
}

function missing(root, page) {
  fill(root, h("div.empty", h("h1", `${page.name ?? "This page"} is not there`), h("p", "This server does not have it, or it did not load. Reload to try again.")));
}

function failed(root, error) {
  if (!(error.status >= 0)) console.error(error);
  const known = error.status !== undefined;
  fill(
    root,
    h(
      "div.empty",
      h("h1", error.status === 404 ? "There is no such thing" : "This did not work"),
      h("p", known ? error.message : "The page has a fault."),
      // The hint of what is not there is for programs.
      error.status === 404 ? h("p", link("/", "Go to the board")) : error.hint && h("p.muted", error.hint),
      h("p", h("button", { type: "button", onclick: () => show() }, "Try again")),
    ),
  );
}

function broken(error) {
  navigation(null);
  const root = h("div.page");
  fill(main, root);
  failed(root, error);
}

// Navigation

const LIVE = {
  off: ["", "not connected"],
  live: ["ok", "live"],
  polling: ["warn", "looks every few seconds"],
  broken: ["bad", "connection lost, trying again"],
};

function navigation(current) {
  document.body.classList.toggle("bare", !me);
  if (!me) {
    fill(top, h("div.brand", link("/", logo(), "phasegate")), themeButton());
    return;
  }
  const at = current?.under ?? current?.path;
  if (top.dataset.who !== `${me.name} ${me.role}` || !top.querySelector("nav")) draw();
  for (const anchor of top.querySelectorAll("nav a")) {
    if (anchor.getAttribute("href") === at) anchor.setAttribute("aria-current", "page");
    else anchor.removeAttribute("aria-current");
  }
  menu(false);
  if (board.now) badges(board.now);
}

function draw() {
  top.dataset.who = `${me.name} ${me.role}`;
  const button = h(
    "button.icon-button.menu",
    { type: "button", "aria-label": "Menu", "aria-expanded": "false", "aria-controls": "nav", onclick: () => menu() },
    "☰",
  );
  const state = h("span.live", h("span.dot"), h("span.live-word"));
  live.watch((now) => {
    const [kind, word] = LIVE[now];
    state.className = `live ${kind}`;
    state.lastChild.textContent = word;
  });
  fill(
    top,
    h("div.brand", link("/", logo(), "phasegate"), h("a.badge.phone-badge", { href: "/inbox", hidden: true }), button),
    h(
      "nav",
      { id: "nav", "aria-label": "Pages" },
      h(
        "ul",
        PAGES.filter((page) => page.name && !page.hidden).map((page) =>
          h("li", h("a", { href: page.path, title: `g then ${page.key}` }, h("span", page.name), page.badge && h("span.badge", { hidden: true }))),
        ),
      ),
      h(
        "div.who",
        state,
        h("div.who-name", h("strong", me.name), h("span.muted", me.role)),
        h("div.row", themeButton(), h("button.small", { type: "button", onclick: signOut }, "Sign out")),
      ),
    ),
  );
}

function logo() {
  return h("span.logo", { "aria-hidden": "true" });
}

function menu(open) {
  const button = top.querySelector(".menu");
  if (!button) return;
  const wanted = open ?? button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", String(wanted));
  top.classList.toggle("open", wanted);
}

function badges(seen) {
  const waits = seen.waiting.approvals;
  for (const badge of top.querySelectorAll(".badge")) {
    badge.hidden = !waits;
    badge.textContent = waits;
    badge.setAttribute("aria-label", `${waits} waiting`);
  }
  if (main.dataset.title) title(main.dataset.title);
}

const THEMES = { system: "◐", light: "☀", dark: "☾" };

function themeButton() {
  const stored = () => document.documentElement.dataset.theme ?? "system";
  const button = h("button.icon-button", {
    type: "button",
    onclick: () => {
      const names = Object.keys(THEMES);
      const next = names[(names.indexOf(stored()) + 1) % names.length];
      if (next === "system") delete document.documentElement.dataset.theme;
      else document.documentElement.dataset.theme = next;
      try {
        if (next === "system") localStorage.removeItem("theme");
        else localStorage.setItem("theme", next);
      } catch {
        // It holds until the page is closed.
      }
      say();
    },
  });
  const say = () => {
    button.textContent = THEMES[stored()];
    button.setAttribute("aria-label", `Theme: ${stored()}`);
    button.title = `Theme: ${stored()}`;
  };
  say();
  return button;
}

// Links, keys, history

document.addEventListener("click", (event) => {
  const anchor = event.target.closest?.("a[href]");
  if (!anchor || event.defaultPrevented || event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  const href = anchor.getAttribute("href");
  if (!href.startsWith("/") || href.startsWith("/api/") || anchor.hasAttribute("download") || !matched(href.split(/[?#]/)[0])) return;
  event.preventDefault();
  go(href).then(() => {
    main.focus({ preventScroll: true });
    scrollTo(0, 0);
  });
});

let pressed = "";
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") menu(false);
  if (!me || event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.("input, textarea, select, [contenteditable], dialog")) return;
  const page = pressed === "g" && PAGES.find((one) => one.key === event.key);
  if (page) {
    event.preventDefault();
    go(page.path);
  } else if (event.key === "/" && main.querySelector("[data-search]")) {
    event.preventDefault();
    main.querySelector("[data-search]").focus();
  }
  pressed = event.key === "g" && pressed !== "g" ? "g" : "";
});

addEventListener("popstate", show);
onSignedOut(toSignIn);
show();
