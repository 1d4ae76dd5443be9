// Keys that sign a person's answers: Ed25519 keys of this browser, locked by a passphrase (level 2), and passkeys (level 3).
// A private key never leaves the browser, and is open only while it signs.

const ROUNDS = 600_000;
const PASSPHRASE_CHARACTERS_MIN = 8;
const PASSKEY = /^passkey:([^:]+):([^:]+):([^:]+)$/;

/** An error with something to do about it, as `notice` shows it. */
export class KeyProblem extends Error {
  constructor(message, hint = "") {
    super(message);
    this.status = 0;
    this.hint = hint;
  }
}

export const bytesOf = (text) => new TextEncoder().encode(text);

export function base64(bytes) {
  let text = "";
  for (const byte of new Uint8Array(bytes)) text += String.fromCharCode(byte);
  return btoa(text);
}

export function unbase64(text) {
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

const base64url = (bytes) => base64(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
const unbase64url = (text) => unbase64(text.replace(/-/g, "+").replace(/_/g, "/"));
export const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
export const sha256 = async (bytes) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

// The keys of this browser

function stored() {
  return new Promise((done, failed) => {
    const opening = indexedDB.open("phasegate", 1);
    opening.onupgradeneeded = () => opening.result.createObjectStore("keys", { keyPath: "key" });
    opening.onsuccess = () => done(opening.result);
    opening.onerror = () => failed(new KeyProblem("this browser keeps nothing for this page", "leave private browsing, or use another browser"));
  });
}

async function inStore(mode, action) {
  const database = await stored();
  try {
    return await new Promise((done, failed) => {
      const asked = action(database.transaction("keys", mode).objectStore("keys"));
      asked.transaction.oncomplete = () => done(asked.result);
      asked.transaction.onabort = () => failed(new KeyProblem("this browser could not keep the key", "make room, and try again"));
    });
  } finally {
    database.close();
  }
}

/** [{ key, name, made }]; the locked parts are in there too. */
export async function ownKeys() {
  if (!globalThis.indexedDB) return [];
  return inStore("readonly", (store) => store.getAll()).catch(() => []);
}

export const forget = (key) => inStore("readwrite", (store) => store.delete(key));

async function lockOf(passphrase, salt, rounds) {
  const material = await crypto.subtle.importKey("raw", bytesOf(passphrase), "PBKDF2", false, ["deriveKey"]);
  const way = { name: "PBKDF2", hash: "SHA-256", salt, iterations: rounds };
  return crypto.subtle.deriveKey(way, material, { name: "AES-GCM", length: 256 }, false, ["encrypt", "decrypt"]);
}

function secure() {
  if (globalThis.isSecureContext && crypto.subtle) return;
  throw new KeyProblem("a browser keeps keys only for pages that came safely", "open the board over https, or as http on localhost");
}

/** Makes a key, keeps it locked, and gives its public part: "ed25519:…". */
export async function makeKey(name, passphrase) {
  secure();
  if ([...passphrase].length < PASSPHRASE_CHARACTERS_MIN) {
    throw new KeyProblem("the passphrase is too short", "whoever copies this browser's files can try guesses: take at least 8 characters");
  }
  let pair;
  try {
    pair = await crypto.subtle.generateKey({ name: "Ed25519" }, true, ["sign", "verify"]);
  } catch {
    throw new KeyProblem("this browser makes no Ed25519 keys", "take a newer browser, a passkey, or `phasegate approver add`");
  }
  const key = `ed25519:${base64(await crypto.subtle.exportKey("raw", pair.publicKey))}`;
  const [salt, iv] = [crypto.getRandomValues(new Uint8Array(16)), crypto.getRandomValues(new Uint8Array(12))];
  const lock = await lockOf(passphrase, salt, ROUNDS);
  const open = new Uint8Array(await crypto.subtle.exportKey("pkcs8", pair.privateKey));
  const locked = await crypto.subtle.encrypt({ name: "AES-GCM", iv, additionalData: bytesOf(key) }, lock, open);
  open.fill(0);
  await inStore("readwrite", (store) => store.put({ key, name, made: new Date().toISOString(), rounds: ROUNDS, salt, iv, locked }));
  navigator.storage?.persist?.();
  return key;
}

/** Signs each of `statements` ({ to_sign }) with a key of this browser. */
export async function signWithKey(kept, passphrase, at, statements) {
  secure();
  const lock = await lockOf(passphrase, kept.salt, kept.rounds);
  let open;
  try {
    open = await crypto.subtle.decrypt({ name: "AES-GCM", iv: kept.iv, additionalData: bytesOf(kept.key) }, lock, kept.locked);
  } catch {
    throw new KeyProblem("this passphrase does not open the key", "try again; a lost passphrase cannot be brought back");
  }
  const key = await crypto.subtle.importKey("pkcs8", open, { name: "Ed25519" }, false, ["sign"]);
  new Uint8Array(open).fill(0);
  const sign = async ({ to_sign: bytes }) => ({
    key: kept.key,
    at,
    signature: base64(await crypto.subtle.sign({ name: "Ed25519" }, key, unbase64(bytes))),
  });
  return Promise.all(statements.map(sign));
}

// Passkeys

/** Why there can be no passkeys here, or nothing. */
export function noPasskeys() {
  if (!globalThis.PublicKeyCredential) return "This browser has no passkeys, or this page did not come safely (https, or http on localhost).";
  if (/^[\d.]+$|:/.test(location.hostname)) return `Passkeys belong to a name, and ${location.hostname} is a number.`;
  return "";
}

/** Whether this key is a passkey of the server by the name in the address. */
export function isPasskeyHere(key) {
  const found = PASSKEY.exec(key);
  return Boolean(found) && found[1] === location.hostname && !noPasskeys();
}

export const isPasskey = (key) => PASSKEY.test(key);

async function ceremony(action) {
  const why = noPasskeys();
  if (why) throw new KeyProblem(why, "open the board by a name, such as localhost");
  try {
    return await action();
  } catch (error) {
    const hint = "try again; the device must recognise you by PIN, finger or face";
    throw new KeyProblem(`the passkey was not used: ${error.name === "NotAllowedError" ? "it was declined, or took too long" : error.message}`, hint);
  }
}

/** Makes a passkey and gives its public part: "passkey:SERVER:POINT:CREDENTIAL". */
export async function makePasskey(name, known) {
  const rp = location.hostname;
  const exclude = known.filter(isPasskeyHere).map((key) => ({ type: "public-key", id: unbase64url(PASSKEY.exec(key)[3]) }));
  const made = await ceremony(async () =>
    navigator.credentials.create({
      publicKey: {
        rp: { id: rp, name: `phasegate on ${rp}` },
        user: { id: (await sha256(bytesOf(`${rp} ${name}`))), name, displayName: name },
        challenge: crypto.getRandomValues(new Uint8Array(32)),
        pubKeyCredParams: [{ type: "public-key", alg: -7 }],
        authenticatorSelection: { userVerification: "required", residentKey: "preferred" },
        excludeCredentials: exclude,
        attestation: "none",
      },
    }),
  );
  const info = made.response.getPublicKey();
  // The last part of an SPKI of P-256 is the point.
  const point = info && new Uint8Array(info).slice(-65);
  if (made.response.getPublicKeyAlgorithm() !== -7 || !point || point.length !== 65 || point[0] !== 4) {
    throw new KeyProblem("this passkey has another kind of key than ES256", "take another device");
  }
  return `passkey:${rp}:${base64(point)}:${base64url(made.rawId)}`;
}

/** Signs all of `statements` by one touch of one of these passkeys. */
export async function signWithPasskey(keys, at, statements) {
  const digests = await Promise.all(statements.map(async ({ to_sign: bytes }) => hex(await sha256(unbase64(bytes)))));
  const several = digests.length > 1;
  // The canonical form of the list, as the server makes it again.
  const asked = several ? bytesOf(JSON.stringify({ of: digests, phasegate: "together/1" })) : unbase64(statements[0].to_sign);
  const challenge = await sha256(asked);
  const allowed = keys.map((key) => ({ type: "public-key", id: unbase64url(PASSKEY.exec(key)[3]) }));
  const given = await ceremony(() =>
    navigator.credentials.get({
      publicKey: { challenge, rpId: location.hostname, allowCredentials: allowed, userVerification: "required" },
    }),
  );
  const id = base64url(given.rawId);
  const key = keys.find((one) => PASSKEY.exec(one)[3] === id);
  if (!key) throw new KeyProblem("another passkey answered than was asked");
  const passkey = {
    authenticator_data: base64(given.response.authenticatorData),
    client_data: base64(given.response.clientDataJSON),
    ...(several && { together: digests }),
  };
  return statements.map(() => ({ key, at, signature: base64(given.response.signature), passkey }));
}
