// Putting money into the wallet: a form, and a charge that is made once however often it is sent.

import { call, newKey } from "./api.js";
import { element, say } from "./page.js";
import { own } from "./store.js";

const KEY = "charge";
// As the API has it, in the minor unit.
export const CHARGE_MAX = 10_000_000;

/**
 * Charge `amount` (minor unit) and return the answer. The key is kept until there is one: who reloads,
 * or clicks again after a lost answer, sends the same charge.
 */
export async function charge(amount) {
  const begun = own.get(KEY);
  const key = begun?.amount === amount ? begun.key : newKey();
  own.set(KEY, { amount, key });
  try {
    const answer = await call("POST", "/wallet/charges", { body: { amount }, key });
    own.set(KEY, null);
    return answer;
  } catch (error) {
    // Refused is an answer too; only a charge of which nothing is known is sent again.
    if (error.code) own.set(KEY, null);
    throw error;
  }
}

/** Return the digits after the point that a currency's amounts have. */
export function digitsOf(currency) {
  return new Intl.NumberFormat("en", { style: "currency", currency }).resolvedOptions().maximumFractionDigits;
}

/** Return the field for an amount in the currency's own unit, filled with `amount` (minor unit). */
export function amountField(currency, amount) {
  const unit = 10 ** digitsOf(currency);
  return element("input", {
    id: "amount", name: "amount", type: "number", inputmode: "decimal", required: true,
    min: 1 / unit, max: CHARGE_MAX / unit, step: 1 / unit, value: amount ? amount / unit : "",
  });
}

/** Return what was typed, in the minor unit; null where it is no amount that can be charged. */
export function readAmount(field, currency) {
  const amount = Math.round(Number(field.value) * 10 ** digitsOf(currency));
  return field.value && field.checkValidity() && amount >= 1 && amount <= CHARGE_MAX ? amount : null;
}

/** Return the label of the field. */
export function amountLabel(currency) {
  return element("label", { for: "amount" }, say("wallet.amount", { currency }));
}
