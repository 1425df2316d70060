// The grades in words: their marks, prices and free seats.

import { element, find, money, say, sayCount } from "../page.js";

export class Legend {
  constructor(seats, skin, currency) {
    Object.assign(this, { seats, skin, currency });
    seats.addEventListener("load", () => this.show());
    seats.addEventListener("change", () => this.count());
    seats.addEventListener("recolour", () => this.draw());
  }

  show() {
    this.counts = this.seats.grades.map(() => element("span"));
    const grades = this.seats.grades.map((grade, at) => this.entry(
      at, element("strong", {}, grade.name), " ", this.price(grade), " · ", this.counts[at],
    ));
    find("legend").replaceChildren(
      ...grades, this.entry("taken", say("seats.taken")), this.entry("chosen", say("seats.chosen")),
    );
    this.draw();
  }

  entry(what, ...words) {
    const mark = element("canvas", { width: 20, height: 20, "data-mark": what, "aria-hidden": "true" });
    return element("li", {}, mark, element("span", {}, ...words));
  }

  price({ least, most }) {
    if (least === most) return money(least, this.currency);
    return say("concerts.price_range", { from: money(least, this.currency), to: money(most, this.currency) });
  }

  count() {
    this.seats.countFree().forEach((count, at) => {
      this.counts[at].textContent = count ? sayCount("seats.left", count) : say("seats.none_left");
    });
  }

  draw() {
    for (const mark of find("legend").querySelectorAll("canvas")) this.skin.drawMark(mark, mark.dataset.mark);
  }
}
