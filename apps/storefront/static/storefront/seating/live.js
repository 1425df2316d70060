// Asks again every few seconds while somebody looks. In the background it only keeps the place in line;
// while the server is away, or busy, it asks less and less often.

import { waitAbout } from "../waiting/alarm.js";

const EVERY_MS = 3_000;
const JITTER = 0.3;
const PAUSE_MAX_MS = 30_000;

export class Live {
  #due = 0;
  #failures = 0;
  #wasHidden = false;
  #isOver = false;

  /**
   * `ask()` asks for the seats, `keepPlace()` for the place in line; both return after how many
   * milliseconds to ask again, 0 where that is as usual. `failed(error)` returns whether it may go better
   * later; `answered()` follows each answer.
   */
  constructor({ ask, keepPlace, answered, failed }) {
    Object.assign(this, { ask, keepPlace, answered, failed });
  }

  stop() {
    this.#isOver = true;
  }

  /** Wait as usual before the next question: there has just been an answer. */
  putOff() {
    this.#due = Date.now() + EVERY_MS * (1 - Math.random() * JITTER);
  }

  /** Ask as soon as may be. */
  hurry() {
    this.#due = 0;
  }

  async run() {
    while (!this.#isOver) {
      const isHidden = document.hidden;
      if (this.#wasHidden && !isHidden) this.hurry();
      this.#wasHidden = isHidden;
      if (navigator.onLine && Date.now() >= this.#due) await this.#askOnce(isHidden);
      else await waitAbout(Math.min(Math.max(this.#due - Date.now(), 0), 1000) || 1000);
    }
  }

  async #askOnce(isHidden) {
    try {
      const pause = isHidden ? await this.keepPlace() : await this.ask();
      this.#failures = 0;
      this.putOff();
      if (pause) this.#due = Date.now() + pause;
      this.answered();
    } catch (error) {
      this.#failures += 1;
      const pause = Math.min(EVERY_MS * 2 ** this.#failures, PAUSE_MAX_MS);
      this.#due = Date.now() + Math.max(pause * (1 - Math.random() * JITTER), error.retryAfterMs ?? 0);
      if (!this.failed(error)) this.stop();
    }
  }
}
