// Signing in, and back to where one came from.

import { find, say } from "../page.js";
import { signIn } from "../session.js";

const form = find("sign-in");
const error = find("sign-in-error");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const { email, password } = Object.fromEntries(new FormData(form));
  if (!email || !password) return tell(say("sign_in.fill_in"));
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const problem = await signIn(email, password);
    if (problem === null) return window.location.assign(whereTo());
    return tell(problem.code === "invalid_credentials" ? say("sign_in.wrong") : problem.detail);
  } catch {
    return tell(say("common.offline"));
  } finally {
    button.disabled = false;
  }
});

function tell(text) {
  error.textContent = text;
  error.hidden = false;
}

/** Return the page that sent us here; only one of this host, whatever the address says. */
function whereTo() {
  const next = new URLSearchParams(window.location.search).get("next") ?? "/";
  const address = new URL(next, window.location.origin);
  return address.origin === window.location.origin ? address.pathname + address.search : "/";
}
