// How concerts are told, on every page that tells of one.

import { day, money, say } from "./page.js";

export function showDates({ first_date: first, last_date: last }) {
  return first === last ? day(first) : `${day(first)} – ${day(last)}`;
}

export function showPrices({ price_min: least, price_max: most, currency }) {
  if (least === most) return money(least, currency);
  return say("concerts.price_range", { from: money(least, currency), to: money(most, currency) });
}
