// What staff do to the seats that they have selected: the dialog that says what will happen and takes a
// reason, and choosing the seats that a reservation moves to.

import { FREE, LEAVING, SELECTED } from "./seat_map_state.js";
import { SignedOut, fetchJson } from "./seat_map_live.js";
import { fill } from "./seat_map_words.js";

export class Acts {
  constructor(root, seats, setup, { onDone }) {
    Object.assign(this, { root, seats, setup, onDone });
    this.find = (name) => root.querySelector(`#seat-map-${name}`);
    this.moving = null;
    this.dialog = this.find("dialog");
    this.find("acts").addEventListener("click", (event) => {
      const { act } = event.target.dataset;
      if (act === "move") this.startMove();
      else if (act) this.ask(act, this.readSelection());
      else if (event.target.id === "seat-map-clear") seats.unmarkAll();
    });
    this.find("do").addEventListener("click", () => this.send());
    this.find("cancel").addEventListener("click", () => this.dialog.close());
    this.dialog.querySelector("form").addEventListener("submit", (event) => event.preventDefault());
    this.find("move-on").addEventListener("click", () => this.ask("move", this.readMove()));
    this.find("move-off").addEventListener("click", () => this.stopMove());
    seats.addEventListener("change", () => this.refresh());
  }

  readSelection() {
    const places = this.seats.listMarked(SELECTED);
    return { seats: places.map((i) => this.seats.ids[i]), reservation: this.findReservation(places) };
  }

  // The one reservation that all of these seats belong to, or 0.
  findReservation(places) {
    const found = new Set(places.map((i) => this.seats.reservation[i]));
    return found.size === 1 ? [...found][0] : 0;
  }

  // Says which acts make sense for what is selected, and why the others do not.
  refresh() {
    const { seats, setup } = this;
    const places = seats.listMarked(SELECTED);
    const reservation = this.findReservation(places);
    const paid = places.some((i) => !seats.until[i]);
    const reasons = {
      block: places.some((i) => !seats.blocked[i]) ? "" : setup.texts.needsFree,
      unblock: places.some((i) => seats.blocked[i]) ? "" : setup.texts.needsBlocked,
      release: reservation && !paid ? "" : setup.texts.needsHold,
      move: reservation ? "" : setup.texts.needsReservation,
    };
    for (const button of this.root.querySelectorAll("[data-act]")) {
      const reason = reasons[button.dataset.act];
      button.disabled = Boolean(reason) || Boolean(this.moving);
      button.title = reason;
    }
    this.find("clear").disabled = !places.length || Boolean(this.moving);
    if (this.moving) this.refreshMove(places);
  }

  // Moving: the seats that are left are marked, and clicks choose the new ones.

  startMove() {
    const places = this.seats.listMarked(SELECTED);
    const { reservation } = this.readSelection();
    this.moving = { reservation, from: places.map((i) => this.seats.ids[i]) };
    this.find("moving").hidden = false;
    this.tell("");
    this.seats.mark(places, LEAVING);
  }

  stopMove() {
    this.moving = null;
    this.find("moving").hidden = true;
    this.seats.unmarkAll();
  }

  // Chooses a new seat, or takes it back.
  pickTarget(i) {
    const { seats, moving } = this;
    const wanted = moving.from.map((id) => seats.price[seats.at.get(id)]?.[1]);
    if (seats.marks[i] === SELECTED) return seats.mark([i], 0);
    for (const j of seats.listMarked(SELECTED)) {
      const at = wanted.indexOf(seats.price[j][1]);
      if (at >= 0) wanted.splice(at, 1);
    }
    const fits = seats.state[i] === FREE && !seats.marks[i] && wanted.includes(seats.price[i][1]);
    if (!fits) return this.tell(this.setup.texts.moveWrongSeat, "problem");
    this.tell("");
    seats.mark([i], SELECTED);
  }

  refreshMove(places) {
    const wanted = this.moving.from.length;
    this.find("move-hint").textContent = fill(this.setup.texts.moveHint, { chosen: places.length, wanted });
    this.find("move-on").disabled = places.length !== wanted;
  }

  readMove() {
    const to = this.seats.listMarked(SELECTED).map((i) => this.seats.ids[i]);
    return { seats: this.moving.from, to, reservation: this.moving.reservation };
  }

  // The dialog.

  async ask(act, wanted) {
    this.tell("");
    try {
      this.wanted = { act, ...wanted };
      const { title, consequences, dangerous } = await this.post(this.setup.previewUrl, this.wanted);
      this.find("dialog-title").textContent = this.find("do").textContent = title;
      this.find("consequences").replaceChildren(
        ...consequences.map((text) => Object.assign(document.createElement("li"), { textContent: text })),
      );
      this.find("do").toggleAttribute("data-dangerous", dangerous);
      this.find("problem").textContent = "";
      this.find("reason").value = "";
      this.dialog.showModal();
      this.find("reason").focus();
    } catch (error) {
      this.tell(this.explain(error), "problem");
    }
  }

  async send() {
    const button = this.find("do");
    const reason = this.find("reason").value;
    button.disabled = true;
    try {
      const { told } = await this.post(this.setup.actUrl, { ...this.wanted, reason });
      this.dialog.close();
      this.moving = null;
      this.find("moving").hidden = true;
      this.seats.unmarkAll();
      this.tell(told, "done");
    } catch (error) {
      this.find("problem").textContent = this.explain(error);
    } finally {
      button.disabled = false;
    }
    this.onDone();
  }

  post(url, body) {
    const token = this.dialog.querySelector("[name=csrfmiddlewaretoken]").value;
    return fetchJson(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token },
      body: JSON.stringify(body),
    });
  }

  explain(error) {
    if (error instanceof SignedOut) return this.setup.texts.signedOut;
    const [first] = error.problem?.errors ?? [];
    return first?.detail ?? (error.message && error.problem ? error.message : this.setup.texts.failed);
  }

  tell(text, kind = "") {
    const told = this.find("told");
    told.textContent = text;
    told.dataset.kind = kind;
  }
}
