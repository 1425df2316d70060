// The form of a seating plan: sections come and go, and the picture follows what is typed.

const PAUSE_MS = 250;
const FIELDS_THAT_PASS_ON = ["grade", "rows", "seats_per_row", "aisles", "curve"];
const AISLE = 2;

const form = document.getElementById("plan-form");
const settings = JSON.parse(document.getElementById("plan-settings").textContent);
const list = document.getElementById("plan-section-list");
const total = form.querySelector("[name=sections-TOTAL_FORMS]");

let timer = 0;
let asking = null;

function showSource() {
  const chosen = form.querySelector("[name=source]:checked");
  const fromFile = chosen !== null && chosen.value === "file";
  document.getElementById("plan-file").hidden = !fromFile;
  document.getElementById("plan-sections").hidden = fromFile;
}

function listItems(id, texts) {
  const items = texts.map((text) => {
    const item = document.createElement("li");
    item.textContent = text;
    return item;
  });
  const holder = document.getElementById(id);
  holder.replaceChildren();
  if (items.length) {
    const listed = document.createElement("ul");
    listed.append(...items);
    holder.append(listed);
  }
}

function showGrades(grades) {
  const items = grades.map((grade) => {
    const item = document.createElement("li");
    const key = document.createElement("span");
    key.className = `plan-key plan-colour-${grade.colour}`;
    key.setAttribute("aria-hidden", "true");
    item.append(key, `${grade.name}: ${grade.seats}`);
    return item;
  });
  document.getElementById("plan-grades").replaceChildren(...items);
}

function show(drawn) {
  const frame = document.getElementById("plan-picture");
  listItems("plan-problems", drawn.problems);
  listItems("plan-notes", drawn.notes);
  // What is wrong leaves the last picture, pale, to compare with.
  frame.classList.toggle("plan-stale", drawn.problems.length > 0);
  if (drawn.problems.length) return;
  const picture = new DOMParser().parseFromString(drawn.picture, "image/svg+xml");
  frame.replaceChildren(...(drawn.picture ? [document.importNode(picture.documentElement, true)] : []));
  document.getElementById("plan-count").textContent = drawn.count;
  showGrades(drawn.grades);
}

async function draw() {
  if (asking) asking.abort();
  asking = new AbortController();
  try {
    const answer = await fetch(settings.preview, {
      method: "POST",
      body: new FormData(form),
      signal: asking.signal,
      headers: { Accept: "application/json" },
    });
    if (!answer.ok) throw new Error(String(answer.status));
    show(await answer.json());
  } catch (error) {
    if (error.name !== "AbortError") listItems("plan-problems", [settings.failed]);
  }
}

function drawSoon() {
  clearTimeout(timer);
  timer = setTimeout(draw, PAUSE_MS);
}

function field(section, name) {
  return section.querySelector(`[name$="-${name}"]`);
}

function nextName(name) {
  const letter = /^[A-Y]$/.exec(name);
  if (letter) return String.fromCharCode(name.charCodeAt(0) + 1);
  const counted = /^(.*?)(\d+)$/.exec(name);
  return counted ? counted[1] + (Number(counted[2]) + 1) : "";
}

function addSection() {
  const index = Number(total.value);
  const template = document.getElementById("plan-section-new").innerHTML;
  const holder = document.createElement("div");
  holder.innerHTML = template.replaceAll("__prefix__", String(index));
  const section = holder.firstElementChild;
  const shown = [...list.children].filter((other) => !other.hidden);
  const last = shown.at(-1);
  if (last) {
    // A new section is like the last one, behind it.
    for (const name of FIELDS_THAT_PASS_ON) field(section, name).value = field(last, name).value;
    field(section, "name").value = nextName(field(last, "name").value);
    field(section, "x").value = field(last, "x").value;
    const behind = Number(field(last, "y").value) + Number(field(last, "rows").value) - 1 + AISLE;
    field(section, "y").value = String(behind);
  }
  list.append(section);
  total.value = String(index + 1);
  field(section, "name").focus();
  drawSoon();
}

function removeSection(section) {
  field(section, "DELETE").checked = true;
  section.hidden = true;
  drawSoon();
}

if (list) {
  form.addEventListener("input", drawSoon);
  form.addEventListener("change", () => {
    showSource();
    drawSoon();
  });
  document.getElementById("plan-section-add").addEventListener("click", addSection);
  list.addEventListener("click", (event) => {
    const button = event.target.closest(".plan-section-remove");
    if (button) removeSection(button.closest(".plan-section"));
  });
  for (const box of list.querySelectorAll("[name$='-DELETE']:checked")) {
    box.closest(".plan-section").hidden = true;
  }
  showSource();
}
