// The customer's reservations, newest first, with what can still be done about each.

import { call } from "../api.js";
import { ask } from "../dialog.js";
import { element, find, money, notice, say } from "../page.js";
import { showPages } from "../pager.js";
import { run } from "../shop.js";
import { showOccasion, showSeats, showState, showTotal } from "../tickets.js";

await showPages("/reservations", find("reservations"), show);

function show(reservation) {
  return element(
    "li", { class: "card", id: `reservation-${reservation.id}` },
    ...showOccasion(reservation, "h2"),
    showState(reservation),
    showSeats(reservation.seats, reservation.currency),
    showTotal(reservation.total, reservation.currency),
    element("p", { class: "actions" }, ...listActions(reservation)),
  );
}

function listActions(reservation) {
  const { id, status, payment_id: payment } = reservation;
  const actions = [];
  if (status === "pending_payment") {
    actions.push(element("a", { class: "button primary", href: `/checkout/${id}` }, say("reservations.pay")));
  }
  if (payment) {
    actions.push(element("a", { class: "button", href: `/receipts/${payment}` }, say("reservations.receipt")));
  }
  if (status === "pending_payment" || status === "confirmed") {
    const cancelling = () => cancel(reservation);
    actions.push(element("button", { type: "button", onclick: cancelling }, say("reservations.cancel")));
  }
  return actions;
}

async function cancel(reservation) {
  const { id, status, total, currency } = reservation;
  const yes = await ask({
    title: say("reservations.cancel_title"),
    text: status === "confirmed"
      ? say("reservations.cancel_paid", { total: money(total, currency) })
      : say("reservations.cancel_unpaid"),
    yes: say("reservations.cancel_yes"),
    no: say("reservations.cancel_no"),
  });
  if (!yes) return;
  await run(async () => {
    const ended = await call("POST", `/reservations/${id}/cancel`, { body: {}, key: `cancel-${id}` });
    find(`reservation-${id}`).replaceWith(show(ended));
    notice(say("reservations.cancelled"), { seconds: 8 });
  });
}
