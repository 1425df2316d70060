// The waiting room: joins once, shows the place, and goes on to the seats by itself.

import { call, Unreachable } from "../api.js";
import { ask } from "../dialog.js";
import { askPlace, keptPlace, leaveLine, onPlace, OutOfLine, placeIn } from "../line.js";
import { find, notice, page, say } from "../page.js";
import { isSignedIn, onSession } from "../session.js";
import { goSignIn, run } from "../shop.js";
import { keepAwake } from "../waiting/awake.js";
import { follow, join, persist } from "../waiting/following.js";
import { playTurn } from "../waiting/sound.js";
import { showConcert, showJoining, showOut, showTurn, showWaiting } from "../waiting/view.js";

const SEATS = `/concerts/${page.concert_id}/seats`;
// Long enough to hear the sound and to read until when the session lasts.
const TURN_MS = 2_500;

let room;
let hasWaited = false;
let isGoing = false;
let isTroubled = false;

await run(open, tellProblem);

async function open() {
  const path = `/concerts/${page.concert_id}`;
  const concert = await persist(() => call("GET", path, { signedIn: false }), tellTrouble);
  room = concert.room;
  showConcert(concert);
  onPlace(show);
  onSession(show);
  find("leave").addEventListener("click", leave);
  // Whoever reads why their place has ended, and reloads, is not put at the end of the line by it.
  const ended = new URLSearchParams(window.location.search).get("ended");
  if (placeIn(room) === null && page.texts[`line.out_${ended}`]) showEnded(ended);
  else await enter();
  follow(room, { answered: clearTrouble, troubled: tellTrouble, signInNeeded: goSignIn });
}

/** Take a place, or go on with the one that this browser has. */
async function enter() {
  window.history.replaceState(null, "", window.location.pathname);
  showJoining();
  try {
    await persist(findPlace, tellTrouble);
  } catch (error) {
    if (error.code === "waiting_room_closed") return showOut("closed", again, say("common.retry"));
    // Joined elsewhere in the same moment.
    if (error.code === "queue_token_expired") return showEnded(error.fields.reason);
    if (!(error instanceof OutOfLine)) throw error;
    // An earlier visit came to its good end; this is a new one.
    return error.reason === "paid" ? enter() : showEnded(error.reason);
  }
  clearTrouble();
  return show();
}

async function findPlace() {
  const place = placeIn(room);
  if (place === null) await join(room, page.concert_id);
  // Who was let in may be out again: the seats are for who is inside now.
  else if (place.status !== "waiting") await askPlace(room);
}

function again() {
  return run(enter, tellProblem);
}

/** Show how things stand, by what this tab or another has learned. */
function show() {
  if (isGoing) return;
  const place = isSignedIn() ? keptPlace(room) : { ended: "signed_out" };
  if (place === null || place.ended) {
    if (hasWaited) showEnded(place?.ended ?? "invalid");
  } else if (place.status === "waiting") {
    hasWaited = true;
    keepAwake(true);
    showWaiting(place);
  } else if (place.status === "admitted") {
    goOn(place);
  }
}

function goOn(place) {
  isGoing = true;
  keepAwake(false);
  if (!hasWaited) return window.location.replace(SEATS);
  showTurn(place, SEATS);
  playTurn();
  return setTimeout(() => window.location.replace(SEATS), TURN_MS);
}

function showEnded(reason) {
  hasWaited = false;
  keepAwake(false);
  const isSignedOut = reason === "signed_out";
  if (!isSignedOut) window.history.replaceState(null, "", `?ended=${reason}`);
  showOut(reason, again, isSignedOut ? say("common.sign_in") : say("line.again"));
}

async function leave() {
  const yes = await ask({
    title: say("line.leave_title"),
    text: say("line.leave_text"),
    yes: say("line.leave_yes"),
    no: say("line.leave_no"),
  });
  if (yes && placeIn(room) !== null) await run(() => leaveLine(room), tellProblem);
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

function tellProblem(problem) {
  // Why a place has ended is shown already.
  if (problem.code === "out_of_line") return;
  find("line").hidden = problem.code === "concert_not_found";
  notice(problem.code === "concert_not_found" ? say("concerts.unknown_concert") : problem.message, { tone: "error" });
}
