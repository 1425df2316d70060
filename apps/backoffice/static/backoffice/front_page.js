// The front page: draws the figures that came with the page, and asks for new ones again and again.

import { STATES, colour, drawHours, drawLine, drawSeats, drop } from "./front_page_charts.js";
import {
  clock, clockWithSeconds, formatter, language, moment, numbers, read, say, words,
} from "./front_page_words.js";

const root = document.getElementById("front-page");
const COUNTED_LATE_MS = 30_000;
const PATIENCE_MS = 10_000;
let figures = read("front-figures");
let asking = false;
let timer;

function place(name) {
  return root.querySelector(`[data-place="${name}"]`);
}

function field(element, name) {
  return element.querySelector(`[data-field="${name}"]`);
}

function write(element, text) {
  // A text that stays is left alone, so that a selection in it stays as well.
  if (element.textContent !== text) element.textContent = text;
}

function link(element, text, url) {
  write(element, text);
  if (element.tagName === "A") element.href = url;
}

function make(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

function clone(id) {
  return document.importNode(document.getElementById(id).content.firstElementChild, true);
}

/** Make the children of `list` those of `rows`; whatever is there already is kept, with its focus. */
function arrange(list, rows, key, create, fill) {
  const wanted = new Set(rows.map((row) => String(key(row))));
  const there = new Map();
  for (const child of [...list.children]) {
    if (wanted.has(child.dataset.key)) {
      there.set(child.dataset.key, child);
    } else {
      drop(child);
      child.remove();
    }
  }
  rows.forEach((row, index) => {
    const name = String(key(row));
    const child = there.get(name) ?? create();
    child.dataset.key = name;
    // In its place first: a chart is drawn as large as the page shows it.
    if (list.children[index] !== child) list.insertBefore(child, list.children[index] ?? null);
    fill(child, row);
  });
}

// Sections

function showConcerts({ rows, more, url }) {
  arrange(place("concerts"), rows, (row) => row.id, () => clone("front-concert"), fillConcert);
  root.querySelector('[data-empty="concerts"]').hidden = rows.length > 0;
  showMore("concerts", more, url);
}

function fillConcert(element, row) {
  const atVenue = formatter({ dateStyle: "medium", timeStyle: "short" }, row.time_zone);
  link(field(element, "title"), row.title, row.url);
  field(element, "stopped").hidden = !row.stopped;
  write(field(element, "closes"), say("closes", { time: atVenue.format(new Date(row.closes_at)) }));
  drawSeats(element.querySelector("canvas"), row.title, row.seats);
  for (const state of [...STATES, "total"]) {
    write(field(element, state), numbers.format(row.seats[state]));
  }
  if (row.seats.total) {
    const share = new Intl.NumberFormat(language, { style: "percent" });
    const sold = share.format(row.seats.sold / row.seats.total);
    write(field(element, "sold"), `${numbers.format(row.seats.sold)} (${sold})`);
  }
  arrange(
    field(element, "performances"),
    row.performances,
    (show) => show.id,
    () => clone("front-performance"),
    (line, show) => {
      link(field(line, "starts_at"), atVenue.format(new Date(show.starts_at)), show.url);
      for (const state of STATES) write(field(line, state), numbers.format(show.seats[state]));
    },
  );
  const left = row.performances_more;
  write(field(element, "performances_more"), left ? say("more", { count: numbers.format(left) }) : "");
}

function showMore(name, count, url) {
  const more = root.querySelector(`[data-more="${name}"]`);
  more.hidden = count <= 0;
  link(more, say("more", { count: numbers.format(count) }), url);
}

function showRooms(rooms) {
  const first = new Date(rooms.points_from).getTime();
  const labels = (count) =>
    Array.from({ length: count }, (_none, index) => clock.format(first + index * rooms.point_s * 1000));
  arrange(
    place("rooms"),
    rooms.rows,
    (row) => row.id,
    () => clone("front-room"),
    (element, row) => fillRoom(element, row, labels(row.lines.waiting.length)),
  );
  root.querySelector('[data-empty="rooms"]').hidden = rooms.rows.length > 0;
  showMore("rooms", rooms.more, rooms.url);
}

function fillRoom(element, row, labels) {
  link(field(element, "name"), row.name, row.url);
  write(field(element, "state"), words.room_states[row.state]);
  // Where nobody has looked for long, the figures are no longer those of now.
  const late = row.counted_at && new Date(figures.at) - new Date(row.counted_at) > COUNTED_LATE_MS;
  write(
    field(element, "counted"),
    late ? say("counted", { time: moment.format(new Date(row.counted_at)) }) : "",
  );
  const limit = row.admit_per_minute ? ` / ${numbers.format(row.admit_per_minute)}` : "";
  const shown = {
    waiting: numbers.format(row.waiting),
    inside: `${numbers.format(row.inside)} / ${numbers.format(row.capacity)}`,
    entered: `${numbers.format(row.entered)}${limit}`,
  };
  const looks = {
    waiting: { colour: "held", max: 1 },
    inside: { colour: "sold", max: row.capacity },
    entered: { colour: "free", max: row.admit_per_minute || 1 },
  };
  for (const [line, now] of Object.entries(shown)) {
    const tile = element.querySelector(`[data-line="${line}"]`);
    write(field(tile, line), now);
    const values = row.lines[line];
    const most = Math.max(...values);
    const known = values.some((value) => value !== null);
    const time = labels[values.indexOf(most)];
    const text = known ? say("most", { count: numbers.format(most), time }) : say("unknown");
    write(field(tile, "most"), text);
    const summary = `${row.name}, ${words.lines[line]}: ${now}. ${text}`;
    drawLine(tile.querySelector("canvas"), summary, labels, values, looks[line]);
  }
}

function showMoney({ currencies }) {
  arrange(place("money"), currencies, (row) => row.currency, () => clone("front-hours"), fillMoney);
  root.querySelector('[data-empty="money"]').hidden = currencies.length > 0;
}

function fillMoney(element, { currency, hours }) {
  const style = new Intl.NumberFormat(language, { style: "currency", currency });
  // Amounts are in the minor unit.
  const minor = 10 ** style.resolvedOptions().maximumFractionDigits;
  const money = (amount) => style.format(amount / minor);
  const sum = (name) => hours.reduce((total, hour) => total + hour[name], 0);
  const [paid, refunded] = [sum("paid"), sum("refunded")];
  const parts = say("money", { paid: money(paid), refunded: money(refunded) });
  const labels = hours.map((hour) => clock.format(new Date(hour.from)));
  write(field(element, "sum"), money(paid - refunded));
  write(field(element, "parts"), parts);
  const datasets = [
    { label: say("paid"), data: hours.map((hour) => hour.paid), backgroundColor: colour("sold") },
    {
      label: say("refunded"),
      data: hours.map((hour) => -hour.refunded),
      backgroundColor: colour("held"),
    },
  ];
  const summary = `${money(paid - refunded)}. ${parts}`;
  const whole = new Intl.NumberFormat(language, { style: "currency", currency, notation: "compact" });
  drawHours(element.querySelector("canvas"), summary, labels, datasets, (amount) =>
    whole.format(amount / minor),
  );
  const rows = hours.map((hour, index) => [
    labels[index],
    ...[hour.paid, hour.refunded, hour.paid - hour.refunded].map(money),
  ]);
  fillTable(element, [say("hour"), say("paid"), say("refunded"), say("net")], rows);
}

function showLapses({ hours }) {
  arrange(place("lapses"), [hours], () => "lapses", () => clone("front-hours"), fillLapses);
}

function fillLapses(element, hours) {
  const total = numbers.format(hours.reduce((sum, hour) => sum + hour.count, 0));
  const labels = hours.map((hour) => clock.format(new Date(hour.from)));
  const data = hours.map((hour) => hour.count);
  write(field(element, "sum"), total);
  const datasets = [{ label: say("lapsed"), data, backgroundColor: colour("held") }];
  drawHours(element.querySelector("canvas"), `${say("lapsed")}: ${total}`, labels, datasets, (count) =>
    numbers.format(count),
  );
  const rows = labels.map((label, index) => [label, numbers.format(data[index])]);
  fillTable(element, [say("hour"), say("lapsed")], rows);
}

function fillTable(element, columns, rows) {
  field(element, "columns").replaceChildren(
    ...columns.map((column) => Object.assign(make("th", column), { scope: "col" })),
  );
  field(element, "rows").replaceChildren(
    ...rows.map(([hour, ...cells]) => {
      const line = document.createElement("tr");
      const head = Object.assign(make("th", hour), { scope: "row" });
      line.append(head, ...cells.map((cell) => make("td", cell)));
      return line;
    }),
  );
}

function showGuard({ ran_at, broken, findings, stopped }) {
  write(place("guard-ran"), ran_at ? moment.format(new Date(ran_at)) : say("never"));
  write(place("guard-broken"), numbers.format(broken));
  place("guard-broken").classList.toggle("front-danger", broken > 0);
  const create = () => {
    const item = document.createElement("li");
    const anchor = Object.assign(document.createElement("a"), { className: "front-link" });
    item.append(anchor, " ", document.createElement("span"));
    return item;
  };
  const fill = (item, row, text, detail) => {
    link(item.querySelector("a"), text, row.url);
    write(item.querySelector("span"), detail);
  };
  arrange(place("findings"), findings, (row) => row.id, create, (item, row) =>
    fill(item, row, `${row.invariant}: ${row.subject}`, row.detail),
  );
  arrange(place("stopped"), stopped, (row) => row.id, create, (item, row) =>
    fill(item, row, say("stopped", { concert: row.title }), row.reason),
  );
}

function showWork({ rows }) {
  const create = () => {
    const line = document.createElement("tr");
    const head = Object.assign(document.createElement("th"), { scope: "row" });
    line.append(head, document.createElement("td"), document.createElement("td"));
    return line;
  };
  arrange(place("work"), rows, (row) => row.name, create, (line, row) => {
    const [name, at, state] = line.children;
    write(name, words.work[row.name]);
    write(at, row.beat_at ? moment.format(new Date(row.beat_at)) : say("never"));
    write(state, words.work_states[row.state]);
    state.dataset.state = row.state;
  });
}

function showAlerts() {
  const { guard, work } = figures;
  const alerts = [];
  if (guard?.stopped.length) alerts.push(["#guard", say("sales_stopped", { count: guard.stopped.length })]);
  if (guard?.broken) alerts.push(["#guard", say("broken", { count: numbers.format(guard.broken) })]);
  for (const row of work?.rows ?? []) {
    if (row.state === "late") alerts.push(["#work", say("late", { work: words.work[row.name] })]);
  }
  place("attention").hidden = alerts.length === 0;
  const create = () => {
    const item = document.createElement("li");
    item.append(Object.assign(document.createElement("a"), { className: "front-link" }));
    return item;
  };
  arrange(place("alerts"), alerts, ([_url, text]) => text, create, (item, [url, text]) =>
    link(item.firstElementChild, text, url),
  );
}

const SECTIONS = {
  concerts: showConcerts,
  rooms: showRooms,
  money: showMoney,
  lapses: showLapses,
  guard: showGuard,
  work: showWork,
};

function show() {
  for (const [name, showSection] of Object.entries(SECTIONS)) {
    // A right that came or went since is in force when the page is opened again.
    if (figures[name] && (place(name) || name === "guard")) showSection(figures[name]);
  }
  showAlerts();
  write(place("at"), say("as_of", { time: clockWithSeconds.format(new Date(figures.at)) }));
}

// Asking again

async function ask() {
  const response = await fetch(root.dataset.url, {
    headers: { Accept: "application/json" },
    redirect: "manual",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  if (response.type === "opaqueredirect") return say("signed_out");
  if (!response.ok) return say("failed");
  figures = await response.json();
  return "";
}

async function refresh() {
  if (asking) return;
  asking = true;
  // The figures that are there stay, with their time, until there are new ones.
  const trouble = await ask().catch(() => say("failed"));
  asking = false;
  write(place("trouble"), trouble);
  wait();
  if (!trouble) show();
}

function wait() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(refresh, words.refresh_s * 1000);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) clearTimeout(timer);
  else refresh();
});
new MutationObserver(show).observe(document.documentElement, { attributeFilter: ["class"] });
show();
wait();
