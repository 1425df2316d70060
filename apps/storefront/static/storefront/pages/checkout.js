// From the held seats to the receipt: reserve, charge the wallet where it is low, and pay.
//
// Reserving and paying have keys made from the hold's number: whoever clicks twice, reloads, goes back or
// opens a second tab sends the same request, and gets the same answer.

import { call, Problem } from "../api.js";
import { amountField, amountLabel, charge, CHARGE_MAX, readAmount } from "../charging.js";
import { countDown } from "../countdown.js";
import { callInside, OutOfLine, showOutOfLine } from "../line.js";
import { element, find, money, notice, page, say } from "../page.js";
import { run } from "../shop.js";
import { shared } from "../store.js";
import { showOccasion, showSeats, showTotal } from "../tickets.js";
import { stayInside } from "../waiting/staying.js";

const id = page.hold_id;
const place = find("checkout");
let stopCounting = () => {};
let isStaying = false;

await open();
// The back button shows the page as it was left.
window.addEventListener("pageshow", (event) => event.persisted && open());

async function open() {
  stopCounting();
  await run(async () => {
    const claim = await findClaim();
    if (claim === undefined) return undefined; // out of line, and told
    if (claim === null) return tellUnknown();
    if (claim.status === "confirmed") return window.location.replace(`/receipts/${claim.payment_id}`);
    if (claim.status === "expired" || claim.status === "cancelled") return tellOver(claim);
    return offer(claim, await call("GET", "/wallet"));
  }, (problem) => notice(problem.message, { tone: "error" }));
  place.removeAttribute("aria-busy");
}

/** Return the reservation; where it is none yet, the hold with its room and concert. */
async function findClaim() {
  const reservation = await findReservation();
  if (reservation !== null) {
    const { room } = await call("GET", `/concerts/${reservation.concert.id}`, { signedIn: false });
    return { ...reservation, begun_at: reservation.created_at, room };
  }
  // What the seat map noted when it made the hold.
  const noted = shared.get(`hold.${id}`);
  if (noted === null) return null;
  try {
    const hold = await callInside(noted.room, "GET", `/holds/${id}`);
    const { concert, room, starts_at: starts } = noted;
    return { ...hold, status: "held", begun_at: hold.held_at, concert, room, starts_at: starts };
  } catch (error) {
    if (error instanceof OutOfLine) return tellOut(error, noted.concert.id);
    if (error.code === "hold_not_found") return { ...noted, status: "expired" };
    if (error.code === "seat_already_reserved") return findClaim();
    if (error.code === "hold_expired") return { ...noted, status: "expired" };
    throw error;
  }
}

async function findReservation() {
  try {
    return await call("GET", `/reservations/${id}`);
  } catch (error) {
    if (error.code === "reservation_not_found") return null;
    throw error;
  }
}

function offer(claim, wallet) {
  const missing = claim.total - wallet.balance;
  const field = missing > 0 ? amountField(claim.currency, missing) : null;
  const button = element("button", { class: "primary" }, missing > 0
    ? say("checkout.charge_and_pay")
    : say("checkout.pay", { total: money(claim.total, claim.currency) }));
  const form = element(
    "form", { class: "card", novalidate: true },
    element("p", {}, say("checkout.balance", { balance: money(wallet.balance, wallet.currency) })),
    missing > 0 ? element("p", { role: "status" }, say("checkout.too_low", { missing: money(missing, claim.currency) })) : null,
    field && amountLabel(claim.currency), field, button,
  );
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    pay(claim, field, button);
  });
  place.replaceChildren(
    element(
      "article", { class: "card" },
      ...showOccasion(claim), showSeats(claim.seats, claim.currency), showTotal(claim.total, claim.currency),
    ),
    form,
    element("p", { class: "actions" }, element(
      "button", { type: "button", onclick: () => giveBack(claim) }, say("checkout.give_back"),
    )),
  );
  if (!isStaying) stayInside(claim.room);
  isStaying = true;
  stopCounting = countDown(claim.begun_at, claim.expires_at, () => tellOver(claim));
}

async function pay(claim, field, button) {
  let amount = 0;
  if (field) {
    amount = readAmount(field, claim.currency);
    if (amount === null) {
      notice(say("wallet.amount_wrong", { most: money(CHARGE_MAX, claim.currency) }), { tone: "error" });
      return field.focus();
    }
  }
  button.disabled = true;
  notice(say("checkout.paying"));
  try {
    await run(async () => {
      await reserve(claim);
      if (amount) await charge(amount);
      const paid = await payOnce(claim);
      shared.set(`hold.${id}`, null);
      window.location.replace(`/receipts/${paid.id}`);
    }, (problem) => tellProblem(problem, claim));
  } finally {
    button.disabled = false;
  }
}

async function reserve(claim) {
  if (claim.status !== "held") return;
  try {
    await callInside(claim.room, "POST", "/reservations", { body: { hold_id: id }, key: `reserve-${id}` });
  } catch (error) {
    if (error.code !== "seat_already_reserved") throw asProblem(error, claim);
  }
}

async function payOnce(claim) {
  try {
    const body = { reservation_id: id };
    return await callInside(claim.room, "POST", "/payments", { body, key: `pay-${id}` });
  } catch (error) {
    throw asProblem(error, claim);
  }
}

/** Who is out of line has perhaps paid in another tab: the page is opened again, and finds out. */
function asProblem(error, claim) {
  return error instanceof OutOfLine ? new Problem(403, { code: "out_of_line", error, concert: claim.concert }) : error;
}

async function tellProblem(problem, claim) {
  switch (problem.code) {
    case "insufficient_balance":
      notice(problem.message, { tone: "error" });
      stopCounting();
      return offer(claim, { balance: problem.fields.balance, currency: problem.fields.currency });
    case "hold_expired":
      return tellOver(claim);
    case "reservation_already_paid":
      return open();
    case "out_of_line": {
      const reservation = await findReservation();
      return reservation?.status === "confirmed" ? open() : tellOut(problem.fields.error, claim.concert.id);
    }
    default:
      return notice(problem.message, { tone: "error" });
  }
}

async function giveBack(claim) {
  await run(async () => {
    if (claim.status === "held") await callInside(claim.room, "DELETE", `/holds/${id}`);
    else await call("POST", `/reservations/${id}/cancel`, { body: {}, key: `cancel-${id}` });
    shared.set(`hold.${id}`, null);
    window.location.replace(`/concerts/${claim.concert.id}/seats`);
  }, (problem) => tellProblem(asProblem(problem, claim), claim));
}

function tellOut(error, concertId) {
  stopCounting();
  place.replaceChildren();
  showOutOfLine(error, concertId);
  return undefined;
}

function tellOver(claim) {
  stopCounting();
  notice("");
  const concert = claim.concert.id;
  place.replaceChildren(
    element(
      "div", { role: "alert" },
      element("h2", {}, say(claim.status === "cancelled" ? "checkout.cancelled" : "checkout.over")),
      element("p", {}, say("checkout.over_detail")),
    ),
    element("p", { class: "actions" },
      element("a", { class: "button primary", href: `/concerts/${concert}/seats` }, say("checkout.choose_again"))),
  );
}

function tellUnknown() {
  place.replaceChildren(
    element("p", { role: "alert" }, say("checkout.unknown")),
    element("p", { class: "actions" }, element("a", { class: "button", href: "/my/reservations" }, say("receipt.bookings"))),
  );
}
