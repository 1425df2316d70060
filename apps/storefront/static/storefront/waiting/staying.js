// Being heard of while one is inside and asks for nothing else: who is silent loses the place.

import { askPlace, OutOfLine, placeIn, putOff } from "../line.js";
import { waitAbout } from "./alarm.js";

// No answer in this time is none.
const ANSWER_MS = 15_000;

/** Ask where the place stands as often as the room wants, until it has ended; what ends it tells itself. */
export async function stayInside(room) {
  for (;;) {
    const place = placeIn(room);
    if (place === null) return;
    const left = place.asked_at + place.wait_ms - Date.now();
    if (left > 0) {
      await waitAbout(left);
      continue;
    }
    try {
      await askPlace(room, AbortSignal.timeout(ANSWER_MS));
    } catch (error) {
      if (error instanceof OutOfLine) return;
      putOff(room, error.retryAfterMs);
    }
  }
}
