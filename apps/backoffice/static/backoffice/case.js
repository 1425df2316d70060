// The filters of a case's timeline: they hide what is of another kind, and tell anew the times between.

const SECONDS_TOLD_MAX = 120;
const MINUTE = 60;

const units = JSON.parse(document.getElementById("case-units").textContent);
const bar = document.getElementById("case-filters");
const nothing = document.getElementById("case-nothing");
const events = [...document.querySelectorAll(".case-event")];
const buttons = [...bar.querySelectorAll("[data-filter]")];

function tellSpan(milliseconds) {
  let left = Math.max(Math.round(milliseconds / 1000), 0);
  const tell = (unit, count) => unit.replace("%(count)s", count);
  const seconds = units.at(-1)[1];
  if (left && left <= SECONDS_TOLD_MAX && left % MINUTE === 0) return tell(seconds, left);
  const told = [];
  for (const [size, unit] of units) {
    const count = Math.floor(left / size);
    left %= size;
    if (count) told.push(tell(unit, count));
  }
  return told.slice(0, 2).join(" ") || tell(seconds, 0);
}

function show(filter) {
  let before = null;
  for (const event of events) {
    event.hidden = filter !== "all" && event.dataset.group !== filter;
    if (event.hidden) continue;
    const at = Number(event.dataset.at);
    event.querySelector(".case-gap").textContent = before === null ? "" : `+${tellSpan(at - before)}`;
    before = at;
  }
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.filter === filter));
  nothing.hidden = before !== null;
}

for (const button of buttons) button.addEventListener("click", () => show(button.dataset.filter));
document.getElementById("case-print").addEventListener("click", () => window.print());
bar.hidden = false;
