// What the front page says, and how it writes numbers and times.

export const words = read("front-words");
export const language = document.documentElement.lang || "en";
export const numbers = new Intl.NumberFormat(language, { maximumFractionDigits: 1 });
export const clock = formatter({ hour: "2-digit", minute: "2-digit" });
export const clockWithSeconds = formatter({ hour: "2-digit", minute: "2-digit", second: "2-digit" });
export const moment = formatter({ dateStyle: "medium", timeStyle: "medium" });

/** Return what a `json_script` holds. */
export function read(id) {
  return JSON.parse(document.getElementById(id).textContent);
}

/** Return a formatter of times, on the clock of the house unless another is named. */
export function formatter(options, timeZone = words.time_zone) {
  return new Intl.DateTimeFormat(language, { hourCycle: "h23", timeZone, ...options });
}

/** Return a text with its values filled in. */
export function say(name, values = {}) {
  return words.texts[name].replace(/%\((\w+)\)s/g, (_match, key) => values[key]);
}
