// What every page does: who is signed in at the top, and what is told when a page cannot go on.

import { SignInNeeded, Unreachable } from "./api.js";
import { find, notice, say } from "./page.js";
import { isSignedIn, onSession, signOut } from "./session.js";

const signInLink = find("sign-in-link");
const signOutButton = find("sign-out");

function showSession(signedIn) {
  signInLink.hidden = signedIn;
  signOutButton.hidden = !signedIn;
  signInLink.href = addressOfSignIn();
}

showSession(isSignedIn());
onSession(showSession);
signOutButton.addEventListener("click", () => {
  signOut();
  window.location.assign("/");
});

// The page may have changed its address since it was sent.
document.querySelector(".languages").addEventListener("submit", ({ target }) => {
  target.elements.next.value = window.location.pathname + window.location.search;
});

window.addEventListener("offline", () => notice(say("common.offline"), { tone: "warning" }));
window.addEventListener("online", () => notice(say("common.online"), { seconds: 3 }));

/** Return the address of the sign-in page that leads back here. */
export function addressOfSignIn() {
  const here = window.location.pathname + window.location.search;
  return here.startsWith("/sign-in") ? here : `/sign-in?next=${encodeURIComponent(here)}`;
}

/** Go and sign in, and come back here. */
export function goSignIn() {
  window.location.assign(addressOfSignIn());
}

/**
 * Run what a page does. Who is not signed in is sent to do so; what cannot be reached is said.
 *
 * `told(problem)` may tell a Problem in the page's own way.
 */
export async function run(work, told = (problem) => notice(problem.message, { tone: "error" })) {
  try {
    return await work();
  } catch (error) {
    if (error instanceof SignInNeeded) goSignIn();
    else if (error instanceof Unreachable) notice(say("common.offline"), { tone: "warning" });
    else if (error.name === "Problem" || error.code) told(error);
    else {
      notice(say("common.failed"), { tone: "error" });
      throw error;
    }
    return undefined;
  }
}
