// What happens, as it happens: reads /api/v1/events, goes on after a break where it left off, and looks at the board from time
// to time where events do not come. It is read by hand, since an EventSource hears only kinds that it knows beforehand.

import { api, request } from "./api.js";

const WAITS_MS = [250, 500, 1000, 2000, 5000, 10_000];
const POLL_MS = 4000;
/** A page that nobody sees gives its connection back, since browsers have few of them for one server, and looks now and then. */
const HIDDEN_MS = 5000;
const HIDDEN_POLL_MS = 30_000;
/** The server says something at least this often, if only a comment. */
const SILENCE_MS = 45_000;

/** Cuts a stream of text into events: {id, event, data}. */
export class Lines {
  constructor() {
    this.rest = "";
    this.event = {};
  }

  push(text) {
    const found = [];
    const lines = (this.rest + text).split(/\r\n|\n|\r(?!$)/);
    this.rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (this.event.data !== undefined) found.push(this.event);
        this.event = {};
        continue;
      }
      const colon = line.indexOf(":");
      if (colon === 0) continue;
      const name = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
      if (name === "data") this.event.data = this.event.data === undefined ? value : `${this.event.data}\n${value}`;
      else if (name === "id" || name === "event") this.event[name] = value;
    }
    return found;
  }
}

/**
 * `live.on(hears)`: `hears(record)` for each new record of the log; `hears(null)` when something may have happened that was not
 * heard of. Returns what ends it. `live.state` is "off", "live", "polling" or "broken".
 */
export const live = {
  state: "off",
  last: null,
  listeners: new Set(),
  watchers: new Set(),
  on(hears) {
    this.listeners.add(hears);
    return () => this.listeners.delete(hears);
  },
  /** `told(state)` at each change of `state`. */
  watch(told) {
    this.watchers.add(told);
    told(this.state);
    return () => this.watchers.delete(told);
  },
  start() {
    if (!this.stopper) {
      this.stopper = new AbortController();
      follow(this, this.stopper.signal);
    }
  },
  stop() {
    this.stopper?.abort();
    this.stopper = null;
    become(this, "off");
  },
};

// A page that the browser keeps for the way back stands still, its timers too, and would keep its connection.
let left = false;
addEventListener("pagehide", () => {
  left = live.stopper !== null && live.stopper !== undefined;
  if (left) live.stop();
});
addEventListener("pageshow", () => {
  if (!left) return;
  left = false;
  live.start();
  tell(live, null);
});

function become(self, state) {
  if (self.state === state) return;
  self.state = state;
  for (const told of self.watchers) told(state);
}

function tell(self, record) {
  for (const hears of [...self.listeners]) {
    try {
      hears(record);
    } catch (error) {
      console.error(error);
    }
  }
}

async function follow(self, signal) {
  let failures = 0;
  while (!signal.aborted) {
    try {
      await stream(self, signal, () => (failures = 0));
      failures += 1;
    } catch (error) {
      if (signal.aborted) return;
      if (error.status === 401 || error.status === 403) {
        become(self, "off");
        self.stopper = null;
        return;
      }
      if (error.status === 404 || error.status === 501) {
        await poll(self, signal);
        return;
      }
      failures += 1;
    }
    if (signal.aborted) return;
    if (document.hidden) {
      await poll(self, signal, HIDDEN_POLL_MS, () => document.hidden);
      self.last = null;
      failures = 0;
      continue;
    }
    become(self, "broken");
    await pause(WAITS_MS[Math.min(failures, WAITS_MS.length) - 1], signal);
    // Whoever looks at a page must not see what was true before the break.
    if (!signal.aborted && failures > 1) tell(self, null);
  }
}

async function stream(self, signal, opened) {
  const broken = new AbortController();
  const stop = () => broken.abort();
  signal.addEventListener("abort", stop, { once: true });
  let silent = setTimeout(stop, SILENCE_MS);
  let leaving;
  const hidden = () => {
    clearTimeout(leaving);
    if (document.hidden) leaving = setTimeout(stop, HIDDEN_MS);
  };
  document.addEventListener("visibilitychange", hidden);
  hidden();
  try {
    const headers = { accept: "text/event-stream" };
    if (self.last !== null) headers["last-event-id"] = String(self.last);
    const response = await request("/events", { headers, signal: broken.signal });
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const lines = new Lines();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(silent);
      silent = setTimeout(stop, SILENCE_MS);
      for (const event of lines.push(value)) {
        opened();
        become(self, "live");
        hear(self, event);
      }
    }
  } finally {
    clearTimeout(silent);
    clearTimeout(leaving);
    document.removeEventListener("visibilitychange", hidden);
    signal.removeEventListener("abort", stop);
    broken.abort();
  }
}

function hear(self, event) {
  let data;
  try {
    data = JSON.parse(event.data);
  } catch {
    return;
  }
  if (event.event === "hello") {
    // What was committed while nobody listened is not sent again to a first listener: look once.
    if (self.last === null) {
      self.last = data.seq;
      tell(self, null);
    }
    return;
  }
  if (event.event === "reset") {
    // A backup was put back: the numbers fell, and everything may differ.
    self.last = data.seq;
    tell(self, null);
    return;
  }
  const id = Number(event.id ?? data.seq);
  if (Number.isSafeInteger(id)) self.last = Math.max(self.last ?? 0, id);
  tell(self, data);
}

async function poll(self, signal, every = POLL_MS, going = () => true) {
  let seen = null;
  while (!signal.aborted && going()) {
    try {
      const { seq } = await api.get("/board", {}, { signal });
      become(self, "polling");
      if (seen !== null && seq !== seen) tell(self, null);
      seen = seq;
    } catch (error) {
      if (signal.aborted || error.status === 401) return;
      become(self, "broken");
    }
    await pause(every, signal);
  }
}

function pause(ms, signal) {
  return new Promise((done) => {
    const over = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", over);
      document.removeEventListener("visibilitychange", over);
      done();
    };
    const timer = setTimeout(over, ms);
    signal.addEventListener("abort", over);
    document.addEventListener("visibilitychange", over);
  });
}

/** Does `action` at once, and again at most every `ms` while it is asked for more; never two at a time. */
export function throttled(action, ms = 150) {
  let running = false;
  let again = false;
  const run = async () => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    try {
      await action();
    } finally {
      setTimeout(() => {
        running = false;
        if (again) {
          again = false;
          run();
        }
      }, ms);
    }
  };
  return run;
}
