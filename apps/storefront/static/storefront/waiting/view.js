// What the page of the line shows, for each way that things can stand.

import { serverNow } from "../api.js";
import { sayOut } from "../line.js";
import { element, find, moment, number, say, sayCount, timeOfDay } from "../page.js";
import { sayCountdown, sayWait } from "./words.js";

// While nothing but the numbers changes, they are read aloud this often at most.
const TOLD_EVERY_MS = 30_000;
const SECTIONS = ["joining", "opening", "waiting", "turn", "out"];

let title = "";
let toldText = "";
let toldAt = 0;
let countdown;

/** Name the concert. */
export function showConcert(concert) {
  title = concert.title;
  find("concert").textContent = `${concert.title} · ${concert.artist}`;
  setTitle(say("line.title"));
}

function setTitle(text) {
  document.title = `${text} · ${title}`;
}

/** Show one section alone, and say whether another was there. */
function open(name) {
  clearInterval(countdown);
  const changed = find(name).hidden;
  for (const section of SECTIONS) find(section).hidden = section !== name;
  find("staying").hidden = name !== "waiting" && name !== "opening";
  find("line").removeAttribute("aria-busy");
  return changed;
}

/** Read `text` aloud: what has changed at once, the same with other numbers every so often. */
function tell(text, atOnce) {
  if (text === toldText || (!atOnce && Date.now() - toldAt < TOLD_EVERY_MS)) return;
  toldText = text;
  toldAt = Date.now();
  find("told").textContent = text;
}

export function showJoining() {
  open("joining");
  find("line").setAttribute("aria-busy", "true");
}

/** Show where a waiting place stands. */
export function showWaiting(place) {
  for (const mine of document.querySelectorAll("[data-number]")) mine.textContent = number(place.number);
  if (place.position === null) showOpening(place);
  else showPosition(place);
}

function showPosition({ position, estimated_wait_seconds: seconds, progress }) {
  const isPaused = seconds === null;
  const changed = open("waiting") || find("paused").hidden === isPaused;
  const wait = sayWait(seconds);
  find("position").textContent = number(position);
  find("ahead").textContent = position === 1 ? say("line.next") : sayCount("line.people", position - 1);
  find("wait").textContent = wait;
  find("progress").value = progress;
  find("paused").hidden = !isPaused;
  setTitle(say("line.title_waiting", { position: number(position) }));
  tell(isPaused
    ? say("line.told_paused", { position: number(position) })
    : say("line.told", { position: number(position), wait }), changed);
}

function showOpening({ opens_at: opensAt }) {
  const changed = open("opening");
  const opening = Date.parse(opensAt);
  function count() {
    const left = opening - serverNow();
    find("countdown").hidden = left <= 0;
    find("drawing").hidden = left > 0;
    find("countdown").textContent = sayCountdown(left);
    setTitle(left > 0 ? say("line.title_opening", { left: sayCountdown(left) }) : say("line.title"));
    if (left > 0) return;
    clearInterval(countdown);
    tell(find("drawing").textContent, true);
  }
  find("opens-at").textContent = say("line.opens_at", { time: moment(opensAt) });
  tell(find("opens-at").textContent, changed);
  countdown = setInterval(count, 250);
  count();
}

export function showTurn({ expires_at: expiresAt }, seats) {
  open("turn");
  const until = say("line.session_until", { time: timeOfDay(expiresAt) });
  find("session-until").textContent = until;
  find("to-seats").href = seats;
  setTitle(say("line.title_turn"));
  tell(`${say("line.title_turn")} ${until}`, true);
}

/** Show why there is no place, and a button that calls `goOn`, with these words on it. */
export function showOut(reason, goOn, words) {
  if (!open("out") && find("out").dataset.reason === reason) return;
  find("out").dataset.reason = reason;
  const heading = element("h2", { tabindex: -1 }, say(reason === "closed" ? "line.closed" : "line.out"));
  find("out-what").replaceChildren(heading, ...sayOut(reason));
  find("go-on").textContent = words;
  find("go-on").onclick = goOn;
  setTitle(heading.textContent);
  heading.focus();
}
