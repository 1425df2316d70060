// A concert, and the way into its line.

import { call } from "../api.js";
import { showDates, showPrices } from "../concerts.js";
import { element, find, moment, notice, page, say } from "../page.js";
import { run } from "../shop.js";

const place = find("concert");

await run(async () => {
  const concert = await call("GET", `/concerts/${page.concert_id}`, { signedIn: false });
  document.title = `${concert.title} · Encore`;
  place.replaceChildren(...describe(concert));
}, (problem) => notice(problem.code === "concert_not_found" ? say("concerts.unknown_concert") : problem.message));
place.removeAttribute("aria-busy");

function describe(concert) {
  return [
    element("h1", {}, concert.title),
    element("p", { class: "muted" }, `${concert.artist} · ${concert.venue}`),
    concert.first_date && element("p", {}, showDates(concert)),
    concert.price_min !== null ? element("p", { class: "price" }, showPrices(concert)) : null,
    ...concert.description.split("\n").filter(Boolean).map((line) => element("p", {}, line)),
    ...showSale(concert),
  ].filter((part) => part);
}

function showSale({ sales_open_at: opens, sales_close_at: closes }) {
  if (Date.parse(closes) <= Date.now()) return [element("p", { class: "muted" }, say("concerts.over"))];
  const soon = Date.parse(opens) > Date.now();
  const times = soon
    ? say("concerts.opens_at", { time: moment(opens) })
    : say("concerts.until", { time: moment(closes) });
  return [
    element("p", { class: "muted" }, times),
    element("p", { class: "actions" }, element(
      "a", { class: "button primary", href: `/concerts/${page.concert_id}/line` },
      soon ? say("concerts.enter_early") : say("concerts.enter"),
    )),
  ];
}
