// Choosing seats: the date, the map or the list, and the hold.

import { call, Unreachable } from "../api.js";
import { askPlace, callInside, keptPlace, onPlace, OutOfLine, placeIn, showOutOfLine } from "../line.js";
import { find, notice, number, page, say } from "../page.js";
import { Chosen } from "../seating/chosen.js";
import { Faster } from "../seating/faster.js";
import { findHoldOf, forgetAnswered, holdSeats, isUnanswered, noteHold } from "../seating/holding.js";
import { listHolds, showHolds } from "../seating/holds.js";
import { Legend } from "../seating/legend.js";
import { List } from "../seating/list.js";
import { Live } from "../seating/live.js";
import { SeatMap } from "../seating/map.js";
import { showSessionTime } from "../seating/session_time.js";
import { CHOSEN, Seats } from "../seating/state.js";
import { When } from "../seating/when.js";
import { Words } from "../seating/words.js";
import { run } from "../shop.js";
import { own, shared } from "../store.js";
import { persist } from "../waiting/following.js";

const base = `/concerts/${page.concert_id}`;
const seats = new Seats();
const when = new When((chosen) => attempt(() => open(chosen)));
const live = new Live({ ask: refresh, keepPlace, answered: clearTrouble, failed });
let concert;
let performance = null;
// What was chosen before the page was loaded anew.
let kept = own.get("chosen");
let held = new Set();
let isHolding = false;
let isLeaving = false;
let isTroubled = false;
let words;
let map;
let faster;

// The back button shows the page as it was left, with seats that may be held by now.
window.addEventListener("pageshow", (event) => event.persisted && window.location.reload());
seats.addEventListener("change", keepChosen);
find("hold").addEventListener("click", () => hold());
find("look-again").addEventListener("click", () => attempt(loadDates));
for (const button of document.querySelectorAll("[data-view]")) {
  button.addEventListener("click", () => setView(button.dataset.view));
}
await attempt(start);

async function start() {
  concert = await persist(() => call("GET", base, { signedIn: false }), tellTrouble);
  document.title = `${say("seats.title")} · ${concert.title}`;
  find("concert").textContent = `${concert.title} · ${concert.venue}`;
  words = new Words(seats, concert.currency);
  map = new SeatMap(seats, words, pick);
  new Legend(seats, map.skin, concert.currency);
  new List(seats, words, pick);
  new Chosen(seats, words, concert.currency, (i) => seats.toggle(i));
  faster = new Faster(seats, words, take);
  setView(shared.get("seats_view") ?? "map");
  await persist(loadDates, tellTrouble);
  onPlace(() => placeIn(concert.room) ?? tellOut(keptPlace(concert.room)?.ended ?? "invalid"));
  live.run();
  await persist(loadHolds, tellTrouble);
  if (!placeIn(concert.room).expires_at) await persist(keepPlace, tellTrouble);
  clearTrouble();
  showSessionTime(() => placeIn(concert.room)?.expires_at, () => live.hurry());
}

async function loadDates() {
  const { results } = await callInside(concert.room, "GET", `${base}/dates`);
  find("seats").removeAttribute("aria-busy");
  when.show(results);
}

async function loadHolds() {
  const holds = await listHolds(concert.room);
  held = new Set(holds.flatMap((each) => each.seats.map(({ id }) => id)));
  forgetAnswered(holds);
  for (const each of holds) {
    const known = when.find(each.performance_id);
    if (known) noteHold(each, concert, known.starts_at);
  }
  // Without what the checkout needs to know there is no way to it.
  showHolds(holds.filter(({ id }) => shared.get(`hold.${id}`) !== null));
  return holds;
}

/** Show the seats of a performance. */
async function open(chosen) {
  performance = chosen;
  seats.load(null, { results: [], version: null });
  find("choosing").hidden = chosen === null;
  if (chosen === null) return;
  find("choosing").setAttribute("aria-busy", "true");
  await persist(loadSeats, tellTrouble);
  if (performance !== chosen) return;
  find("choosing").removeAttribute("aria-busy");
  clearTrouble();
  restoreChosen();
  live.putOff();
}

function seatsPath(query) {
  return `${base}/dates/${performance.date}/seats?performance=${performance.id}&${query}`;
}

async function loadSeats() {
  const asked = performance;
  const answer = await callInside(concert.room, "GET", seatsPath("include=all"), { repeats: false });
  if (performance === asked) seats.load(asked.id, answer);
}

/** Ask what has changed; nothing is taken from an answer that another has overtaken. Who has not chosen a
 * performance yet keeps the place alone. */
async function refresh() {
  const { version } = seats;
  const asked = performance;
  if (version === null) {
    const pause = await keepPlace();
    return performance === null ? pause : 0; // meanwhile there may be seats to ask for
  }
  const since = `since=${encodeURIComponent(version)}`;
  const answer = await callInside(concert.room, "GET", seatsPath(since), { repeats: false });
  if (performance !== asked || seats.version !== version) return 0;
  const ids = seats.ids();
  if (!seats.update(answer)) {
    await loadSeats();
    seats.choose(ids.flatMap((id) => seats.at.get(id) ?? []));
  }
  dropTaken();
  return 0;
}

