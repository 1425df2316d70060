// The balance, charging it, and the ledger.

import { call } from "../api.js";
import { amountField, amountLabel, charge, CHARGE_MAX, readAmount } from "../charging.js";
import { element, find, money, notice, say, shortMoment } from "../page.js";
import { showPages } from "../pager.js";
import { run } from "../shop.js";

const form = find("charge");

await run(async () => {
  const wallet = await call("GET", "/wallet");
  showBalance(wallet);
  showForm(wallet.currency);
  await showEntries(wallet.currency);
});

function showBalance({ balance, currency }) {
  find("balance").textContent = money(balance, currency);
}

function showForm(currency) {
  const field = amountField(currency, 0);
  const button = element("button", { class: "primary" }, say("wallet.top_up"));
  form.replaceChildren(amountLabel(currency), field, button);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const amount = readAmount(field, currency);
    if (amount === null) {
      notice(say("wallet.amount_wrong", { most: money(CHARGE_MAX, currency) }), { tone: "error" });
      field.focus();
      return;
    }
    button.disabled = true;
    await run(async () => {
      showBalance(await charge(amount));
      field.value = "";
      notice(say("wallet.charged", { amount: money(amount, currency) }), { seconds: 8 });
      await showEntries(currency);
    });
    button.disabled = false;
  });
}

function showEntries(currency) {
  return showPages("/wallet/entries", find("entries"), (entry) => element(
    "tr", {},
    element("td", {}, shortMoment(entry.created_at)),
    element("td", {}, say(`wallet.${entry.kind}`)),
    element("td", { class: "amount" }, money(entry.amount, currency)),
    element("td", { class: "amount" }, money(entry.balance_after, currency)),
  ));
}
