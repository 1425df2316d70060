// Holding seats: one key for one set of seats until it is answered, so that neither a double click nor a
// lost answer holds twice.

import { newKey, Problem } from "../api.js";
import { callInside, OutOfLine } from "../line.js";
import { own, shared } from "../store.js";

const KEY = "hold_key";

function setOf(seatIds) {
  return String([...seatIds].sort((a, b) => a - b));
}

/** Say whether these seats were asked for and no answer has come yet: they may be held by now. */
export function isUnanswered(seatIds) {
  return own.get(KEY)?.set === setOf(seatIds);
}

/** Hold the seats; return the hold. Throws what `callInside` throws. */
export async function holdSeats(room, concertId, date, seatIds) {
  const { key } = isUnanswered(seatIds) ? own.get(KEY) : { key: newKey() };
  own.set(KEY, { set: setOf(seatIds), key });
  try {
    const path = `/concerts/${concertId}/dates/${date}/holds`;
    const hold = await callInside(room, "POST", path, { body: { seat_ids: seatIds }, key });
    own.set(KEY, null);
    return hold;
  } catch (error) {
    if (isAnswer(error)) own.set(KEY, null);
    throw error;
  }
}

function isAnswer(error) {
  if (error instanceof OutOfLine) return true;
  return error instanceof Problem && error.status < 500 && error.code !== "idempotency_key_in_use";
}

/** Find the customer's own live hold of these very seats. */
export function findHoldOf(holds, seatIds) {
  return holds.find((hold) => setOf(hold.seats.map((seat) => seat.id)) === setOf(seatIds));
}

/** Note what the checkout needs to know of a hold. */
export function noteHold(hold, concert, startsAt) {
  const { id, title, artist, venue, room } = concert;
  shared.set(`hold.${hold.id}`, { concert: { id, title, artist, venue }, room, starts_at: startsAt });
}

/** Forget a question that turns out to be answered: there is a hold of its seats. */
export function forgetAnswered(holds) {
  if (holds.some((hold) => isUnanswered(hold.seats.map((seat) => seat.id)))) own.set(KEY, null);
}
