// Draws the seats. A frame copies the picture of each seat that is in sight into one array of pixels, so
// its cost is bounded by the pixels of the canvas, not by the seats.

import { LABELLED_FROM, Sprites, codeOf, readColours } from "./seat_map_shapes.js";

const SCALE_RANGE = 60; // CSS pixels from seat to seat, at most
const MARGIN = 24;
const FILL = 0.86; // of the distance between neighbours

export class Drawing {
  constructor(canvas, seats) {
    this.canvas = canvas;
    this.seats = seats;
    this.context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    this.sprites = new Sprites();
    this.focus = -1;
    this.over = -1;
    this.rectangle = null;
    this.scale = 1;
    this.x = 0;
    this.y = 0;
    this.pitch = 1;
    this.asked = 0;
    this.frames = 0;
    this.fitted = true;
    new ResizeObserver(() => this.resize()).observe(canvas);
    new MutationObserver(() => this.recolour()).observe(document.documentElement, { attributeFilter: ["class"] });
    this.recolour();
    seats.addEventListener("load", () => this.measure());
    seats.addEventListener("change", () => this.request());
  }

  recolour() {
    this.colours = readColours(this.canvas);
    this.sprites.forget();
    this.request();
  }

  resize() {
    const ratio = window.devicePixelRatio || 1;
    const width = Math.max(1, Math.round(this.canvas.clientWidth * ratio));
    const height = Math.max(1, Math.round(this.canvas.clientHeight * ratio));
    if (this.image && this.image.width === width && this.image.height === height) return;
    this.ratio = ratio;
    this.canvas.width = width;
    this.canvas.height = height;
    this.image = this.context.createImageData(width, height);
    this.pixels = new Uint32Array(this.image.data.buffer);
    if (this.fitted) this.fit();
    else this.request();
  }

  // Learns where the seats are, and shows all of them where nobody has moved the map.
  measure() {
    const { xs, ys, count } = this.seats;
    let [left, right, top, bottom] = [Infinity, -Infinity, Infinity, -Infinity];
    for (let i = 0; i < count; i++) {
      left = Math.min(left, xs[i]);
      right = Math.max(right, xs[i]);
      top = Math.min(top, ys[i]);
      bottom = Math.max(bottom, ys[i]);
    }
    this.house = count ? { left, right, top, bottom } : { left: 0, right: 1, top: 0, bottom: 1 };
    this.pitch = this.seats.pitch();
    this.labels = listLabels(this.seats);
    if (this.fitted) this.fit();
  }

  fit() {
    this.fitted = true;
    if (!this.house || !this.image) return;
    const { left, right, top, bottom } = this.house;
    const width = this.image.width - 2 * MARGIN * this.ratio;
    const height = this.image.height - 2 * MARGIN * this.ratio;
    this.least = Math.min(width / (right - left + this.pitch), height / (bottom - top + this.pitch));
    this.scale = Math.min(this.least, this.most());
    this.least = this.scale;
    this.x = (left + right) / 2;
    this.y = (top + bottom) / 2;
    this.request();
  }

  most() {
    return (SCALE_RANGE * this.ratio) / this.pitch;
  }

  // Moves the map by CSS pixels; its middle never leaves the house.
  pan(dx, dy) {
    this.fitted = false;
    this.x -= (dx * this.ratio) / this.scale;
    this.y -= (dy * this.ratio) / this.scale;
    this.keepInside();
    this.request();
  }

  keepInside() {
    if (!this.house) return;
    this.x = Math.min(Math.max(this.x, this.house.left), this.house.right);
    this.y = Math.min(Math.max(this.y, this.house.top), this.house.bottom);
  }

  // Zooms so that the point at these CSS pixels stays where it is.
  zoom(factor, cssX = this.canvas.clientWidth / 2, cssY = this.canvas.clientHeight / 2) {
    if (!this.image) return;
    const [x, y] = this.toMap(cssX, cssY);
    this.scale = Math.min(Math.max(this.scale * factor, this.least * 0.5), this.most());
    const [newX, newY] = this.toMap(cssX, cssY);
    this.x += x - newX;
    this.y += y - newY;
    this.fitted = false;
    this.keepInside();
    this.request();
  }

