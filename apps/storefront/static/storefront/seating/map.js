// The map: seats by pointer, touch and keyboard, and the buttons beside it.

import { Drawing } from "../../seating/drawing.js";
import { findNext } from "../../seating/geometry.js";
import { Input } from "../../seating/input.js";
import { find } from "../page.js";
import { Skin } from "./skin.js";

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const ZOOM_STEP = 1.4;
// Seats that are nearer to each other than this (CSS pixels) are not chosen but zoomed in to.
const TOO_NEAR = { mouse: 9, touch: 20 };
const NEAR_ENOUGH = 30;

export class SeatMap {
  constructor(seats, words, onPick) {
    Object.assign(this, { seats, words, onPick });
    this.canvas = find("seat-map");
    this.skin = new Skin(seats);
    this.drawing = new Drawing(this.canvas, seats, this.skin);
    new Input(this.canvas, this.drawing, {
      onPick: (i, where) => this.pick(i, where),
      onOver: (i, x, y) => this.showTip(i, x, y),
      onKey: (key) => this.useKey(key),
    });
    for (const button of document.querySelectorAll("[data-zoom]")) {
      button.addEventListener("click", () => this.zoom(button.dataset.zoom));
    }
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
    // For those who measure.
    this.canvas.seatMap = { drawing: this.drawing, seats };
    seats.addEventListener("load", () => {
      this.drawing.focus = this.drawing.over = -1;
      this.drawing.fit();
    });
  }

  recolour() {
    this.drawing.recolour();
    this.seats.dispatchEvent(new Event("recolour"));
  }

  zoom(how) {
    if (how === "fit") this.drawing.fit();
    else this.drawing.zoom(how === "in" ? ZOOM_STEP : 1 / ZOOM_STEP);
  }

  pick(i, { x, y, isTouch }) {
    const gap = this.drawing.gap();
    if (gap < (isTouch ? TOO_NEAR.touch : TOO_NEAR.mouse)) return this.drawing.zoom(NEAR_ENOUGH / gap, x, y);
    this.focus(i);
    return this.onPick(i);
  }

  focus(i) {
    this.drawing.focus = i;
    this.drawing.reveal(i);
  }

  useKey(key) {
    const { seats, drawing } = this;
    if (!seats.count) return false;
    const from = drawing.focus;
    if (ARROWS[key]) this.go(from < 0 ? this.findFirst() : findNext(seats, from, ...ARROWS[key]));
    else if ((key === " " || key === "Enter") && from >= 0) this.onPick(from);
    else return false;
    return true;
  }

  findFirst() {
    return this.seats.chosen[0] ?? Math.max(this.seats.free.indexOf(1), 0);
  }

  go(i) {
    if (i < 0) return;
    const gap = this.drawing.gap();
    if (gap < TOO_NEAR.touch) {
      this.drawing.reveal(i);
      this.drawing.zoom(NEAR_ENOUGH / gap, ...this.drawing.toCss(i));
    }
    this.focus(i);
    find("spoken").textContent = this.words.all(i);
  }

  showTip(i, x, y) {
    const tip = find("tip");
    if (this.drawing.over !== i) {
      this.drawing.over = i;
      this.drawing.request();
    }
    tip.hidden = i < 0;
    if (i < 0) return;
    tip.textContent = this.words.all(i);
    const { width, height } = this.canvas.getBoundingClientRect();
    tip.style.left = `${Math.max(0, Math.min(x + 14, width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${y + 18 + tip.offsetHeight > height ? y - tip.offsetHeight - 10 : y + 18}px`;
  }
}
