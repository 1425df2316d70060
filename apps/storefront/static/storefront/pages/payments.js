// The customer's payments, newest first.

import { element, find, money, say, shortMoment } from "../page.js";
import { showPages } from "../pager.js";

await showPages("/payments", find("payments"), ({ id, status, reservation, amount, currency, paid_at: paidAt }) =>
  element(
    "tr", {},
    element("td", {}, shortMoment(paidAt)),
    element("td", {}, element("a", { href: `/receipts/${id}` }, reservation.concert.title)),
    element("td", {}, say(`payments.${status}`)),
    element("td", { class: "amount" }, money(amount, currency)),
  ));
