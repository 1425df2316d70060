// How a seat looks: each grade has a shape and a colour of its own; a seat that is not free is a small cross.

import { CHOSEN, LOST } from "./state.js";

const KEPT = 64;
const SHAPES = [drawCircle, drawSquare, drawDiamond, drawTriangle, drawHexagon, drawUpsideDown];
const COLOUR_COUNT = 7; // and no multiple of the shapes, so that many grades look different
// The pictures before those of the grades.
const TAKEN_CODE = 0;
const LOST_CODE = 1;
const CHOSEN_CODE = 2;
const FIRST_GRADE_CODE = 3;

export class Skin {
  labelledFrom = 26;

  constructor(seats) {
    this.seats = seats;
    this.kept = new Map();
    seats.addEventListener("load", () => this.kept.clear());
  }

  recolour(element) {
    const style = getComputedStyle(element);
    const read = (name) => style.getPropertyValue(`--${name}`).trim();
    this.colours = {
      panel: read("panel"),
      text: read("text"),
      taken: read("seat-taken"),
      lost: read("error"),
      grades: Array.from({ length: COLOUR_COUNT }, (_, at) => read(`seat-${at}`)),
    };
    this.kept.clear();
  }

  codeOf(i) {
    const { marks, free, grade } = this.seats;
    if (marks[i] === CHOSEN) return CHOSEN_CODE;
    if (marks[i] === LOST) return LOST_CODE;
    return free[i] ? FIRST_GRADE_CODE + grade[i] : TAKEN_CODE;
  }

  ofSize(size, ratio) {
    if (!this.kept.has(size)) {
      if (this.kept.size >= KEPT) this.kept.clear();
      this.kept.set(size, this.makePictures(size, ratio));
    }
    return this.kept.get(size);
  }

  makePictures(size, ratio) {
    const count = FIRST_GRADE_CODE + this.seats.grades.length;
    const canvas = document.createElement("canvas");
    canvas.width = size * count;
    canvas.height = size;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.fillStyle = this.colours.panel;
    context.fillRect(0, 0, canvas.width, size);
    const labelled = size >= this.labelledFrom * ratio;
    for (let code = 0; code < count; code++) {
      context.save();
      context.beginPath();
      context.rect(code * size, 0, size, size);
      context.clip();
      const share = code === CHOSEN_CODE || code === LOST_CODE ? 0.5 : 0.92;
      const shape = size * (labelled ? 0.5 : share);
      if (code === CHOSEN_CODE) this.drawFrame(context, code * size, size);
      this.draw(context, code, code * size + (size - shape) / 2, labelled ? size * 0.1 : (size - shape) / 2, shape);
      context.restore();
    }
    return { pixels: new Uint32Array(context.getImageData(0, 0, canvas.width, size).data.buffer), stride: canvas.width };
  }

  drawFrame(context, left, size) {
    const width = Math.max(1, Math.round(size * 0.08));
    context.strokeStyle = this.colours.text;
    context.lineWidth = width;
    context.strokeRect(left + width / 2, width / 2, size - width, size - width);
  }

  draw(context, code, x, y, size) {
    const { taken, lost, grades } = this.colours;
    context.save();
    context.translate(x, y);
    context.scale(size, size);
    context.beginPath();
    if (code === TAKEN_CODE) drawCross(context, taken, 0.3, 0.12);
    else if (code === LOST_CODE) drawCross(context, lost, 0.05, 0.22);
    else if (code === CHOSEN_CODE) this.drawChosen(context);
    else {
      const grade = code - FIRST_GRADE_CODE;
      context.fillStyle = grades[grade % COLOUR_COUNT];
      SHAPES[grade % SHAPES.length](context);
      context.fill();
    }
    context.restore();
  }

  drawChosen(context) {
    context.fillStyle = this.colours.text;
    context.fillRect(0, 0, 1, 1);
    context.strokeStyle = this.colours.panel;
    context.lineWidth = 0.16;
    context.moveTo(0.2, 0.52);
    context.lineTo(0.42, 0.74);
    context.lineTo(0.8, 0.28);
    context.stroke();
  }

  /** Draw a mark of the legend: of a grade, or of the seats that are `taken` or `chosen`. */
  drawMark(canvas, what) {
    const code = { taken: TAKEN_CODE, chosen: CHOSEN_CODE }[what] ?? FIRST_GRADE_CODE + Number(what);
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    this.draw(context, code, 1, 1, canvas.width - 2);
  }
}

function drawCross(context, colour, inset, width) {
  context.strokeStyle = colour;
  context.lineWidth = width;
  context.moveTo(inset, inset);
  context.lineTo(1 - inset, 1 - inset);
  context.moveTo(1 - inset, inset);
  context.lineTo(inset, 1 - inset);
  context.stroke();
}

// The shapes of the grades, in a square of 1 by 1.

function drawCircle(context) {
  context.arc(0.5, 0.5, 0.46, 0, 2 * Math.PI);
}

function drawSquare(context) {
  context.rect(0.08, 0.08, 0.84, 0.84);
}

function drawDiamond(context) {
  drawPolygon(context, [[0.5, 0], [1, 0.5], [0.5, 1], [0, 0.5]]);
}

function drawTriangle(context) {
  drawPolygon(context, [[0.5, 0.04], [1, 0.94], [0, 0.94]]);
}

function drawHexagon(context) {
  drawPolygon(context, [[0.25, 0.08], [0.75, 0.08], [1, 0.5], [0.75, 0.92], [0.25, 0.92], [0, 0.5]]);
}

function drawUpsideDown(context) {
  drawPolygon(context, [[0, 0.06], [1, 0.06], [0.5, 0.96]]);
}

function drawPolygon(context, points) {
  for (const [x, y] of points) context.lineTo(x, y);
  context.closePath();
}
