// Beside the map: the seat that was looked at last, and what is selected.

import { SELECTED } from "./seat_map_state.js";
import { fetchJson } from "./seat_map_live.js";
import { fill } from "./seat_map_words.js";

export class Panel {
  constructor(root, seats, words, setup) {
    Object.assign(this, { root, seats, words, setup });
    this.find = (name) => root.querySelector(`#seat-map-${name}`);
    this.id = 0;
    this.claims = new Map();
    seats.addEventListener("change", () => this.refresh());
  }

  show(i) {
    this.id = i < 0 ? 0 : this.seats.ids[i];
    this.refreshSeat();
  }

  refresh() {
    this.claims.clear();
    this.refreshSeat();
    this.refreshSelection();
  }

  refreshSelection() {
    const { texts } = this.setup;
    const chosen = this.seats.listMarked(SELECTED);
    const counts = texts.states.map((name, state) => [name, chosen.filter((i) => this.seats.state[i] === state).length]);
    const told = counts.filter(([, count]) => count).map(([state, count]) => fill(texts.chosenStates, { state, count }));
    const text = chosen.length ? [fill(texts.chosen, { count: chosen.length }), ...told].join(" · ") : texts.none;
    if (this.find("chosen").textContent !== text) this.find("chosen").textContent = text;
  }

  refreshSeat() {
    const i = this.seats.at.get(this.id) ?? -1;
    this.find("more").hidden = i < 0;
    if (i < 0) return;
    const { seats, words } = this;
    const claim = seats.reservation[i];
    this.root.querySelector('[data-more="reservation"]').hidden = !claim;
    const facts = [words.seat(i), words.price(i), words.state(i)];
    const key = JSON.stringify([facts, claim]);
    if (key === this.shown) return;
    this.shown = key;
    const paragraphs = facts.map((fact) => Object.assign(document.createElement("p"), { textContent: fact }));
    this.find("seat").replaceChildren(...paragraphs);
    if (claim) this.showClaim(claim, key);
  }

  // Adds who has the seat, as soon as the server has said so.
  async showClaim(claim, key) {
    try {
      if (!this.claims.has(claim)) this.claims.set(claim, await fetchJson(`${this.setup.claimUrl}${claim}/`));
    } catch {
      return; // the page says already that the server does not answer
    }
    const told = this.claims.get(claim);
    if (this.shown !== key || !told) return;
    const paragraph = document.createElement("p");
    const customer = told.customer_url ? makeLink(told.customer_url, told.customer) : told.customer;
    const name = fill(this.setup.texts.reservation, { id: claim });
    paragraph.append(makeLink(told.url, name), ` (${told.status}) · `, customer);
    this.find("seat").append(paragraph);
  }
}

function makeLink(href, textContent) {
  return Object.assign(document.createElement("a"), { href, textContent });
}
