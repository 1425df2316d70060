// What is said of a seat.

import { money, say } from "../page.js";
import { CHOSEN } from "./state.js";

export class Words {
  constructor(seats, currency) {
    Object.assign(this, { seats, currency });
  }

  seat(i) {
    return say("tickets.seat", this.seats.list[i]);
  }

  /** Name a seat in little space: A 1-5. */
  short(i) {
    return say("seats.short", this.seats.list[i]);
  }

  price(i) {
    const { grade, price } = this.seats.list[i];
    return `${grade}, ${money(price, this.currency)}`;
  }

  state(i) {
    if (this.seats.marks[i] === CHOSEN) return say("seats.chosen");
    return this.seats.free[i] ? say("seats.free") : say("seats.taken");
  }

  all(i) {
    return [this.seat(i), this.price(i), this.state(i)].join(", ");
  }
}
