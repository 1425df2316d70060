// What was paid for: the seats are the customer's.

import { call } from "../api.js";
import { element, find, moment, page, say } from "../page.js";
import { run } from "../shop.js";
import { showOccasion, showSeats, showState, showTotal } from "../tickets.js";

const place = find("receipt");

await run(async () => {
  const payment = await call("GET", `/payments/${page.payment_id}`);
  place.replaceChildren(...describe(payment));
}, (problem) => place.replaceChildren(element("p", {}, problem.message)));
place.removeAttribute("aria-busy");

function describe({ id, status, reservation, amount, currency, paid_at: paidAt }) {
  return [
    ...showOccasion(reservation),
    showState(reservation),
    showSeats(reservation.seats, currency),
    showTotal(amount, currency),
    element("p", { class: "muted" }, say("receipt.paid", { id, time: moment(paidAt) })),
    status === "refunded" ? element("p", {}, say("receipt.refunded")) : null,
    element(
      "p", { class: "actions" },
      element("button", { type: "button", onclick: () => window.print() }, say("receipt.print")),
      element("a", { class: "button", href: "/my/reservations" }, say("receipt.bookings")),
    ),
  ].filter((part) => part);
}
