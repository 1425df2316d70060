// How a seat looks: each state has a colour and a shape of its own.

import { LEAVING, STATE_COUNT } from "./seat_map_state.js";

const LABELLED_FROM = 26; // CSS pixels: from here on a seat shows its number below its shape
const VARIANTS = 3; // unmarked, selected, leaving
const KEPT = 64;

export function readColours(element) {
  const style = getComputedStyle(element);
  const read = (name) => style.getPropertyValue(`--encore-${name}`).trim();
  return {
    states: ["free", "held", "reserved", "sold", "blocked"].map(read),
    panel: read("panel"),
    text: read("text"),
    muted: read("muted"),
  };
}

// Draws the shape of a state into a square; `later` is the stroke of a seat that is off sale once free.
export function drawShape(context, state, x, y, size, colours, later = false) {
  const middle = size / 2;
  context.fillStyle = context.strokeStyle = colours.states[state];
  context.beginPath();
  if (state === 0) {
    context.arc(x + middle, y + middle, size * 0.46, 0, 2 * Math.PI);
    context.fill();
  } else if (state === 1) {
    context.moveTo(x + middle, y + size * 0.04);
    context.lineTo(x + size, y + size * 0.94);
    context.lineTo(x, y + size * 0.94);
    context.fill();
  } else if (state === 2) {
    context.moveTo(x + middle, y);
    context.lineTo(x + size, y + middle);
    context.lineTo(x + middle, y + size);
    context.lineTo(x, y + middle);
    context.fill();
  } else if (state === 3) {
    context.fillRect(x + size * 0.06, y + size * 0.06, size * 0.88, size * 0.88);
  } else {
    context.lineWidth = Math.max(1, size * 0.22);
    context.moveTo(x + size * 0.14, y + size * 0.14);
    context.lineTo(x + size * 0.86, y + size * 0.86);
    context.moveTo(x + size * 0.86, y + size * 0.14);
    context.lineTo(x + size * 0.14, y + size * 0.86);
    context.stroke();
  }
  if (later) {
    context.strokeStyle = colours.panel;
    context.lineWidth = Math.max(1, size * 0.16);
    context.beginPath();
    context.moveTo(x + size * 0.8, y + size * 0.2);
    context.lineTo(x + size * 0.2, y + size * 0.8);
    context.stroke();
  }
}

// How the map draws its seats: pictures of all of one size, as pixels, which a frame copies.
export class Skin {
  labelledFrom = LABELLED_FROM;

  constructor(seats) {
    this.seats = seats;
    this.kept = new Map();
  }

  recolour(element) {
    this.colours = readColours(element);
    this.kept.clear();
  }

  codeOf(i) {
    const { state, blocked, marks } = this.seats;
    return codeOf(state[i], blocked[i], marks[i]);
  }

  ofSize(size, ratio) {
    if (!this.kept.has(size)) {
      if (this.kept.size >= KEPT) this.kept.clear();
      this.kept.set(size, makeSprites(size, ratio, this.colours));
    }
    return this.kept.get(size);
  }
}

function codeOf(state, blocked, mark) {
  return (mark * 2 + (blocked && state !== STATE_COUNT - 1 ? 1 : 0)) * STATE_COUNT + state;
}

function makeSprites(size, ratio, colours) {
  const count = VARIANTS * 2 * STATE_COUNT;
  const canvas = document.createElement("canvas");
  canvas.width = size * count;
  canvas.height = size;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = colours.panel;
  context.fillRect(0, 0, canvas.width, size);
  const labelled = size >= LABELLED_FROM * ratio;
  for (let mark = 0; mark < VARIANTS; mark++) {
    for (const later of [0, 1]) {
      for (let state = 0; state < STATE_COUNT; state++) {
        if (later && state === STATE_COUNT - 1) continue; // it is off sale already
        const left = codeOf(state, later, mark) * size;
        context.save();
        context.beginPath();
        context.rect(left, 0, size, size);
        context.clip();
        drawMark(context, mark, left, size, labelled ? 0.06 : 0.12, colours);
        const shape = size * (labelled ? 0.38 : mark ? 0.58 : 0.9);
        drawShape(context, state, left + (size - shape) / 2, labelled ? size * 0.12 : (size - shape) / 2, shape, colours, Boolean(later));
        context.restore();
      }
    }
  }
  const pixels = new Uint32Array(context.getImageData(0, 0, canvas.width, size).data.buffer);
  return { pixels, stride: canvas.width };
}

// A selected seat has a frame, one that is left a broken frame.
function drawMark(context, mark, left, size, thickness, colours) {
  if (!mark) return;
  const width = Math.max(1, Math.round(size * thickness));
  context.strokeStyle = colours.text;
  context.lineWidth = width;
  context.setLineDash(mark === LEAVING ? [size * 0.24, size * 0.16] : []);
  context.strokeRect(left + width / 2, width / 2, size - width, size - width);
  context.setLineDash([]);
}
