// Requests to our own server. What it refuses becomes an error that a person can read; who is not signed in is sent to sign in.

const BASE = "/api/v1";

/** A problem document: `code` for programs, `detail` and `hint` for people. */
export class Problem extends Error {
  constructor(status, document) {
    super(document.detail || document.title || `the server answered ${status}`);
    this.name = "Problem";
    this.status = status;
    this.code = document.code ?? "";
    this.hint = document.hint ?? "";
    this.details = document.details;
  }
}

let signedOut = () => {};

/** Is called when a request needs someone signed in. */
export function onSignedOut(action) {
  signedOut = action;
}

async function problem(response) {
  let document = {};
  try {
    const text = await response.text();
    document = JSON.parse(text);
  } catch {
    document = { detail: `the server answered ${response.status} and did not say why`, hint: "look at its log" };
  }
  return new Problem(response.status, document);
}

/** The answer itself, for what is not JSON. Paths are below /api/v1. */
export async function request(path, options = {}) {
  const { method = "GET", body, signal, headers = {}, quiet = false } = options;
  const sent = { accept: "application/json", ...headers };
  const writes = method !== "GET" && method !== "HEAD";
  // A page of another origin cannot send this header: with the cookie's SameSite it is what makes a write ours.
  if (writes) sent["x-phasegate"] = "1";
  if (body !== undefined) sent["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(BASE + path, {
      method,
      signal,
      headers: sent,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: "same-origin",
      redirect: "error",
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { code: "unreachable", detail: "the server does not answer", hint: "is `phasegate serve` still running?" });
  }
  if (response.ok) return response;
  const failed = await problem(response);
  if (response.status === 401 && !quiet) signedOut();
  throw failed;
}

async function json(path, options) {
  const response = await request(path, options);
  return response.status === 204 ? null : response.json();
}

export const api = {
  /** `get("/board")`; the second argument holds the words of the query, empty ones left out. */
  get: (path, query = {}, options = {}) => json(path + search(query), options),
  text: async (path, options = {}) => (await request(path, options)).text(),
  post: (path, body, options = {}) => json(path, { ...options, method: "POST", body: body ?? {} }),
  remove: (path, options = {}) => json(path, { ...options, method: "DELETE" }),
  request,
};

export function search(query) {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") words.set(name, value);
  }
  const text = words.toString();
  return text ? `?${text}` : "";
}
