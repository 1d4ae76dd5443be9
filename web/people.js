// Who may answer with a signature, and by which key; keys of this browser; credentials, to look at.

import { fill, h } from "./dom.js";
import { KeyProblem, forget, isPasskey, isPasskeyHere, makeKey, makePasskey, noPasskeys, ownKeys } from "./keys.js";
import { worded } from "./parts.js";
import { atHand, byName, shown, signatures, sure } from "./signing.js";
import { date } from "./time.js";

export async function page(root, context) {
  const self = { context, people: h("div.people.stack") };
  fill(root, h("div.page-head", h("h1", "People")), self.people);
  await draw(self);
  context.live.on((record) => {
    const kind = record?.event?.type ?? "";
    if (/^(Approver|Credential)/.test(kind)) draw(self).catch((error) => context.notice(error, "people"));
  });
}

async function draw(self) {
  const turn = (self.turn = (self.turn ?? 0) + 1);
  const { context } = self;
  const { api, signal } = context;
  const readable = context.is("operator", "approver", "auditor");
  const [{ approvers, any }, own, known] = await Promise.all([
    api.get("/approvers", {}, { signal }),
    ownKeys(),
    readable ? api.get("/credentials", {}, { signal }) : { credentials: null },
  ]);
  // An answer that was overtaken by a later question is of the past.
  if (turn !== self.turn) return;
  self.approvers = approvers;
  self.any = any;
  const typed = [...self.people.querySelectorAll("input")].some((input) => input.value);
  const forms = self.people.querySelector(".forms");
  const person = context.is("operator", "approver");
  fill(
    self.people,
    h("section.panel", h("h2", "Approvers"), standing(self, own)),
    // What somebody is typing stays.
    person && (typed && forms ? forms : h("div.panels.forms", passkeyForm(self), keyForm(self))),
    own.length > 0 && h("section.panel", h("h2", "Keys of this browser"), browserKeys(self, own)),
    known.credentials && h("section.panel", h("h2", "Credentials"), credentials(known.credentials)),
  );
}

function standing(self, own) {
  const { approvers, any, context } = self;
  if (!approvers.length) {
    return h(
      "div.stack",
      h("p", any ? "This store knows no approver, though this machine remembers one: `phasegate doctor` says more." : "Nobody is enrolled yet. Whoever signs in as operator or approver answers, at level 1 at most."),
      !any && h("p.muted", "The first approver is taken on your word. From then on approvers decide, by signature, who else is one."),
    );
  }
  const rows = approvers.map((one) => {
    const here = own.some(({ key }) => key === one.key) ? "in this browser" : isPasskeyHere(one.key) ? "usable here" : "";
    const state = !one.traced ? h("span.tag.bad", "not counted") : one.revoked ? h("span.tag", `revoked ${date(one.revoked)}`) : h("span.tag.ok", "counts");
    const revoke = !one.revoked && one.traced && context.is("operator", "approver");
    return h(
      "tr",
      h("td", h("strong", one.name), one.groups.length > 0 && h("div.muted.small", one.groups.join(", "))),
      h("td", h("span.tag.info", isPasskey(one.key) ? "passkey, level 3" : "key, level 2"), here && h("div.muted.small", here), h("div.key", shortKey(one.key))),
      h("td", `by ${one.enrolled_by}, ${date(one.enrolled_at)}`),
      h("td", state, !one.traced && h("div.muted.small", "its enrolment cannot be traced to the first approver")),
      h("td", revoke && h("button.danger.small", { type: "button", onclick: () => revoked(self, one) }, "Revoke…")),
    );
  });
  return h("div.table", { tabindex: "0", role: "region", "aria-label": "Approvers" }, h("table", h("thead", h("tr", ["Name", "Key", "Enrolled", "State", ""].map((name) => h("th", { scope: "col" }, name || h("span.visually-hidden", "Act"))))), h("tbody", rows)));
}

const shortKey = (key) => (key.length > 60 ? `${key.slice(0, 57)}…` : key);

function field(id, label, attributes, note) {
  return h("div.field", h("label", { for: id }, label), note && h("span.muted", { id: `${id}-note` }, worded(note)), h("input", { id, name: id, required: true, autocomplete: "off", spellcheck: "false", "aria-describedby": note ? `${id}-note` : null, ...attributes }));
}

const groupsOf = (text) => text.split(/[\s,]+/).filter(Boolean);

function form(self, title, note, fields, button, make) {
  const submit = h("button.primary", { type: "submit" }, button);
  const element = h(
    "form",
    {
      onsubmit: async (event) => {
        event.preventDefault();
        submit.disabled = true;
        try {
          const values = Object.fromEntries(new FormData(element));
          if (await make(values)) {
            element.reset();
            await draw(self);
          }
        } catch (error) {
          self.context.notice(error, "people");
        } finally {
          submit.disabled = false;
        }
      },
    },
    fields,
    submit,
  );
  return h("section.panel.stack", h("h2", title), h("p.muted", note), element);
}

