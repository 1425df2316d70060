// How long the customer may still stay inside, said quietly.

import { serverNow } from "../api.js";
import { find, say, sayCount } from "../page.js";

const SHORT_S = 120;

/** Show the time until `expiresAt()` (RFC 3339, or undefined); call `over` when it has come. */
export function showSessionTime(expiresAt, over) {
  let isTold = false;
  let isOver = false;
  function show() {
    const end = expiresAt();
    if (!end) return;
    const left = Math.max(Math.ceil((Date.parse(end) - serverNow()) / 1000), 0);
    find("session").textContent = left > SHORT_S
      ? sayCount("seats.minutes_inside", Math.floor(left / 60))
      : sayCount("seats.seconds_inside", left);
    find("session").classList.toggle("short", left <= SHORT_S);
    if (left <= SHORT_S && !isTold) find("spoken").textContent = find("session").textContent;
    isTold ||= left <= SHORT_S;
    if (left === 0 && !isOver) over();
    isOver ||= left === 0;
  }
  show();
  setInterval(show, 1000);
}
