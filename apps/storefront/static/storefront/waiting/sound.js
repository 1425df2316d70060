// The sound for those who look away, made by the browser itself.

import { find } from "../page.js";
import { shared } from "../store.js";

const KEY = "sound";
const NOTES_HZ = [523.25, 659.25, 783.99];
const NOTE_S = 0.22;
const LOUDNESS = 0.2;

const wanted = find("sound");
const hint = find("sound-hint");
let audio = null;

wanted.checked = shared.get(KEY) ?? true;
wanted.addEventListener("change", () => {
  shared.set(KEY, wanted.checked);
  prepare();
  if (wanted.checked) play();
});
// Browsers let a page make sound once it has been touched. A click is over then: the hint that goes
// moves no button away from under the finger.
for (const touch of ["click", "keydown"]) document.addEventListener(touch, prepare);
prepare();

function prepare() {
  if (wanted.checked && window.AudioContext) {
    audio ??= new AudioContext();
    audio.onstatechange = showHint;
    audio.resume();
  }
  showHint();
}

function showHint() {
  hint.hidden = !wanted.checked || audio === null || audio.state === "running";
}

/** Say that it is the customer's turn, where that is wanted and the browser lets the page; in one tab. */
export function playTurn() {
  if (!wanted.checked || audio?.state !== "running") return;
  if (!navigator.locks) play();
  else navigator.locks.request("encore.sound", { ifAvailable: true }, (lock) => lock && play());
}

/** Play three notes upwards; resolves when they are over. */
function play() {
  const end = audio.currentTime + NOTES_HZ.length * NOTE_S;
  return Promise.all(NOTES_HZ.map((pitch, index) => playNote(pitch, audio.currentTime + index * NOTE_S, end)));
}

function playNote(pitch, begin, end) {
  const tone = new OscillatorNode(audio, { frequency: pitch });
  const volume = new GainNode(audio, { gain: 0 });
  volume.gain.setValueAtTime(LOUDNESS, begin);
  volume.gain.exponentialRampToValueAtTime(0.001, end);
  tone.connect(volume).connect(audio.destination);
  tone.start(begin);
  tone.stop(end);
  return new Promise((resolve) => tone.addEventListener("ended", resolve));
}
