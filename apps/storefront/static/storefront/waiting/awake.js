// A phone that dims its screen puts the page to sleep, and the place in line is lost: so it stays lit.

let lock = null;
let wanted = false;

/** Keep the screen lit, as long as the page is seen; or no longer. */
export function keepAwake(yes) {
  wanted = yes;
  if (yes) light();
  else lock?.release();
}

async function light() {
  if (!wanted || document.hidden || (lock && !lock.released)) return;
  try {
    lock = await navigator.wakeLock?.request("screen");
  } catch {
    // Refused, as when the battery is low.
  }
}

// The browser lets go of it whenever the page is hidden.
document.addEventListener("visibilitychange", light);
