// The customer's live holds: seats that wait to be paid for.

import { callInside } from "../line.js";
import { element, find, money, say, timeOfDay } from "../page.js";

/** Return the holds, of whatever concert of the room. */
export async function listHolds(room) {
  const { results } = await callInside(room, "GET", "/holds?limit=200");
  return results;
}

/** Show each hold with the way to pay for it. */
export function showHolds(holds) {
  find("holds").hidden = holds.length === 0;
  find("holds-list").replaceChildren(...holds.map((hold) => element(
    "li", {},
    element("span", {},
      hold.seats.map((seat) => say("seats.short", seat)).join(", "), " · ", money(hold.total, hold.currency), " · ",
      say("seats.pay_until", { time: timeOfDay(hold.expires_at) })),
    element("a", { class: "button primary", href: `/checkout/${hold.id}` }, say("seats.to_checkout")),
  )));
}
