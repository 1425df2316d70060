// The public API: one call for every request, with what all requests need.

import { language } from "./page.js";
import { accessToken, renew } from "./session.js";

/** An answer of the API that says no: `code` for programs, `detail` for people, and the code's fields. */
export class Problem extends Error {
  constructor(status, body, retryAfterMs = 0) {
    super(body.detail ?? body.title ?? String(status));
    this.status = status;
    this.code = body.code;
    this.fields = body;
    this.retryAfterMs = retryAfterMs;
  }
}

/** Nobody is signed in, or no longer. */
export class SignInNeeded extends Error {}

/** The network, or the server, is away. */
export class Unreachable extends Error {}

// A server that says "busy", or does not answer at all, is asked again so often.
const ATTEMPTS = 4;
const PAUSE_MS = 500;

let ahead = 0;

/**
 * Return what time it is at the server (milliseconds), as of its last answer. Its `Date` leaves out up to
 * a second; that is added, so that a countdown is over a little too soon and never too late.
 */
export function serverNow() {
  return Date.now() + ahead;
}

function noteTime(answer) {
  const date = Date.parse(answer.headers.get("Date"));
  if (!Number.isNaN(date)) ahead = date + 1000 - Date.now();
}

/**
 * Send a request and return the answer's body, or null where it has none.
 *
 * `queue` is the queue token, `key` the Idempotency-Key. A GET, and a POST with a key, is repeated when
 * the server is busy or away, unless `repeats` is false. Throws Problem, SignInNeeded or Unreachable.
 */
export async function call(method, path, { body, queue, key, signal, signedIn = true, repeats = true } = {}) {
  const repeatable = repeats && (method === "GET" || Boolean(key));
  for (let attempt = 1; ; attempt += 1) {
    const again = repeatable && attempt < ATTEMPTS;
    try {
      const answer = await sendSignedIn(method, path, { body, queue, key, signal, signedIn });
      noteTime(answer);
      if (answer.ok) return answer.status === 204 ? null : await answer.json();
      const retryAfterMs = Number(answer.headers.get("Retry-After")) * 1000;
      const problem = new Problem(answer.status, await readProblem(answer), retryAfterMs);
      if (!again || !isPassing(problem)) throw problem;
      await pause(retryAfterMs || PAUSE_MS, signal);
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      if (!again || !navigator.onLine) throw new Unreachable();
      await pause(PAUSE_MS * attempt, signal);
    }
  }
}

function isPassing(problem) {
  return problem.status >= 500 || problem.code === "idempotency_key_in_use";
}

async function sendSignedIn(method, path, options) {
  if (!options.signedIn) return send(method, path, options, null);
  const access = await accessToken();
  if (access === null) throw new SignInNeeded();
  const answer = await send(method, path, options, access);
  if (answer.status !== 401) return answer;
  const renewed = await renew(access);
  if (renewed === null) throw new SignInNeeded();
  return send(method, path, options, renewed);
}

function send(method, path, { body, queue, key, signal }, access) {
  const headers = { "Accept-Language": language };
  if (access) headers.Authorization = `Bearer ${access}`;
  if (queue) headers["X-Queue-Token"] = queue;
  if (key) headers["Idempotency-Key"] = key;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return fetch(`/api/v1${path}`, {
    method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body),
  });
}

async function readProblem(answer) {
  try {
    return await answer.json();
  } catch {
    return {};
  }
}

/** Wait; throws the signal's reason when it is aborted meanwhile. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });
}

/** Return a new Idempotency-Key. */
export function newKey() {
  return crypto.randomUUID?.() ?? `${Date.now()}-${Math.random().toString(36).slice(2)}`;
}

/** Return all entries of a list, page after page, up to `most`. */
export async function listAll(path, { most = 1000, ...options } = {}) {
  const entries = [];
  let next = path;
  while (next && entries.length < most) {
    const answer = await call("GET", next, options);
    entries.push(...answer.results);
    next = answer.next && new URL(answer.next).pathname.replace("/api/v1", "") + new URL(answer.next).search;
  }
  return entries;
}
