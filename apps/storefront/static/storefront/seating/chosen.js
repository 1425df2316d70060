// The seats that the customer has chosen, what they cost, and the button that holds them.

import { element, find, money, say, sayCount } from "../page.js";

export class Chosen {
  constructor(seats, words, currency, onRemove) {
    Object.assign(this, { seats, words, currency, onRemove });
    this.shown = "";
    find("chosen-list").addEventListener("click", ({ target }) => {
      const button = target.closest("button");
      if (!button) return;
      this.onRemove(Number(button.dataset.at));
      find("chosen-title").focus();
    });
    seats.addEventListener("change", () => this.refresh());
  }

  refresh() {
    const { seats } = this;
    const shown = `${seats.performance} ${seats.ids()}`;
    if (shown === this.shown) return;
    this.shown = shown;
    const count = seats.chosen.length;
    find("chosen-none").hidden = count > 0;
    find("chosen-list").replaceChildren(...seats.chosen.map((i) => this.makeEntry(i)));
    find("chosen-total").textContent = count
      ? sayCount("seats.total", count, { total: money(seats.total(), this.currency) }) : "";
    find("hold").disabled = count === 0;
  }

  makeEntry(i) {
    return element(
      "li", {},
      element("span", {}, this.words.seat(i), element("br"), element("span", { class: "muted" }, this.words.price(i))),
      element("button", {
        type: "button", class: "plain", "data-at": i, "aria-label": say("seats.remove_one", { seat: this.words.seat(i) }),
      }, say("seats.remove")),
    );
  }
}
