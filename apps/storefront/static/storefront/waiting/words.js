// Waiting, in words.

import { say, sayCount } from "../page.js";

const MINUTE_S = 60;
const HOUR_MIN = 60;
const DAY_S = 86_400;
// Of waits longer than an hour nobody knows the minute.
const COARSE_MIN = 10;

/** Return an estimate as people say it: "about 3 minutes". Null is one that nobody can give. */
export function sayWait(seconds) {
  if (seconds === null) return say("line.wait_unknown");
  if (seconds >= DAY_S) return say("line.wait_long");
  const minutes = Math.round(seconds / MINUTE_S);
  if (minutes < 1) return say("line.wait_short");
  if (minutes < HOUR_MIN) return say("line.about", { time: sayCount("line.minutes", minutes) });
  const coarse = Math.round(minutes / COARSE_MIN) * COARSE_MIN;
  const hours = sayCount("line.hours", Math.floor(coarse / HOUR_MIN));
  const rest = coarse % HOUR_MIN;
  return say("line.about", { time: rest ? `${hours} ${sayCount("line.minutes", rest)}` : hours });
}

/** Return the time until the opening as a clock shows it: `1:02:03`, days before it. */
export function sayCountdown(milliseconds) {
  const seconds = Math.max(Math.ceil(milliseconds / 1000), 0);
  const [hours, minutes] = [Math.floor((seconds % DAY_S) / 3600), Math.floor((seconds % 3600) / 60)];
  const clock = [hours, minutes, seconds % 60].map((part) => String(part).padStart(2, "0")).join(":");
  const days = Math.floor(seconds / DAY_S);
  return days ? `${sayCount("line.days", days)} ${clock}` : clock;
}
