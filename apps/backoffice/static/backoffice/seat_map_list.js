// The seats as a table, a row of the house a page, for whoever does not use the map.

export class List {
  constructor(root, seats, { texts, say, onPick, onPickAll, onShow }) {
    Object.assign(this, { root, seats, texts, say, onPick, onPickAll, onShow });
    this.find = (name) => root.querySelector(`#seat-map-${name}`);
    this.body = this.find("rows");
    this.page = 0;
    this.find("list-section").addEventListener("change", (event) => this.goToSection(Number(event.target.value)));
    this.find("list-row").addEventListener("change", (event) => this.show(Number(event.target.value)));
    this.find("list-back").addEventListener("click", () => this.show(this.page - 1));
    this.find("list-on").addEventListener("click", () => this.show(this.page + 1));
    this.find("list-all").addEventListener("click", () => this.onPickAll(this.pages[this.page]?.places ?? []));
    this.body.addEventListener("change", (event) => this.onPick(Number(event.target.closest("tr").dataset.at)));
    this.body.addEventListener("click", (event) => {
      if (event.target.closest("button")) this.onShow(Number(event.target.closest("tr").dataset.at));
    });
    seats.addEventListener("load", () => this.paginate());
    seats.addEventListener("change", () => this.refresh());
  }

  paginate() {
    const { seats } = this;
    const pages = new Map();
    for (let i = 0; i < seats.count; i++) {
      const key = `${seats.section[i]} ${seats.row[i]}`;
      if (!pages.has(key)) pages.set(key, { section: seats.section[i], row: seats.row[i], places: [] });
      pages.get(key).places.push(i);
    }
    this.pages = [...pages.values()].sort((a, b) => a.section - b.section || a.places[0] - b.places[0]);
    this.find("list-section").replaceChildren(
      ...seats.sections.map((name, section) => new Option(name, section)),
    );
    this.show(Math.min(this.page, this.pages.length - 1));
  }

  goToSection(section) {
    this.show(this.pages.findIndex((page) => page.section === section));
  }

  show(page) {
    if (!this.pages[page]) return;
    this.page = page;
    const { section } = this.pages[page];
    this.find("list-section").value = section;
    this.find("list-row").replaceChildren(
      ...this.pages.flatMap((each, at) => (each.section === section ? [new Option(each.row, at, false, at === page)] : [])),
    );
    this.find("list-back").disabled = page === 0;
    this.find("list-on").disabled = page === this.pages.length - 1;
    this.body.replaceChildren(...this.pages[page].places.map((i) => this.makeRow(i)));
    this.refresh();
  }

  makeRow(i) {
    const { seats } = this;
    const row = document.createElement("tr");
    row.dataset.at = i;
    const box = document.createElement("input");
    box.type = "checkbox";
    box.setAttribute("aria-label", this.say.seat(i));
    const more = document.createElement("button");
    more.type = "button";
    more.textContent = this.texts.show;
    more.setAttribute("aria-label", `${this.texts.show}: ${this.say.seat(i)}`);
    const [grade, , price] = seats.price[i];
    for (const content of [box, seats.number[i], grade, price, "", more]) {
      row.insertCell().append(content);
    }
    return row;
  }

  // Writes what may have changed into the rows that are there: the keyboard stays where it is.
  refresh() {
    for (const row of this.body.rows) {
      const i = Number(row.dataset.at);
      const mark = this.seats.marks[i];
      row.cells[0].firstChild.checked = Boolean(mark);
      row.toggleAttribute("data-mark", Boolean(mark));
      const state = this.say.state(i);
      if (row.cells[4].textContent !== state) row.cells[4].textContent = state;
    }
  }
}
