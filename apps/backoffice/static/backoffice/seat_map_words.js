// What is said of a seat, in the language of the page.

export function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

export class Words {
  constructor(seats, { texts, language, timeZone }) {
    Object.assign(this, { seats, texts });
    this.clock = new Intl.DateTimeFormat(language, { timeZone, timeStyle: "medium" });
  }

  seat(i) {
    const { seats } = this;
    return fill(this.texts.seat, {
      section: seats.sections[seats.section[i]],
      row: seats.row[i],
      number: seats.number[i],
    });
  }

  price(i) {
    const [grade, , price] = this.seats.price[i];
    return `${grade} · ${price}`;
  }

  state(i) {
    const { seats, texts } = this;
    const parts = [texts.states[seats.state[i]]];
    const isClaimed = seats.state[i] > 0 && seats.state[i] < 4;
    if (seats.until[i]) parts.push(fill(texts.until, { time: this.clock.format(seats.until[i] * 1000) }));
    if (seats.blocked[i] && isClaimed) parts.push(texts.blockedLater);
    if (seats.blocked[i]) parts.push(seats.reason[i]);
    return parts.join(" · ");
  }

  all(i) {
    const parts = [this.seat(i), this.price(i), this.state(i)];
    if (this.seats.marks[i]) parts.push(this.texts.selected);
    return parts.join("\n");
  }
}
