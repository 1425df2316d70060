// What every page knows, and how it says it: texts, times and money in the reader's language.

export const page = JSON.parse(document.getElementById("page-data").textContent);
export const language = page.language;

const plurals = new Intl.PluralRules(language);

/** Return the text of a key, with its `{names}` filled in. */
export function say(key, values = {}) {
  const text = page.texts[key];
  if (text === undefined) throw new Error(`no text: ${key}`);
  return text.replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/** Return the text of a key in the form that `count` takes. */
export function sayCount(key, count, values = {}) {
  const form = plurals.select(count) === "one" ? "one" : "other";
  return say(`${key}.${form}`, { count: number(count), ...values });
}

export function number(value) {
  return new Intl.NumberFormat(language).format(value);
}

/** Return an amount, in the currency's minor unit, as people write it. */
export function money(amount, currency) {
  const format = new Intl.NumberFormat(language, { style: "currency", currency });
  const digits = format.resolvedOptions().maximumFractionDigits;
  return format.format(amount / 10 ** digits);
}

/** Return a moment (RFC 3339) with its day and time, where the house is. */
export function moment(text) {
  return new Intl.DateTimeFormat(language, {
    dateStyle: "long", timeStyle: "short", timeZone: page.time_zone,
  }).format(new Date(text));
}

/** Return a moment in little space, as tables have. */
export function shortMoment(text) {
  return new Intl.DateTimeFormat(language, {
    dateStyle: "short", timeStyle: "short", timeZone: page.time_zone,
  }).format(new Date(text));
}

/** Return the time of day of a moment, where the house is. */
export function timeOfDay(text) {
  return new Intl.DateTimeFormat(language, {
    timeStyle: "short", timeZone: page.time_zone,
  }).format(new Date(text));
}

/** Return a calendar date (`2026-12-24`) with its weekday. */
export function day(text) {
  return new Intl.DateTimeFormat(language, { dateStyle: "full", timeZone: "UTC" })
    .format(new Date(`${text}T00:00:00Z`));
}

/** Return an element: `element("p", {class: "error", hidden: true}, "text", child)`. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [attribute, value] of Object.entries(attributes)) {
    if (attribute.startsWith("on")) made.addEventListener(attribute.slice(2), value);
    else if (value === true) made.setAttribute(attribute, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(attribute, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** Return an element of this page. */
export function find(id) {
  return document.getElementById(id);
}

let noticeTimer;

/** Tell something calmly at the top of the page; for `seconds`, or until the next is told. */
export function notice(text, { seconds = 0, tone = "" } = {}) {
  const place = find("notice");
  clearTimeout(noticeTimer);
  place.textContent = text;
  place.dataset.tone = tone;
  place.hidden = !text;
  if (seconds) noticeTimer = setTimeout(() => notice(""), seconds * 1000);
}