/** Take back what somebody else has got meanwhile; not what this very browser has perhaps just held. */
function dropTaken() {
  const gone = seats.chosen.filter((i) => !seats.free[i]);
  if (!gone.length || isHolding || isUnanswered(seats.ids())) return;
  const lost = gone.filter((i) => !held.has(seats.list[i].id));
  seats.choose(seats.chosen.filter((i) => seats.free[i]));
  if (!lost.length) return;
  seats.lose(lost);
  const list = lost.map((i) => words.short(i)).join(", ");
  notice(say("seats.taken_meanwhile", { seats: list }), { tone: "warning" });
}

/** Be heard of; return after how many milliseconds to be heard of again. */
async function keepPlace() {
  await askPlace(concert.room);
  return (placeIn(concert.room)?.poll_after_seconds ?? 0) * 1000;
}

function keepChosen() {
  if (seats.performance !== null) own.set("chosen", { performance: seats.performance, ids: seats.ids() });
}

/** Choose again what was chosen before the page was loaded anew. */
function restoreChosen() {
  const ids = kept?.performance === seats.performance ? kept.ids : [];
  kept = null;
  seats.choose(ids.flatMap((id) => seats.at.get(id) ?? []));
  dropTaken();
}

/** Choose a seat, or take it back. */
function pick(i) {
  if (isHolding) return;
  if (!seats.free[i] && seats.marks[i] !== CHOSEN) {
    find("spoken").textContent = words.all(i);
    return;
  }
  seats.toggle(i);
  find("spoken").textContent = words.all(i);
}

function take(places) {
  seats.choose(places);
  return hold();
}

async function hold() {
  const ids = seats.ids();
  if (isHolding || !ids.length) return;
  isHolding = true;
  find("hold").setAttribute("aria-disabled", "true");
  notice(say("seats.holding"));
  faster.hide();
  seats.forgetLost();
  await attempt(
    async () => goOn(await holdSeats(concert.room, concert.id, performance.date, ids)),
    (problem) => tellHold(problem, ids),
  );
  isHolding = isLeaving;
  find("hold").removeAttribute("aria-disabled");
}

function goOn(mine) {
  isLeaving = true;
  noteHold(mine, concert, performance.starts_at);
  own.set("chosen", null);
  window.location.assign(`/checkout/${mine.id}`);
}

/** Tell why the seats are not held. */
async function tellHold(problem, ids) {
  const isTaken = problem.code === "seat_unavailable";
  if (isTaken || problem.code === "seat_limit_exceeded") {
    // Held in another tab, or by a question whose answer was lost.
    const mine = findHoldOf(await loadHolds(), ids);
    if (mine) return goOn(mine);
  }
  if (isTaken) return tellFaster(problem.fields);
  if (problem.code === "seat_limit_exceeded") {
    return notice(say("seats.limit", { limit: number(problem.fields.limit) }), { tone: "error" });
  }
  if (problem.code === "date_not_bookable") return tellNotBookable();
  if (problem.code === "sale_stopped") return notice(say("seats.sale_stopped"), { tone: "warning" });
  return tell(problem);
}

async function tellFaster({ seat_ids: lost, alternatives }) {
  notice("");
  await refresh();
  seats.lose(lost.flatMap((id) => seats.at.get(id) ?? []));
  faster.show(lost, alternatives);
}

function tellNotBookable() {
  notice(say("seats.not_bookable"), { tone: "error" });
  performance = null;
  find("choosing").hidden = true;
  return loadDates();
}

function setView(view) {
  shared.set("seats_view", view);
  for (const button of document.querySelectorAll("[data-view]")) {
    button.setAttribute("aria-pressed", String(button.dataset.view === view));
  }
  find("map-view").hidden = find("zooms").hidden = view !== "map";
  find("list-view").hidden = view === "map";
}

function attempt(work, told = tell) {
  return run(work, (problem) => (problem instanceof OutOfLine ? tell(problem) : told(problem)));
}

function tell(problem) {
  if (problem instanceof OutOfLine) return tellOut(problem.reason);
  if (problem.code === "date_not_bookable") return tellNotBookable();
  const isUnknown = problem.code === "concert_not_found";
  if (isUnknown) find("seats").hidden = true;
  return notice(isUnknown ? say("concerts.unknown_concert") : problem.message, { tone: "error" });
}

function tellOut(reason) {
  if (isLeaving) return;
  live.stop();
  notice("");
  showOutOfLine({ reason }, page.concert_id);
}

/** Say whether a question that failed may go better later. */
function failed(error) {
  if (error instanceof Unreachable || error.status >= 500 || error.status === 429) {
    tellTrouble(error);
    return true;
  }
  attempt(() => Promise.reject(error));
  return error.code === "date_not_bookable";
}

function tellTrouble(error) {
  if (isTroubled) return;
  isTroubled = true;
  notice(say(error instanceof Unreachable ? "common.offline" : "common.busy"), { tone: "warning" });
}

function clearTrouble() {
  if (!isTroubled) return;
  isTroubled = false;
  notice(say("common.online"), { seconds: 3 });
}
