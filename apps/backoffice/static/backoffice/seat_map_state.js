// The seats of the map: what they are, how they stand, and which of them are marked.

export const FREE = 0;
export const STATE_COUNT = 5;
export const SELECTED = 1;
export const LEAVING = 2; // a seat that its reservation is being moved from

export class Seats extends EventTarget {
  constructor() {
    super();
    this.version = null;
    this.clear();
  }

  clear() {
    this.count = 0;
    this.ids = [];
    this.at = new Map();
    this.sections = [];
    this.prices = [];
    this.section = [];
    this.row = [];
    this.number = [];
    this.price = [];
    this.xs = new Float64Array(0);
    this.ys = new Float64Array(0);
    this.state = new Uint8Array(0);
    this.blocked = new Uint8Array(0);
    this.marks = new Uint8Array(0);
    this.reservation = [];
    this.until = [];
    this.reason = [];
  }

  // Takes all seats; marks stay on those that were there before.
  load(answer) {
    const marked = this.listMarked().map((i) => [this.ids[i], this.marks[i]]);
    this.clear();
    const size = answer.seats.length;
    this.count = size;
    this.xs = new Float64Array(size);
    this.ys = new Float64Array(size);
    this.state = new Uint8Array(size);
    this.blocked = new Uint8Array(size);
    this.marks = new Uint8Array(size);
    this.reservation = new Array(size).fill(0);
    this.until = new Array(size).fill(0);
    this.reason = new Array(size).fill("");
    this.sections = answer.sections;
    answer.seats.forEach((row, i) => {
      this.at.set(row[0], i);
      this.write(i, row, answer);
    });
    this.setStates(answer.states);
    for (const [id, mark] of marked) if (this.at.has(id)) this.marks[this.at.get(id)] = mark;
    this.version = answer.version;
    this.dispatchEvent(new Event("load"));
    this.dispatchEvent(new Event("change"));
  }

  // Takes what has changed. Returns false where a seat is new, so that all must be loaded again.
  update(answer) {
    if (answer.seats.some((row) => !this.at.has(row[0]))) return false;
    this.version = answer.version;
    if (!answer.seats.length) return true;
    const sections = answer.sections.map((name) => {
      const known = this.sections.indexOf(name);
      return known < 0 ? this.sections.push(name) - 1 : known;
    });
    for (const row of answer.seats) {
      const moved = [...row];
      moved[1] = sections[row[1]];
      this.write(this.at.get(row[0]), moved, answer);
    }
    this.setStates(answer.states);
    this.dispatchEvent(new Event("change"));
    return true;
  }

  write(i, row, answer) {
    const [id, section, line, number, price, x, y] = row;
    this.ids[i] = id;
    this.section[i] = section;
    this.row[i] = line;
    this.number[i] = number;
    this.price[i] = answer.prices[price];
    this.xs[i] = x;
    this.ys[i] = y;
  }

  setStates(rows) {
    for (const [id, state, blocked, reason, reservation, until] of rows) {
      const i = this.at.get(id);
      this.state[i] = state;
      this.blocked[i] = blocked;
      this.reason[i] = reason;
      this.reservation[i] = reservation;
      this.until[i] = until;
    }
  }

  countStates() {
    const counts = new Array(STATE_COUNT).fill(0);
    for (let i = 0; i < this.count; i++) counts[this.state[i]]++;
    return counts;
  }

  listMarked(mark = null) {
    const found = [];
    for (let i = 0; i < this.count; i++) {
      if (this.marks[i] && (mark === null || this.marks[i] === mark)) found.push(i);
    }
    return found;
  }

  listWhere(test) {
    const found = [];
    for (let i = 0; i < this.count; i++) if (test(i)) found.push(i);
    return found;
  }

  listRow(i) {
    return this.listWhere((j) => this.section[j] === this.section[i] && this.row[j] === this.row[i]);
  }

  listSection(i) {
    return this.listWhere((j) => this.section[j] === this.section[i]);
  }

  // Marks the seats, or takes the mark from all of them where each has it.
  toggle(places, mark = SELECTED) {
    const on = places.some((i) => this.marks[i] !== mark);
    this.mark(places, on ? mark : 0);
  }

  mark(places, mark) {
    for (const i of places) this.marks[i] = mark;
    this.dispatchEvent(new Event("change"));
  }

  unmarkAll() {
    this.marks.fill(0);
    this.dispatchEvent(new Event("change"));
  }
}
