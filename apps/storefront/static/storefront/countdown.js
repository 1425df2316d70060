// The time that is left until a deadline, by the server's clock.

import { serverNow } from "./api.js";
import { find, say, sayCount } from "./page.js";

// Read aloud when so many seconds are left; every second would drown everything else.
const TOLD_AT_S = [240, 180, 120, 60, 30, 10];
const SHORT_S = 60;

/** Count down from `begunAt` to `endsAt` (RFC 3339) in `#countdown`; call `over` at the end, once. */
export function countDown(begunAt, endsAt, over) {
  const [begin, end] = [Date.parse(begunAt), Date.parse(endsAt)];
  const told = new Set();
  find("countdown").hidden = false;
  let timer;
  function show() {
    const left = Math.max(Math.ceil((end - serverNow()) / 1000), 0);
    find("left").textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    find("left-bar").value = Math.min((left * 1000) / (end - begin), 1);
    find("countdown").classList.toggle("short", left <= SHORT_S);
    tell(left);
    if (left > 0) timer = setTimeout(show, 250);
    else over();
  }
  function tell(left) {
    const mark = TOLD_AT_S.filter((seconds) => left <= seconds).pop();
    if (mark === undefined || told.has(mark)) return;
    told.add(mark);
    find("left-told").textContent = left >= 60
      ? sayCount("checkout.minutes_left", Math.ceil(left / 60))
      : sayCount("checkout.seconds_left", left);
  }
  show();
  return () => {
    clearTimeout(timer);
    find("countdown").hidden = true;
  };
}