function passkeyForm(self) {
  const why = noPasskeys();
  if (why) return h("section.panel.stack", h("h2", "Enrol a passkey"), h("p.banner.warn", h("span", why), byName()));
  const note = "A device of yours signs, once it has recognised you: level 3. The passkey is for pages of this server's name only.";
  const fields = [field("passkey-name", "Name", { maxlength: 100, placeholder: "ana-phone" }), groups("passkey-groups")];
  return form(self, "Enrol a passkey", note, fields, "Make a passkey", async (values) => {
    const [name, groups] = [values["passkey-name"].trim(), groupsOf(values["passkey-groups"])];
    const live = self.approvers.filter((one) => !one.revoked).map((one) => one.key);
    return enrolled(self, name, await makePasskey(name, live), groups);
  });
}

function keyForm(self) {
  const note = "A key made in this browser and locked by a passphrase: level 2. It never leaves this browser; if the browser's data are cleared, it is gone.";
  const fields = [
    field("key-name", "Name", { maxlength: 100, placeholder: "ana-laptop" }),
    groups("key-groups"),
    field("key-passphrase", "Passphrase", { type: "password", autocomplete: "new-password", minlength: 8, maxlength: 1000 }, "at least 8 characters; longer is better"),
    field("key-again", "The same again", { type: "password", autocomplete: "new-password", maxlength: 1000 }),
  ];
  return form(self, "Enrol a key of this browser", note, fields, "Make a key", async (values) => {
    if (values["key-passphrase"] !== values["key-again"]) throw new KeyProblem("the two passphrases differ", "type the same one twice");
    const [name, groups] = [values["key-name"].trim(), groupsOf(values["key-groups"])];
    const key = await makeKey(name, values["key-passphrase"]);
    let done = false;
    try {
      done = await enrolled(self, name, key, groups);
    } finally {
      if (!done) await forget(key);
    }
    return done;
  });
}

const groups = (id) => field(id, "Groups", { required: false, placeholder: "lead" }, "as gates name them in `from`; parted by commas");

/** By the signature of an approver, as soon as there is one. */
async function enrolled(self, name, key, groups) {
  const { api, notice } = self.context;
  let signed = null;
  if (self.any) {
    if (!(await atHand(self.context, 2, [])).length) {
      await shown("One step more, where an approver's key is", elsewhere(name, key, groups), "Done");
      return true;
    }
    const made = await signatures(self.context, { act: "approver.add", name, key, groups }, { level: 2, what: `Enrol ${name}` });
    if (!made) return false;
    [signed] = made;
  }
  const { level } = await api.post("/approvers", { name, key, groups, signed });
  notice(`${name} is an approver, at level ${level}`);
  return true;
}

/** What an approver runs who signs at the command line. */
function elsewhere(name, key, groups) {
  const words = ["phasegate", "approver", "add", name, "--key", key, ...groups.flatMap((group) => ["--group", group])];
  const quoted = words.map((word) => (/^[\w.:@/+=-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`));
  return h(
    "div.stack",
    h("p", `The key of ${name} is made, and no key of an approver is in this browser. Whoever is one runs this on the machine where their key is:`),
    h("pre", h("code", quoted.join(" "))),
    h("p.muted", "From then on this page lists it as one that counts."),
  );
}

async function revoked(self, one) {
  const reason = h("input", { id: "revoke-reason", maxlength: 1000, required: true });
  const body = h("div.stack", h("p", "Answers of theirs that are not used yet stop counting. The name never gets another key."), h("div.field", h("label", { for: "revoke-reason" }, "Reason"), reason));
  if (!(await sure(`Revoke ${one.name}?`, body, "Revoke", "danger"))) return;
  try {
    const signed = await signatures(self.context, { act: "approver.revoke", name: one.name }, { level: 2, what: `Revoke ${one.name}` });
    if (!signed) return;
    await self.context.api.post("/approvers/revoke", { name: one.name, reason: reason.value, signed: signed[0] });
    self.context.notice(`${one.name} is no approver any more`);
    await draw(self);
  } catch (error) {
    self.context.notice(error, "people");
  }
}

function browserKeys(self, own) {
  const rows = own.map((kept) => {
    const known = self.approvers.find(({ key }) => key === kept.key);
    const away = async () => {
      if (!(await sure(`Forget the key of ${kept.name}?`, h("p", "It cannot be brought back."), "Forget it", "danger"))) return;
      await forget(kept.key);
      await draw(self);
    };
    return h("li.spread", h("span", h("strong", kept.name), " ", known ? "" : h("span.tag.warn", "not enrolled here"), h("div.key", kept.key)), h("button.small", { type: "button", onclick: away }, "Forget…"));
  });
  return h("ul.stack", rows);
}

function credentials(all) {
  if (!all.length) return h("p.muted", "There are none.");
  const rows = all.map((one) =>
    h(
      "tr",
      h("td", one.id),
      h("td", h("strong", one.name)),
      h("td", h("span.tag", one.role)),
      h("td", `by ${one.created_by}, ${date(one.created_at)}`),
      h("td", one.counts ? (one.expires_at ? `until ${date(one.expires_at)}` : "counts") : h("span.tag", one.revoked ? `revoked ${date(one.revoked)}` : "expired")),
    ),
  );
  const head = ["Id", "Name", "Role", "Made", "State"].map((name) => h("th", { scope: "col" }, name));
  return h(
    "div.stack",
    h("div.table", { tabindex: "0", role: "region", "aria-label": "Credentials" }, h("table", h("thead", h("tr", head)), h("tbody", rows))),
    h("p.muted.small", "Made and revoked at the command line: ", h("code", "phasegate token create|revoke"), "."),
  );
}
