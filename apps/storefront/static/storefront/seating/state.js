// The seats of a performance: what they are, whether they are free, and which the customer has chosen.

export const CHOSEN = 1;
export const LOST = 2; // chosen, but somebody was faster

export class Seats extends EventTarget {
  constructor() {
    super();
    this.clear();
  }

  clear() {
    this.performance = null;
    this.version = null;
    this.count = 0;
    this.list = [];
    this.at = new Map();
    this.sections = [];
    this.grades = [];
    this.section = [];
    this.row = [];
    this.number = [];
    this.xs = new Float64Array(0);
    this.ys = new Float64Array(0);
    this.free = new Uint8Array(0);
    this.grade = new Uint8Array(0);
    this.marks = new Uint8Array(0);
    this.chosen = []; // places, in the order in which they were chosen
  }

  /** Take all seats of a performance (`?include=all`), with none of them chosen. */
  load(performance, { results, version }) {
    this.clear();
    Object.assign(this, { performance, version, list: results, count: results.length });
    this.sections = [...new Set(results.map((seat) => seat.section))];
    this.grades = listGrades(results);
    const sectionOf = new Map(this.sections.map((name, at) => [name, at]));
    const gradeOf = new Map(this.grades.map(({ name }, at) => [name, at]));
    this.section = results.map((seat) => sectionOf.get(seat.section));
    this.row = results.map((seat) => seat.row);
    this.number = results.map((seat) => seat.number);
    this.xs = Float64Array.from(results, (seat) => seat.x);
    this.ys = Float64Array.from(results, (seat) => seat.y);
    this.free = Uint8Array.from(results, (seat) => seat.status === "available");
    this.grade = Uint8Array.from(results, (seat) => gradeOf.get(seat.grade));
    this.marks = new Uint8Array(this.count);
    results.forEach((seat, i) => this.at.set(seat.id, i));
    this.dispatchEvent(new Event("load"));
    this.dispatchEvent(new Event("change"));
  }

  /** Take what has changed (`?since=`). Returns false where a seat is new or sold otherwise: load again. */
  update({ results, version }) {
    if (results.some((seat) => !this.isKnown(seat))) return false;
    this.version = version;
    for (const { id, status } of results) this.free[this.at.get(id)] = status === "available" ? 1 : 0;
    if (results.length) this.dispatchEvent(new Event("change"));
    return true;
  }

  isKnown({ id, grade, price }) {
    const known = this.list[this.at.get(id)];
    return known !== undefined && known.grade === grade && known.price === price;
  }

  ids(places = this.chosen) {
    return places.map((i) => this.list[i].id);
  }

  total() {
    return this.chosen.reduce((sum, i) => sum + this.list[i].price, 0);
  }

  /** Choose these seats and no others. */
  choose(places) {
    for (const i of this.chosen) this.marks[i] = 0;
    for (const i of places) this.marks[i] = CHOSEN;
    this.chosen = [...places];
    this.dispatchEvent(new Event("change"));
  }

  toggle(i) {
    this.choose(this.marks[i] === CHOSEN ? this.chosen.filter((j) => j !== i) : [...this.chosen, i]);
  }

  /** Mark the seats that somebody else got, and take them from what is chosen. */
  lose(places) {
    this.choose(this.chosen.filter((i) => !places.includes(i)));
    for (const i of places) this.marks[i] = LOST;
    this.dispatchEvent(new Event("change"));
  }

  forgetLost() {
    for (let i = 0; i < this.count; i++) if (this.marks[i] === LOST) this.marks[i] = 0;
    this.dispatchEvent(new Event("change"));
  }

  /** Return how many seats of each grade are free. */
  countFree() {
    const counts = this.grades.map(() => 0);
    for (let i = 0; i < this.count; i++) counts[this.grade[i]] += this.free[i];
    return counts;
  }
}

/** Return the grades with their prices, the dearest first. */
function listGrades(seats) {
  const grades = new Map();
  for (const { grade: name, price } of seats) {
    const grade = grades.get(name);
    if (!grade) grades.set(name, { name, least: price, most: price });
    else Object.assign(grade, { least: Math.min(grade.least, price), most: Math.max(grade.most, price) });
  }
  return [...grades.values()].sort((a, b) => b.most - a.most || (a.name < b.name ? -1 : 1));
}
