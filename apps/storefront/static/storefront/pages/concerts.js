// The concerts: on sale, opening soon, over; searched as one types.

import { listAll } from "../api.js";
import { showDates, showPrices } from "../concerts.js";
import { element, find, moment, say } from "../page.js";
import { run } from "../shop.js";

const place = find("concerts");
const query = find("query");
let concerts = [];

await run(async () => {
  concerts = await listAll("/concerts?limit=200", { signedIn: false });
});
place.removeAttribute("aria-busy");
show();
query.addEventListener("input", show);
find("search").addEventListener("submit", (event) => event.preventDefault());

function show() {
  const words = query.value.trim().toLocaleLowerCase();
  const found = concerts.filter((concert) =>
    [concert.title, concert.artist, concert.venue].some((text) =>
      text.toLocaleLowerCase().includes(words)));
  const groups = [
    ["concerts.on_sale", found.filter(isOnSale)],
    ["concerts.soon", found.filter(isSoon).sort(byOpening)],
    ["concerts.over", found.filter(isOver)],
  ].filter(([, group]) => group.length);
  const none = words ? say("concerts.none_found", { query: query.value.trim() }) : say("concerts.none");
  place.replaceChildren(...(groups.length ? groups.map(showGroup) : [element("p", {}, none)]));
}

function isSoon(concert) {
  return Date.parse(concert.sales_open_at) > Date.now();
}

function isOver(concert) {
  return Date.parse(concert.sales_close_at) <= Date.now();
}

function isOnSale(concert) {
  return !isSoon(concert) && !isOver(concert);
}

function byOpening(one, other) {
  return Date.parse(one.sales_open_at) - Date.parse(other.sales_open_at);
}

function showGroup([title, group]) {
  return element(
    "section", {},
    element("h2", {}, say(title)),
    element("ul", { class: "cards" }, ...group.map(showConcert)),
  );
}

function showConcert(concert) {
  return element(
    "li", { class: "card" },
    element("h3", {}, element("a", { href: `/concerts/${concert.id}` }, concert.title)),
    element("p", { class: "muted" }, concert.artist),
    element("p", {}, concert.venue),
    concert.first_date && element("p", {}, showDates(concert)),
    concert.price_min !== null ? element("p", { class: "price" }, showPrices(concert)) : null,
    isSoon(concert)
      ? element("p", { class: "muted" }, say("concerts.opens_at", { time: moment(concert.sales_open_at) }))
      : null,
  );
}
