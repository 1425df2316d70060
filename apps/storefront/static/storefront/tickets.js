// How seats, reservations and payments are told, on every page that tells of them.

import { element, moment, money, say } from "./page.js";

export function showSeats(seats, currency) {
  return element(
    "ul", { class: "seats" },
    ...seats.map((seat) => element(
      "li", {},
      say("tickets.seat", seat), " ",
      element("span", { class: "muted" }, seat.grade), " ",
      element("span", { class: "price" }, money(seat.price, currency)),
    )),
  );
}

/** Return what a reservation is for: concert, place and time. */
export function showOccasion(reservation, level = "h2") {
  const { concert, starts_at: starts } = reservation;
  return [
    element(level, {}, concert.title),
    element("p", { class: "muted" }, `${concert.artist} · ${concert.venue}`),
    element("p", {}, moment(starts)),
  ];
}

export function showTotal(total, currency) {
  return element("p", { class: "price" }, say("tickets.total", { total: money(total, currency) }));
}

/** Return the state of a reservation in words, with why it ended. */
export function showState({ status, end_cause: cause }) {
  return element("p", { class: `state ${status}` }, say(`tickets.${cause ?? status}`));
}

