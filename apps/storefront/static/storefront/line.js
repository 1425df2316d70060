// The customer's place in line. All tabs share it: joining again would be going to the back.
//
// A place that has ended is kept with its reason until there is a new one, and its token still sent:
// who pays again after a lost answer gets that answer although the token has ended.

import { call } from "./api.js";
import { element, find, say } from "./page.js";
import { customer } from "./session.js";
import { onShared, shared } from "./store.js";

const KEY = "line";
const ENDS = ["queue_token_required", "queue_token_invalid", "queue_token_expired"];
// For these reasons the place is lost.
const GONE = ["reissued", "idle", "session_over", "paid", "left", "removed", "invalid"];
const POLL_UNKNOWN_MS = 1000;

const listeners = [];

/** The customer is not inside: `reason` is reissued, idle, session_over, paid, left, removed, invalid or waiting. */
export class OutOfLine extends Error {
  constructor(reason, problem) {
    super(problem.message);
    this.code = "out_of_line";
    this.reason = reason;
    this.problem = problem;
  }
}

/** Return this customer's live place in a room, or null. */
export function placeIn(room) {
  const place = keptPlace(room);
  return place?.ended ? null : place;
}

/** Return this customer's last place in a room, with `ended` (the reason) where it has; or null. */
export function keptPlace(room) {
  const place = shared.get(KEY)?.[room] ?? null;
  return place !== null && place.customer === customer() ? place : null;
}

/**
 * Keep a place: what the API says of it, its token and concert. How far it has come, and when to ask
 * again, is reckoned here.
 */
export function rememberPlace(place) {
  const { position = null, poll_after_seconds: pollAfter } = place;
  const first = place.first ?? position;
  keep({
    ...place,
    customer: customer(),
    first,
    // However the line is counted anew, the bar never goes back.
    progress: Math.max(place.progress ?? 0, first ? 1 - position / first : 0),
    asked_at: Date.now(),
    wait_ms: pollAfter * 1000 || POLL_UNKNOWN_MS,
  });
}

export function forgetPlace(room) {
  keep(null, room);
}

/** Call `changed()` whenever the place changes, by this tab or another. */
export function onPlace(changed) {
  listeners.push(changed);
  onShared(KEY, changed);
}

function keep(place, room = place.room) {
  const { [room]: _, ...others } = shared.get(KEY) ?? {};
  shared.set(KEY, place === null ? others : { ...others, [room]: place });
  for (const listener of listeners) listener();
}

/** Change a place, unless there is another by now. */
function change(room, token, changes) {
  const place = keptPlace(room);
  if (place !== null && place.token === token) keep({ ...place, ...changes });
}

/** Send a request with the room's token. Throws what `call` throws, or OutOfLine. */
export async function callInside(room, method, path, options = {}) {
  const token = keptPlace(room)?.token;
  try {
    return await call(method, path, { ...options, queue: token });
  } catch (problem) {
    if (problem.code === "queue_not_admitted") throw new OutOfLine("waiting", problem);
    if (problem.code === "wrong_waiting_room") throw new OutOfLine("invalid", problem);
    if (!ENDS.includes(problem.code)) throw problem;
    const live = placeIn(room);
    // Another tab has joined again meanwhile.
    if (live !== null && live.token !== token) return callInside(room, method, path, options);
    const reason = problem.fields.reason ?? "invalid";
    change(room, token, { ended: reason });
    throw new OutOfLine(reason, problem);
  }
}

/** Ask once where the place stands, and keep the answer. Throws what `callInside` throws. */
export async function askPlace(room, signal) {
  const { token } = placeIn(room);
  // Meanwhile no other tab asks.
  change(room, token, { asked_at: Date.now() });
  const status = await callInside(room, "GET", "/queue/tokens/current", { repeats: false, signal });
  const place = placeIn(room);
  if (place?.token === token) rememberPlace({ ...place, ...status });
}

/** Put off the next question, after one that got no answer: as long as ever, or longer if asked to. */
export function putOff(room, retryAfterMs = 0) {
  const place = placeIn(room);
  if (place === null) return;
  const usual = place.poll_after_seconds * 1000 || POLL_UNKNOWN_MS;
  change(room, place.token, { asked_at: Date.now(), wait_ms: Math.max(usual, retryAfterMs) });
}

/** Give the place up. */
export async function leaveLine(room) {
  const { token } = placeIn(room);
  await callInside(room, "DELETE", "/queue/tokens/current");
  change(room, token, { ended: "left" });
}

/** Return why one is out of line, and what joining again means. */
export function sayOut(reason) {
  const why = element("p", {}, say(`line.out_${reason}`));
  return GONE.includes(reason) ? [why, element("p", { class: "muted" }, say("line.end_of_line"))] : [why];
}

/** Show, in place of the page's content, why it cannot go on, and the way back into the line. */
export function showOutOfLine({ reason }, concertId) {
  const main = find("main");
  for (const child of main.children) child.hidden = true;
  find("out-of-line")?.remove();
  const waiting = reason === "waiting";
  const title = element("h1", { tabindex: -1 }, say(waiting ? "line.not_yet" : "line.out"));
  main.prepend(element(
    "section", { id: "out-of-line", class: "card" },
    title,
    ...sayOut(reason),
    element("p", { class: "actions" }, element(
      "a", { class: "button primary", href: `/concerts/${concertId}/line` },
      say(waiting ? "line.back" : "line.again"),
    )),
  ));
  title.focus();
}
