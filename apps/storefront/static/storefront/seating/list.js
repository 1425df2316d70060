// The seats without the map: a row at a time, each seat a button.

import { element, find, say, sayCount } from "../page.js";
import { CHOSEN } from "./state.js";

export class List {
  constructor(seats, words, onPick) {
    Object.assign(this, { seats, words, onPick });
    this.at = 0;
    this.rows = [];
    find("list-section").addEventListener("change", ({ target }) => this.goToSection(Number(target.value)));
    find("list-row").addEventListener("change", ({ target }) => this.show(Number(target.value)));
    find("list-back").addEventListener("click", () => this.show(this.at - 1));
    find("list-on").addEventListener("click", () => this.show(this.at + 1));
    find("list-seats").addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (button) this.onPick(Number(button.dataset.at));
    });
    seats.addEventListener("load", () => this.load());
    seats.addEventListener("change", () => this.refresh());
  }

  load() {
    const { seats } = this;
    const rows = new Map();
    for (let i = 0; i < seats.count; i++) {
      const key = JSON.stringify([seats.section[i], seats.row[i]]);
      if (!rows.has(key)) rows.set(key, { section: seats.section[i], row: seats.row[i], places: [] });
      rows.get(key).places.push(i);
    }
    this.rows = [...rows.values()].sort((a, b) => a.section - b.section || a.places[0] - b.places[0]);
    find("list-section").replaceChildren(...seats.sections.map((name, at) => new Option(name, at)));
    find("list-seats").replaceChildren();
    const first = this.rows.findIndex(({ places }) => places.some((i) => seats.free[i]));
    this.show(Math.max(first, 0));
  }

  goToSection(section) {
    const inSection = this.rows.flatMap((row, at) => (row.section === section ? [at] : []));
    this.show(inSection.find((at) => this.countFree(at)) ?? inSection[0]);
  }

  countFree(at) {
    return this.rows[at].places.reduce((sum, i) => sum + this.seats.free[i], 0);
  }

  show(at) {
    if (!this.rows[at]) return;
    this.at = at;
    const { section, row, places } = this.rows[at];
    find("list-section").value = section;
    find("list-row").replaceChildren(...this.rows.flatMap((each, place) => (
      each.section === section ? [new Option(this.sayRow(place), place, false, place === at)] : []
    )));
    find("list-back").disabled = at === 0;
    find("list-on").disabled = at === this.rows.length - 1;
    find("list-seats").setAttribute("aria-label", say("seats.row_of", { section: this.seats.sections[section], row }));
    find("list-seats").replaceChildren(...places.map((i) => this.makeButton(i)));
    this.refresh();
  }

  sayRow(at) {
    const free = this.countFree(at);
    return `${this.rows[at].row} · ${free ? sayCount("seats.left", free) : say("seats.none_left")}`;
  }

  makeButton(i) {
    return element("button", { type: "button", class: "seat", "data-at": i }, this.seats.number[i]);
  }

  /** Write what may have changed into what is there: the keyboard stays where it is. */
  refresh() {
    for (const button of find("list-seats").children) {
      const i = Number(button.dataset.at);
      // Not `disabled`: whoever is on the button would be thrown off it when somebody else takes the seat.
      button.setAttribute("aria-disabled", String(!this.seats.free[i] && this.seats.marks[i] !== CHOSEN));
      button.setAttribute("aria-pressed", String(this.seats.marks[i] === CHOSEN));
      button.setAttribute("aria-label", this.words.all(i));
    }
    if (!this.rows.length) return;
    for (const option of find("list-row").options) option.textContent = this.sayRow(Number(option.value));
  }
}