  toMap(cssX, cssY) {
    return [
      this.x + (cssX * this.ratio - this.image.width / 2) / this.scale,
      this.y + (cssY * this.ratio - this.image.height / 2) / this.scale,
    ];
  }

  toCss(i) {
    return [
      ((this.seats.xs[i] - this.x) * this.scale + this.image.width / 2) / this.ratio,
      ((this.seats.ys[i] - this.y) * this.scale + this.image.height / 2) / this.ratio,
    ];
  }

  // Brings a seat into sight.
  reveal(i) {
    const [x, y] = this.toCss(i);
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    const dx = x < MARGIN ? MARGIN - x : x > width - MARGIN ? width - MARGIN - x : 0;
    const dy = y < MARGIN ? MARGIN - y : y > height - MARGIN ? height - MARGIN - y : 0;
    if (dx || dy) this.pan(dx, dy);
    else this.request();
  }

  // The seat at these CSS pixels, or near enough for a finger; -1 where there is none.
  seatAt(cssX, cssY, reachCss = 2) {
    if (!this.image) return -1;
    const [x, y] = this.toMap(cssX, cssY);
    const reach = this.pitch / 2 + (reachCss * this.ratio) / this.scale;
    let best = -1;
    let least = reach;
    for (let i = 0; i < this.seats.count; i++) {
      const far = Math.max(Math.abs(this.seats.xs[i] - x), Math.abs(this.seats.ys[i] - y));
      if (far < least) {
        least = far;
        best = i;
      }
    }
    return best;
  }

  listInside(rectangle) {
    const [left, top] = this.toMap(Math.min(rectangle.x0, rectangle.x1), Math.min(rectangle.y0, rectangle.y1));
    const [right, bottom] = this.toMap(Math.max(rectangle.x0, rectangle.x1), Math.max(rectangle.y0, rectangle.y1));
    const { xs, ys } = this.seats;
    return this.seats.listWhere((i) => xs[i] >= left && xs[i] <= right && ys[i] >= top && ys[i] <= bottom);
  }

  request() {
    if (!this.asked && this.image) this.asked = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.asked = 0;
    this.frames++;
    const size = Math.max(2, Math.floor(this.pitch * this.scale * FILL));
    const sprites = this.sprites.ofSize(size, this.ratio, this.colours);
    const ground = sprites.pixels.length ? this.groundPixel() : 0;
    this.pixels.fill(ground);
    this.copySeats(sprites, size, ground);
    this.context.putImageData(this.image, 0, 0);
    if (size >= LABELLED_FROM * this.ratio) this.drawNumbers(size);
    else this.drawSections();
    this.drawRings(size);
    // For those who measure: when the first frame with seats was drawn.
    if (this.seats.count && !this.drawnAt) {
      this.drawnAt = performance.now();
      performance.mark("seat-map-drawn");
    }
  }

  groundPixel() {
    if (this.groundOf !== this.colours) {
      this.context.fillStyle = this.colours.panel;
      this.context.fillRect(0, 0, 1, 1);
      this.ground = new Uint32Array(this.context.getImageData(0, 0, 1, 1).data.buffer)[0];
      this.groundOf = this.colours;
    }
    return this.ground;
  }

