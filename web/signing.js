// Asking a person for a signature: which of the keys that are at hand, its passphrase or a touch, and then over exactly the
// bytes of what the person saw.

import { h, link, linkHereBy } from "./dom.js";
import { KeyProblem, isPasskey, isPasskeyHere, noPasskeys, ownKeys, signWithKey, signWithPasskey, unbase64 } from "./keys.js";

/**
 * Signatures under `about` (what /api/v1/statement takes), one for each statement in its order; null where the person changed
 * their mind. `level` is what the signature must show at least; `from` names who may sign, empty for anybody enrolled.
 */
export async function signatures(context, about, { level = 2, from = [], what }) {
  const choices = await atHand(context, level, from);
  if (!choices.length) throw keyless(level, from);
  const picked = await pick(choices, what, level);
  if (!picked) return null;
  const { at, statements } = await context.api.post("/statement", about);
  for (const one of statements) checked(one, at, about);
  const passkeys = picked.filter(({ kept }) => !kept).map(({ key }) => key);
  return passkeys.length ? signWithPasskey(passkeys, at, statements) : signWithKey(picked[0].kept, picked[0].passphrase, at, statements);
}

/** The keys in this browser that fit. */
export async function atHand(context, level, from) {
  const [{ approvers }, kept] = await Promise.all([context.api.get("/approvers"), ownKeys()]);
  const here = approvers.filter((one) => one.traced && !one.revoked).flatMap((one) => {
    const own = kept.find(({ key }) => key === one.key);
    return own || isPasskeyHere(one.key) ? [{ name: one.name, key: one.key, level: one.level, groups: one.groups, kept: own }] : [];
  });
  const named = (one) => !from.length || from.includes(one.name) || one.groups.some((group) => from.includes(group));
  return here.filter((one) => one.level >= level && named(one));
}

function noKey(level, from) {
  return `no ${level >= 3 ? "passkey" : "key"}${from.length ? ` of ${from.join(", ")}` : ""} is in this browser`;
}

export function keyless(level, from) {
  const hint = level >= 3 ? "enrol one on the page People" : "enrol one on the page People, or sign at the command line with `--as NAME`";
  return new KeyProblem(`this takes a signature, and ${noKey(level, from)}`, hint);
}

/** Why nobody can sign an answer here, and how to go on. */
export function goingOn({ id, from, you: { sign } }) {
  const here = [link("/people", sign >= 3 ? "Enrol a passkey" : "Enrol a key"), " in this browser."];
  const needsName = sign >= 3 && noPasskeys();
  return [
    h("p", h("strong", `It takes a ${sign >= 3 ? "passkey" : "signature"}, and ${noKey(sign, from)}.`)),
    h(
      "ul.dots",
      // Passkeys are for browsers alone.
      sign < 3 && h("li", "At the command line, by a key of that machine: ", h("code", `phasegate approvals approve ${id}`), " or ", h("code", `reject ${id}`), ", with ", h("code", "--as NAME"), " where several keys lie there."),
      h("li", needsName ? [needsName, " ", byName()] : here),
    ),
  ];
}

/** To where passkeys work, for whoever opened the page by this machine's number. */
export function byName() {
  if (!/^127\.|^\[::1\]$/.test(location.hostname)) return null;
  return h("span", linkHereBy("localhost", "Open this page at localhost"), "; you sign in there once more.");
}

/** What the server gives to sign must be what the person saw. */
function checked({ to_sign: bytes }, at, about) {
  const said = JSON.parse(new TextDecoder().decode(unbase64(bytes)));
  const { statement } = said;
  const wrong = () => {
    throw new KeyProblem("what was to be signed is not what was shown", "load the page again; if this happens again, do not answer here");
  };
  if (said.phasegate !== "statement/1" || said.at !== at || statement.act !== about.act) wrong();
  if (about.act === "approval.answer") {
    const named = about.approvals.find(({ id }) => id === statement.approval);
    const same = named?.digest === statement.digest && statement.answer === about.answer && statement.reason === (about.reason ?? "").trim();
    if (!same || (statement.choice ?? null) !== (about.choice ?? null)) wrong();
    if (canonical(statement.arguments ?? null) !== canonical(about.arguments ?? null)) wrong();
  } else if (about.name !== undefined && about.name !== statement.name) wrong();
  else if (about.key !== undefined && about.key !== statement.key) wrong();
}

function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join(",")}}`;
}

/** The keys to sign with: all passkeys that fit, or one key of this browser with its passphrase; null where none was chosen. */
function pick(choices, what, level) {
  const passkeys = choices.filter(({ key }) => isPasskey(key));
  const own = choices.filter(({ kept }) => kept);
  return new Promise((done) => {
    let answer = null;
    const passphrase = h("input", { id: "passphrase", type: "password", autocomplete: "current-password", maxlength: 1000 });
    const select = h("select", { id: "with" }, own.map(({ name }, at) => h("option", { value: String(at) }, name)));
    const finish = (value) => {
      answer = value;
      dialog.close();
    };
    const byKey = own.length > 0 && h(
      "form.stack",
      {
        onsubmit: (event) => {
          event.preventDefault();
          finish([{ ...own[Number(select.value)], passphrase: passphrase.value }]);
        },
      },
      h("div.field", h("label", { for: "with" }, "Key"), select),
      h("div.field", h("label", { for: "passphrase" }, "Passphrase"), passphrase),
      h("button.primary", { type: "submit" }, "Sign with this key"),
    );
    const byPasskey = passkeys.length > 0 && h(
      "button.primary.big",
      { type: "button", onclick: () => finish(passkeys) },
      `Sign with a passkey (${passkeys.map(({ name }) => name).join(", ")})`,
    );
    const dialog = h(
      "dialog",
      { "aria-labelledby": "sign-title", onclose: () => (dialog.remove(), done(answer)) },
      h(
        "div.stack",
        h("h2", { id: "sign-title" }, what ?? "Sign"),
        h("p.muted", level >= 3 ? "It takes a passkey: a device of yours recognises you and signs." : "It takes the signature of an approver."),
        byPasskey,
        byPasskey && byKey && h("p.muted.small", "or"),
        byKey,
        h("button", { type: "button", onclick: () => dialog.close() }, "Not now"),
      ),
    );
    document.body.append(dialog);
    dialog.showModal();
    (own.length ? passphrase : dialog.querySelector("button")).focus();
  });
}

/** Something to read, with the button that ends it; true for yes where there is a second one. */
function told(title, body, buttons) {
  return new Promise((done) => {
    let answer = false;
    const made = buttons.map(([text, kind, value]) => h("button", { type: "button", class: kind, onclick: () => ((answer = value), dialog.close()) }, text));
    const dialog = h(
      "dialog",
      { "aria-labelledby": "sure-title", onclose: () => (dialog.remove(), done(answer)) },
      h("div.stack", h("h2", { id: "sure-title" }, title), body, h("div.row", made)),
    );
    document.body.append(dialog);
    dialog.showModal();
    // Where there is much to read, it comes before the button.
    (dialog.querySelector(".all-picked") ?? made[0]).focus();
  });
}

export const shown = (title, body, end) => told(title, body, [[end, "primary", true]]);

/** A question with two buttons; true for yes. */
export const sure = (title, body, yes, kind = "primary") => told(title, body, [[yes, kind, true], ["Not now", null, false]]);
