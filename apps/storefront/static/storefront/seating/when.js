// The date, and where it has several shows the performance.

import { day, element, find, sayCount, say, timeOfDay } from "../page.js";

export class When {
  constructor(onChosen) {
    this.dates = [];
    this.onChosen = onChosen;
    find("date").addEventListener("change", ({ target }) => this.chooseDate(target.value));
    find("performance").addEventListener("change", ({ target }) => this.choose(Number(target.value)));
  }

  /** Show the dates; those of the address, or the only ones, are chosen at once. */
  show(dates) {
    this.dates = dates;
    const address = new URLSearchParams(window.location.search);
    find("no-dates").hidden = dates.length > 0;
    find("when").hidden = dates.length === 0;
    fill(find("date"), say("seats.choose_date"), dates.map(({ date, seats_available: free }) => (
      [date, `${day(date)} · ${sayCount("seats.left", free)}`]
    )));
    const wanted = dates.length === 1 ? dates[0].date : address.get("date");
    if (!dates.some(({ date }) => date === wanted)) return;
    find("date").value = wanted;
    this.chooseDate(wanted, Number(address.get("performance")));
  }

  chooseDate(date, performance = null) {
    const { performances } = this.dates.find((each) => each.date === date);
    find("performance-field").hidden = performances.length === 1;
    fill(find("performance"), say("seats.choose_time"), performances.map(({ id, starts_at: starts, seats_available: free }) => (
      [id, `${timeOfDay(starts)} · ${sayCount("seats.left", free)}`]
    )));
    const wanted = performances.length === 1 ? performances[0].id : performance;
    if (performances.some(({ id }) => id === wanted)) {
      find("performance").value = wanted;
      this.choose(wanted);
    } else this.onChosen(null);
  }

  choose(id) {
    const chosen = this.find(id);
    window.history.replaceState(null, "", `?date=${chosen.date}&performance=${id}`);
    this.onChosen(chosen);
  }

  /** Return a performance with its date, or undefined. */
  find(id) {
    for (const { date, performances } of this.dates) {
      const found = performances.find((performance) => performance.id === id);
      if (found) return { ...found, date };
    }
    return undefined;
  }
}

// The first option asks, and cannot be chosen.
function fill(select, question, options) {
  select.replaceChildren(
    element("option", { value: "", disabled: true, selected: true }, question),
    ...options.map(([value, text]) => element("option", { value }, text)),
  );
}
