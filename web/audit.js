// The log: search by the words of `query_audit`, and checks of it that this page makes by itself.

import { fill, h, link } from "./dom.js";
import { story } from "./events.js";
import { moment } from "./time.js";
import { checkGrowth, checkRecord, hex, readHead, readKey } from "./verify.js";

const WORDS = [
  ["text", "Text", { type: "search", maxlength: 200, data: { search: "" } }],
  ["kind", "Kind", { placeholder: "GatePassed, write" }],
  ["task", "Task", { placeholder: "T-1" }],
  ["agent", "Agent", {}],
  ["verdict", "Verdict", { options: ["", "allowed", "refused", "waived"] }],
  ["tool", "Tool", {}],
  ["code", "Refusal", { placeholder: "not_open" }],
  ["phase", "Phase", {}],
  ["path", "Path", { placeholder: "src/**" }],
  ["role", "Role", { options: ["", "agent", "approver", "operator", "auditor", "system"] }],
  ["since", "Since", { type: "datetime-local" }],
  ["until", "Until", { type: "datetime-local" }],
];
const PAGE = 50;
const KEPT_KEY = "phasegate log key";
const KEPT_HEAD = "phasegate kept head";

export async function page(root, context) {
  const self = {
    context,
    records: [],
    next: null,
    table: h("tbody"),
    more: h("div.row"),
    counts: h("div"),
    results: h("ul.checks", { "aria-live": "polite" }),
    key: null,
  };
  const whole = context.is("operator", "approver", "auditor");
  fill(
    root,
    h("div.page-head", h("h1", "Audit"), whole && exports()),
    verification(self, whole),
    filters(self),
    self.counts,
    h(
      "div.panel",
      h(
        "div.table.records",
        { tabindex: "0", role: "region", "aria-label": "Records" },
        h("table", h("thead", h("tr", ["No.", "When", "Who", "What", "Task"].map((name) => h("th", { scope: "col" }, name)))), self.table),
      ),
      self.more,
    ),
  );
  await search(self);
}

// Search

function filters(self) {
  const { query, setQuery } = self.context;
  const inputs = WORDS.map(([name, label, { options, ...attributes }]) => {
    const id = `filter-${name}`;
    const value = query.get(name) ?? "";
    const control = options
      ? h("select", { id, name }, options.map((one) => h("option", { value: one, selected: one === value }, one || "any")))
      : h("input", { id, name, value: attributes.type === "datetime-local" ? local(value) : value, autocomplete: "off", ...attributes });
    return h("div.field", h("label", { for: id }, label), control);
  });
  const form = h(
    "form.panel.stack",
    {
      role: "search",
      onsubmit: (event) => {
        event.preventDefault();
        const words = Object.fromEntries(new FormData(form));
        for (const name of ["since", "until"]) if (words[name]) words[name] = new Date(words[name]).toISOString();
        setQuery(words);
        search(self).catch((error) => self.context.notice(error, "audit"));
      },
    },
    h("div.audit-filters", inputs),
    h("div.row", h("button.primary", { type: "submit" }, "Search"), h("button", { type: "button", onclick: () => ((WORDS.forEach(([name]) => setQuery({ [name]: "" }))), self.context.go("/audit")) }, "Clear")),
  );
  return form;
}