  copySeats({ pixels: source, stride }, size, ground) {
    const { xs, ys, state, blocked, marks, count } = this.seats;
    const { width, height } = this.image;
    const target = this.pixels;
    // Rounded once for the whole map and once for each seat, so that seats do not tremble while it moves.
    const shiftX = Math.round(width / 2 - this.x * this.scale) - (size >> 1);
    const shiftY = Math.round(height / 2 - this.y * this.scale) - (size >> 1);
    for (let i = 0; i < count; i++) {
      const left = Math.round(xs[i] * this.scale) + shiftX;
      const top = Math.round(ys[i] * this.scale) + shiftY;
      if (left <= -size || top <= -size || left >= width || top >= height) continue;
      const fromX = left < 0 ? -left : 0;
      const toX = left + size > width ? width - left : size;
      const fromY = top < 0 ? -top : 0;
      const toY = top + size > height ? height - top : size;
      const picture = codeOf(state[i], blocked[i], marks[i]) * size;
      for (let y = fromY; y < toY; y++) {
        let from = y * stride + picture + fromX;
        let to = (top + y) * width + left + fromX;
        for (let x = fromX; x < toX; x++, from++, to++) {
          if (source[from] !== ground) target[to] = source[from];
        }
      }
    }
  }

  listInSight(margin) {
    const [left, top] = this.toMap(-margin, -margin);
    const [right, bottom] = this.toMap(this.canvas.clientWidth + margin, this.canvas.clientHeight + margin);
    const { xs, ys } = this.seats;
    return this.seats.listWhere((i) => xs[i] > left && xs[i] < right && ys[i] > top && ys[i] < bottom);
  }

  toDevice(i) {
    return [
      (this.seats.xs[i] - this.x) * this.scale + this.image.width / 2,
      (this.seats.ys[i] - this.y) * this.scale + this.image.height / 2,
    ];
  }

  drawNumbers(size) {
    const context = this.context;
    context.fillStyle = this.colours.text;
    context.font = `${Math.round(size * 0.3)}px sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    for (const i of this.listInSight(size)) {
      const [x, y] = this.toDevice(i);
      context.fillText(this.seats.number[i], x, y + size * 0.37, size * 0.86);
    }
  }

  drawSections() {
    const context = this.context;
    context.font = `600 ${13 * this.ratio}px sans-serif`;
    context.textAlign = "center";
    context.textBaseline = "bottom";
    context.lineWidth = 4 * this.ratio;
    context.strokeStyle = this.colours.panel;
    context.fillStyle = this.colours.text;
    for (const { name, x, y, width } of this.labels ?? []) {
      const left = (x - this.x) * this.scale + this.image.width / 2;
      const top = (y - this.y) * this.scale + this.image.height / 2 - this.pitch * this.scale * 0.5;
      if (left < 0 || left > this.image.width || top < 0 || top > this.image.height + 20) continue;
      if (width * this.scale < name.length * 6 * this.ratio) continue;
      context.strokeText(name, left, top);
      context.fillText(name, left, top);
    }
  }

  drawRings(size) {
    const context = this.context;
    for (const [i, width] of [[this.over, 1.5], [this.focus, 3]]) {
      if (i < 0 || i >= this.seats.count) continue;
      const [x, y] = this.toDevice(i);
      const half = size / 2 + 3 * this.ratio;
      context.strokeStyle = this.colours.text;
      context.lineWidth = width * this.ratio;
      context.strokeRect(x - half, y - half, 2 * half, 2 * half);
    }
    if (this.rectangle) {
      const { x0, y0, x1, y1 } = this.rectangle;
      context.strokeStyle = this.colours.text;
      context.lineWidth = this.ratio;
      context.setLineDash([4 * this.ratio, 3 * this.ratio]);
      context.strokeRect(x0 * this.ratio, y0 * this.ratio, (x1 - x0) * this.ratio, (y1 - y0) * this.ratio);
      context.setLineDash([]);
    }
  }
}

// Where the name of each section stands: above the middle of its first row.
function listLabels(seats) {
  const boxes = seats.sections.map((name) => ({ name, left: Infinity, right: -Infinity, y: Infinity }));
  for (let i = 0; i < seats.count; i++) {
    const box = boxes[seats.section[i]];
    box.left = Math.min(box.left, seats.xs[i]);
    box.right = Math.max(box.right, seats.xs[i]);
    box.y = Math.min(box.y, seats.ys[i]);
  }
  return boxes.map(({ name, left, right, y }) => ({ name, y, x: (left + right) / 2, width: right - left }));
}
