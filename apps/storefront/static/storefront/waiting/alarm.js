// Waiting for a moment, also in a tab in the background and through the computer's sleep.

let waiting = [];

function ring() {
  const rung = waiting;
  waiting = [];
  for (const resolve of rung) resolve();
}

/**
 * Wait until `milliseconds` have passed, or less: the caller looks at the clock and waits again. It comes
 * back each second, and at once when the page is seen, or the network is there, again.
 */
export function waitAbout(milliseconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    waiting.push(() => {
      clearTimeout(timer);
      resolve();
    });
  });
}

const ticks = new Worker(new URL("./ticks.js", import.meta.url));
ticks.addEventListener("message", ring);
for (const event of ["online", "focus", "pageshow"]) window.addEventListener(event, ring);
document.addEventListener("visibilitychange", ring);