/** As the field wants it: this machine's time, without a zone. */
function local(iso) {
  const at = new Date(iso);
  if (!iso || Number.isNaN(at.getTime())) return "";
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function asked() {
  const words = new URLSearchParams(location.search);
  return Object.fromEntries(WORDS.map(([name]) => [name, words.get(name) ?? ""]));
}

async function search(self, before = null) {
  const { api, signal } = self.context;
  const found = await api.get("/audit", { ...asked(), limit: PAGE, before }, { signal });
  self.records = before ? [...self.records, ...found.records] : found.records;
  self.next = found.next ?? null;
  const rows = found.records.map((record) => row(self, record));
  if (before) self.table.append(...rows);
  else fill(self.table, rows);
  if (!self.records.length) fill(self.table, h("tr", h("td", { colspan: 5 }, h("p.muted", "No record fits. Words narrow each other: leave some out."))));
  const more = () => search(self, self.next).catch((error) => self.context.notice(error, "audit"));
  fill(self.more, self.next && h("button", { type: "button", onclick: more }, "Older records"), found.scanned && h("span.muted.small", `${found.scanned} records were looked at`));
}

function row(self, record) {
  const { text, why } = story(record);
  const whole = h("details", h("summary", record.event?.type ?? "?"));
  whole.addEventListener("toggle", () => {
    if (!whole.open || whole.querySelector("pre")) return;
    const told = h("p.small", { role: "status" });
    whole.append(
      h("pre", { tabindex: "0" }, JSON.stringify(record, null, 2)),
      h("button.small", { type: "button", onclick: () => prove(self, record, told) }, "Prove that it is in the log"),
      told,
    );
  });
  return h(
    "tr",
    h("td.nowrap", String(record.seq)),
    h("td.nowrap", moment(record.at)),
    h("td", record.agent, h("div.muted.small", record.role)),
    h("td.what", h("div", text), why && h("div.small", why), whole),
    h("td.nowrap", record.task && link(`/tasks/${record.task}`, record.task)),
  );
}

function exports() {
  const format = (name, label, file) => h("a.button", { href: `/api/v1/audit/export?format=${name}`, download: file }, label);
  return h("div.row", h("span.muted", "Export"), format("jsonl", "JSON Lines", "audit.jsonl"), format("csv", "CSV", "audit.csv"), format("otel", "OpenTelemetry", "audit-otel.jsonl"));
}

// Checks

function verification(self, whole) {
  const paste = h("textarea.mono", { id: "kept-head", rows: 5, spellcheck: "false", placeholder: "a head that was kept elsewhere: what `phasegate audit head` printed" });
  const run = h("button.primary", { type: "button", onclick: () => verify(self, paste.value.trim(), run) }, "Verify now");
  return h(
    "section.panel.stack",
    h("div.spread", h("h2", "Verify in this browser"), run),
    h("p.muted", "This page checks the signature of the newest head, that the log goes on from the head it kept last time, and that the records shown below are in it. The server is asked for proofs, and not believed."),
    h("details", h("summary", "Compare with a head from elsewhere"), h("div.field", h("label", { for: "kept-head" }, "Signed head"), paste)),
    !whole && h("p.banner.warn", "Your credential may not fetch proofs of single records; what it may is checked."),
    self.results,
  );
}

const kept = (name) => {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
};

function keep(name, value) {
  try {
    localStorage.setItem(name, value);
    return true;
  } catch {
    return false;
  }
}

function say(self, kind, ...text) {
  self.results.append(h("li", { class: kind }, h("span", text)));
}

async function verify(self, pasted, button) {
  const { api, signal } = self.context;
  button.disabled = true;
  fill(self.results);
  try {
    const newest = await api.get("/audit/head", {}, { signal });
    const key = await logKey(self, newest.key);
    const head = await readHead(newest.note, key);
    say(self, "ok", `The newest head is signed by the log's key: ${head.size} records, root ${hex(head.root).slice(0, 16)}…`, head.at && [", made ", moment(head.at)], ".");
    await compare(self, key, "the head that this browser kept last time", kept(KEPT_HEAD));
    if (pasted) await compare(self, key, "the head from elsewhere", `${pasted}\n`);
    const sound = await records(self, key);
    if (sound && keep(KEPT_HEAD, head.note)) say(self, "open", "This head is kept in this browser, to compare with next time.");
    say(self, "open", "Not checked here: records that are not shown, and whether this server shows others another log. `phasegate audit verify` reads the whole log; a head kept on another machine tells most.");
  } catch (error) {
    if (error.name !== "AbortError") say(self, "bad", error.message, error.hint ? ` (${error.hint})` : "");
  } finally {
    button.disabled = false;
  }
}

async function logKey(self, given) {
  const key = await readKey(given ?? "");
  const known = kept(KEPT_KEY);
  if (!known) {
    keep(KEPT_KEY, key.text);
    say(self, "open", "The log's key is seen here for the first time and kept: ", h("code", key.text), ". Compare it once with `phasegate audit key` on the machine itself.");
  } else if (known !== key.text) {
    say(self, "bad", "The log has another key than this browser kept: ", h("code", key.text), ", before ", h("code", known), ". Either the key was changed (a record says so), or this is not the same log.");
    const again = h("button.small", { type: "button", onclick: () => (keep(KEPT_KEY, key.text), keep(KEPT_HEAD, ""), again.remove()) }, "Take the new key from now on");
    self.results.lastChild.append(again);
  }
  return key;
}

async function compare(self, key, what, note) {
  if (!note) {
    say(self, "open", `There is no head to compare with: ${what} is missing.`);
    return;
  }
  try {
    const old = await readHead(note, key);
    const proof = await self.context.api.get("/audit/consistency", { from: old.size }, { signal: self.context.signal });
    const now = await checkGrowth(proof, key, old);
    say(self, "ok", `The log of ${now.size} records goes on from ${what} (${old.size} records): nothing before was changed.`);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    say(self, "bad", `Against ${what}: ${error.message}.`);
  }
}

const PROVED_AT_ONCE = 50;

/** The records in the table; false where one is not as the log has it. */
async function records(self, key) {
  const shown = self.records.slice(0, PROVED_AT_ONCE);
  let [proved, erased] = [0, 0];
  for (const record of shown) {
    try {
      const proof = await self.context.api.get("/audit/proof", { seq: record.seq }, { signal: self.context.signal });
      const found = await checkRecord(proof, key, record);
      if (found.erased) erased += 1;
      else proved += 1;
    } catch (error) {
      if (error.name === "AbortError") throw error;
      if (error.status === 403) {
        say(self, "open", "The records shown were not checked: your credential may not fetch their proofs.");
        return true;
      }
      say(self, "bad", `Record ${record.seq}: ${error.message}.`);
      return false;
    }
  }
  const rest = self.records.length - shown.length;
  if (proved) say(self, "ok", `${proved} records shown below are in the log, exactly as shown${rest > 0 ? ` (the newest; ${rest} more on this page were not checked)` : ""}.`);
  if (erased) say(self, "open", `${erased} records were erased; their hashes are in the log.`);
  return true;
}

async function prove(self, record, told) {
  try {
    const proof = await self.context.api.get("/audit/proof", { seq: record.seq }, { signal: self.context.signal });
    const key = await readKey(proof.key);
    const known = kept(KEPT_KEY);
    if (known && known !== key.text) throw new Error("the proof is by another key than this browser kept");
    const { head, erased } = await checkRecord(proof, key, record);
    fill(told, erased ? "Erased; its hash" : "It", ` is in the log of ${head.size} records, under a head that the log's key signed. Checked by this page.`);
  } catch (error) {
    if (error.name !== "AbortError") fill(told, h("strong", "Not shown: "), error.message);
  }
}
