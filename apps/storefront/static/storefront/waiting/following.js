// Joining a line once, and asking where one stands as often as the room wants: one tab for all.

import { call, SignInNeeded, Unreachable } from "../api.js";
import { askPlace, OutOfLine, placeIn, putOff, rememberPlace } from "../line.js";
import { alone } from "../session.js";
import { waitAbout } from "./alarm.js";

// No answer in this time is none.
const ANSWER_MS = 15_000;
// Who could not join, or read what the page needs, tries again after this, and longer each time.
const RETRY_MS = 2_000;
const RETRY_MAX_MS = 15_000;
// Where the tab that asks has been put to sleep by the system, another asks after this.
const PATIENCE_MS = 5_000;

/** Take a place in the concert's room, unless this browser has one: then keep to that. */
export function join(room, concertId) {
  return alone(`encore.join.${room}`, async () => {
    if (placeIn(room) !== null) return;
    const place = await call("POST", "/queue/tokens", { body: { concert_id: concertId } });
    rememberPlace({ ...place, concert_id: concertId });
  });
}

/** Run `work` until the server is there and has time; `troubled(error)` tells meanwhile. */
export async function persist(work, troubled) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!isPassing(error)) throw error;
      troubled(error);
      const wait = Math.min(RETRY_MS * attempt, RETRY_MAX_MS) * (1 - Math.random() / 5);
      await waitUntil(Date.now() + Math.max(wait, error.retryAfterMs ?? 0));
    }
  }
}

async function waitUntil(moment) {
  while (Date.now() < moment || !navigator.onLine) await waitAbout(moment - Date.now());
}

/** Say whether it may go well later; a 401 comes through where the sign-in could not be renewed just now. */
function isPassing(error) {
  return error instanceof Unreachable || error.status >= 500 || error.status === 429 || error.status === 401;
}

/**
 * Ask where this browser's place in the room stands whenever it is time, for as long as the page is open.
 *
 * What is learned is kept in `line.js`, for all tabs. `answered()` follows an answer, `troubled(error)`
 * a question that got none, `signInNeeded()` the end of the sign-in.
 */
export async function follow(room, { answered, troubled, signInNeeded }) {
  let isFirst = !navigator.locks;
  // Held until the tab is closed; the next one has it then.
  navigator.locks?.request(`encore.line.${room}`, () => {
    isFirst = true;
    return new Promise(() => {});
  });
  for (;;) {
    const place = placeIn(room);
    const wait = place?.status === "waiting" && navigator.onLine ? timeLeft(place, isFirst) : Infinity;
    if (wait > 0) await waitAbout(Math.min(wait, 1000));
    else await askOnce(room, { answered, troubled, signInNeeded });
  }
}

/** Return after how many milliseconds this tab asks. */
function timeLeft({ asked_at: askedAt, wait_ms: wait }, isFirst) {
  // A clock that was put back says nothing about when to ask.
  if (Date.now() < askedAt) return 0;
  const patience = isFirst ? 0 : Math.max(wait, PATIENCE_MS);
  return askedAt + wait + patience - Date.now();
}

async function askOnce(room, { answered, troubled, signInNeeded }) {
  try {
    await askPlace(room, AbortSignal.timeout(ANSWER_MS));
    answered();
  } catch (error) {
    if (error instanceof OutOfLine) return answered();
    putOff(room, error.retryAfterMs);
    if (error instanceof SignInNeeded) return signInNeeded();
    troubled(error);
  }
  return undefined;
}
