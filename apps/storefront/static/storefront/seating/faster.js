// Somebody was faster: which seats are gone, and what is free near them.

import { element, find, say } from "../page.js";

export class Faster {
  constructor(seats, words, onTake) {
    Object.assign(this, { seats, words, onTake });
    this.groups = [];
    seats.addEventListener("change", () => this.refresh());
    seats.addEventListener("load", () => this.hide());
  }

  hide() {
    this.groups = [];
    find("faster").hidden = true;
  }

  /** Tell which seats are lost, and offer groups of seats in their place. */
  show(lost, alternatives) {
    const list = lost.filter((id) => this.seats.at.has(id)).map((id) => this.words.short(this.seats.at.get(id)));
    find("faster-lost").textContent = say("seats.lost", { seats: list.join(", ") });
    this.groups = alternatives.filter((ids) => ids.every((id) => this.seats.at.has(id)));
    find("faster-groups").replaceChildren(...this.groups.map((ids) => this.makeButton(ids)));
    find("faster").hidden = false;
    this.refresh();
    find("faster-title").focus();
  }

  makeButton(ids) {
    const places = ids.map((id) => this.seats.at.get(id));
    const list = places.map((i) => this.words.short(i)).join(", ");
    return element("button", { type: "button", onclick: () => this.onTake(places) }, say("seats.take", { seats: list }));
  }

  /** Leave out what somebody else has meanwhile. */
  refresh() {
    const { free, at } = this.seats;
    const buttons = find("faster-groups").children;
    this.groups.forEach((ids, place) => {
      buttons[place].hidden = !ids.every((id) => free[at.get(id)]);
    });
    const isAny = [...buttons].some((button) => !button.hidden);
    find("faster-hint").textContent = say(isAny ? "seats.alternatives" : "seats.no_alternatives");
  }
}
