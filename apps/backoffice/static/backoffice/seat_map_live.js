// Keeps the seats as they are on the server: asks every few seconds, rests while nobody looks, and asks
// less often while the server does not answer.

const PAUSE_MAX_MS = 30_000;

export class SignedOut extends Error {}

// Answers the JSON of the address. Throws `SignedOut`, or an error with the server's own `detail`.
export async function fetchJson(url, options = {}) {
  const answer = await fetch(url, { credentials: "same-origin", ...options });
  const isJson = (answer.headers.get("Content-Type") ?? "").includes("json");
  if (answer.redirected || answer.status === 403 || (answer.ok && !isJson)) throw new SignedOut();
  const body = isJson ? await answer.json() : {};
  if (!answer.ok) throw Object.assign(new Error(body.detail ?? ""), { problem: body });
  return body;
}

export class Live {
  constructor(seats, url, pollMs, onState) {
    Object.assign(this, { seats, url, pollMs, onState });
    this.failures = 0;
    this.timer = 0;
    this.asking = null;
    document.addEventListener("visibilitychange", () => this.follow());
  }

  // Asks at once, and from then on again and again. One question at a time: while one is out, another
  // one is asked after it.
  async follow() {
    clearTimeout(this.timer);
    if (this.asking) {
      await this.asking;
      return this.asking ?? this.follow();
    }
    if (document.hidden && this.seats.version) return this.onState("paused");
    this.asking = this.ask();
    const state = await this.asking;
    this.asking = null;
    this.onState(state);
    if (state === "signedOut") return;
    const pause = Math.min(this.pollMs * 2 ** this.failures, PAUSE_MAX_MS);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.follow(), pause);
  }

  async ask() {
    try {
      const { version } = this.seats;
      const since = version ? `?since=${encodeURIComponent(version)}` : "";
      const answer = await fetchJson(this.url + since);
      if (!version) this.seats.load(answer);
      else if (!this.seats.update(answer)) this.seats.load(await fetchJson(this.url));
      this.failures = 0;
      return "live";
    } catch (error) {
      this.failures = Math.min(this.failures + 1, 8);
      return error instanceof SignedOut ? "signedOut" : "offline";
    }
  }
}
