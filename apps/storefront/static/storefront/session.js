// Who is signed in. The tokens are shared by all tabs; they are renewed once, whichever tab asks first.

import { language } from "./page.js";
import { onShared, shared } from "./store.js";

const KEY = "session";
// Renewed so long before the end: a request must not meet it.
const EARLY_MS = 60_000;

let session = shared.get(KEY);
const listeners = [];
onShared(KEY, (value) => keep(value, { share: false }));

function keep(value, { share = true } = {}) {
  session = value;
  if (share) shared.set(KEY, value);
  for (const listener of listeners) listener(isSignedIn());
}

export function isSignedIn() {
  return session !== null;
}

/** Return who is signed in, by the subject of the access token; null where nobody is. */
export function customer() {
  if (session === null) return null;
  const claims = session.access.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
  return JSON.parse(atob(claims)).sub;
}

/** Call `changed(isSignedIn)` whenever somebody signs in or out, in this tab or another. */
export function onSession(changed) {
  listeners.push(changed);
}

/** Sign in; return the answer's problem, or null where it went well. Throws TypeError when offline. */
export async function signIn(email, password) {
  const answer = await post("/auth/login", { email, password });
  const body = await answer.json();
  if (!answer.ok) return body;
  remember(body);
  return null;
}

export function signOut() {
  shared.set("line", null);
  keep(null);
}

/** Return a good access token; null where nobody is signed in, or the sign-in has ended. */
export async function accessToken() {
  if (session === null) return null;
  if (Date.now() < session.good_until - EARLY_MS) return session.access;
  return renew(session.access);
}

/** Get a new token in place of `used`, unless another tab or request just has; null where it is over. */
export async function renew(used) {
  return alone("encore.renew", async () => {
    session = shared.get(KEY) ?? session;
    if (session === null) return null;
    if (session.access !== used) return session.access;
    const answer = await post("/auth/refresh", { refresh: session.refresh });
    if (answer.ok) {
      remember(await answer.json());
      return session.access;
    }
    if (answer.status >= 500 || answer.status === 429) return used;
    keep(null);
    return null;
  });
}

function remember({ access, refresh, expires_in: seconds }) {
  keep({ access, refresh, good_until: Date.now() + seconds * 1000 });
}

function post(path, body) {
  return fetch(`/api/v1${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Accept-Language": language },
    body: JSON.stringify(body),
  });
}

/** Run `work` while no other tab runs the same, where the browser can see to that. */
export function alone(name, work) {
  return navigator.locks ? navigator.locks.request(name, work) : work();
}
