// The live seat map of a performance.

import { Drawing } from "../seating/drawing.js";
import { findNext } from "../seating/geometry.js";
import { Input } from "../seating/input.js";
import { Acts } from "./seat_map_acts.js";
import { List } from "./seat_map_list.js";
import { Live } from "./seat_map_live.js";
import { Panel } from "./seat_map_panel.js";
import { drawShape, readColours, Skin } from "./seat_map_shapes.js";
import { SELECTED, Seats } from "./seat_map_state.js";
import { Words } from "./seat_map_words.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const ZOOM_STEP = 1.4;

const root = document.getElementById("seat-map");
const setup = JSON.parse(document.getElementById("seat-map-setup").textContent);
const find = (name) => document.getElementById(`seat-map-${name}`);

const seats = new Seats();
const words = new Words(seats, setup);
const canvas = find("canvas");
const drawing = new Drawing(canvas, seats, new Skin(seats));
const panel = new Panel(root, seats, words, setup);
const live = new Live(seats, setup.seatsUrl, setup.pollMs, showState);
const acts = new Acts(root, seats, setup, { onDone: () => live.follow() });
const input = new Input(canvas, drawing, { onPick: (i) => pick(i), onRectangle: pickAll, onOver: showTip, onKey: useKey });
new List(root, seats, { texts: setup.texts, say: words, onPick: pickOne, onPickAll: pickAll, onShow: show });
let unit = "seat";
let focusId = 0;

function listUnit(i, name) {
  if (name === "row") return seats.listRow(i);
  if (name === "section") return seats.listSection(i);
  if (name === "reservation") return seats.listWhere((j) => seats.reservation[j] === seats.reservation[i]);
  return [i];
}

// A click or a key on a seat: selects it with its row or section, or chooses it as a new seat.
function pick(i, name = unit) {
  focus(i);
  if (acts.moving) acts.pickTarget(i);
  else seats.toggle(listUnit(i, name));
  find("spoken").textContent = words.all(i);
}

function pickOne(i) {
  pick(i, "seat");
  seats.dispatchEvent(new Event("change")); // a box that was refused is unticked again
}

function pickAll(places) {
  if (!acts.moving) seats.mark(places, SELECTED);
}

function focus(i) {
  focusId = seats.ids[i];
  drawing.focus = i;
  drawing.reveal(i);
  panel.show(i);
}

function show(i) {
  focus(i);
  find("seat").scrollIntoView({ block: "nearest" });
}

function showTip(i, x, y) {
  const tip = find("tip");
  if (drawing.over !== i) {
    drawing.over = i;
    drawing.request();
  }
  tip.hidden = i < 0;
  if (i < 0) return;
  tip.textContent = words.all(i);
  const box = canvas.getBoundingClientRect();
  tip.style.left = `${Math.max(0, Math.min(x + 14, box.width - tip.offsetWidth - 4))}px`;
  tip.style.top = `${y + 18 + tip.offsetHeight > box.height ? y - tip.offsetHeight - 10 : y + 18}px`;
}

function useKey(key) {
  if (!seats.count) return false;
  const from = seats.at.get(focusId) ?? -1;
  if (ARROWS[key]) {
    const next = from < 0 ? 0 : findNext(seats, from, ...ARROWS[key]);
    if (next >= 0) {
      focus(next);
      find("spoken").textContent = words.all(next);
    }
  } else if (key === "Escape") {
    if (acts.moving) acts.stopMove();
    else seats.unmarkAll();
  } else if (from < 0) return false;
  else if (key === " " || key === "Enter") pick(from, "seat");
  else if (key === "r" || key === "R") pick(from, "row");
  else if (key === "s" || key === "S") pick(from, "section");
  else return false;
  return true;
}

function showState(state) {
  const told = find("live");
  if (told.dataset.state === state) return;
  told.dataset.state = state;
  told.textContent = setup.texts[state];
}

function showCounts() {
  seats.countStates().forEach((count, state) => {
    find("legend").children[state].querySelector("b").textContent = count.toLocaleString(setup.language);
  });
}

function drawLegend() {
  const colours = readColours(canvas);
  [...find("legend").querySelectorAll("canvas")].forEach((mark, state) => {
    const context = mark.getContext("2d");
    context.clearRect(0, 0, 18, 18);
    drawShape(context, state, 1, 1, 16, colours);
  });
}

function press(group, chosen) {
  for (const button of group) button.setAttribute("aria-pressed", String(button === chosen));
}

function setView(button) {
  press(root.querySelectorAll("[data-view]"), button);
  const isMap = button.dataset.view === "map";
  for (const element of [find("stage"), find("help"), ...root.querySelectorAll(".seat-map-of-map")]) element.hidden = !isMap;
  find("list").hidden = isMap;
}

root.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  const { view, unit: chosen, tool, zoom, more } = button.dataset;
  const at = seats.at.get(panel.id) ?? -1;
  if (view) setView(button);
  else if (chosen) {
    unit = chosen;
    press(root.querySelectorAll("[data-unit]"), button);
  } else if (tool) {
    const on = input.tool !== tool;
    input.setTool(on ? tool : "pan");
    button.setAttribute("aria-pressed", String(on));
  } else if (zoom === "fit") drawing.fit();
  else if (zoom) drawing.zoom(zoom === "in" ? ZOOM_STEP : 1 / ZOOM_STEP);
  else if (more && at >= 0) pickAll(listUnit(at, more));
});

seats.addEventListener("load", () => {
  drawing.over = -1;
  drawing.focus = seats.at.get(focusId) ?? -1;
  if (!seats.count) find("told").textContent = setup.texts.empty;
});
seats.addEventListener("change", showCounts);
new MutationObserver(() => {
  drawing.recolour();
  drawLegend();
}).observe(document.documentElement, { attributeFilter: ["class"] });
drawLegend();
live.follow();
// For those who measure.
root.seatMap = { drawing, seats };
