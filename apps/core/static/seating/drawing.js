// Draws the seats. A frame copies the picture of each seat that is in sight into one array of pixels, so
// its cost is bounded by the pixels of the canvas, not by the seats.
//
// `seats` is an EventTarget that tells of `load` and `change`, with `count`, `xs`, `ys`, `row`, `number`,
// `section` (each by place) and `sections` (the names). `skin` is how they look:
//   colours           {panel, text}, as `recolour(canvas)` has read them last
//   labelledFrom      the size, in CSS pixels, from which on a seat shows its number below its picture
//   ofSize(size, ratio)  {pixels, stride}: the pictures side by side, squares of `size` device pixels
//   codeOf(i)         which of them is the seat's

import { findPitch, listLabels } from "./geometry.js";

const SCALE_RANGE = 60; // CSS pixels from seat to seat, at most
const MARGIN = 24;
const FILL = 0.86; // of the distance between neighbours

export class Drawing {
  constructor(canvas, seats, skin) {
    this.canvas = canvas;
    this.seats = seats;
    this.skin = skin;
    this.context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
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
    this.recolour();
    seats.addEventListener("load", () => this.measure());
    seats.addEventListener("change", () => this.request());
  }

  /** Take other colours: the caller knows when they change. */
  recolour() {
    this.skin.recolour(this.canvas);
    this.colours = this.skin.colours;
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
    this.pitch = findPitch(this.seats);
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

  /** Return the CSS pixels from seat to seat. */
  gap() {
    return (this.pitch * this.scale) / this.ratio;
  }

  toMap(cssX, cssY) {
    return [
      this.x + (cssX * this.ratio - this.image.width / 2) / this.scale,
      this.y + (cssY * this.ratio - this.image.height / 2) / this.scale,
    ];
  }

  toCss(i) {
    return this.toDevice(i).map((place) => place / this.ratio);
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
    return this.listBetween(left, right, top, bottom);
  }

  listBetween(left, right, top, bottom) {
    const { xs, ys, count } = this.seats;
    const found = [];
    for (let i = 0; i < count; i++) {
      if (xs[i] >= left && xs[i] <= right && ys[i] >= top && ys[i] <= bottom) found.push(i);
    }
    return found;
  }

  request() {
    if (!this.asked && this.image) this.asked = requestAnimationFrame(() => this.draw());
  }

  draw() {
    this.asked = 0;
    this.frames++;
    const size = Math.max(2, Math.floor(this.pitch * this.scale * FILL));
    const sprites = this.skin.ofSize(size, this.ratio);
    const ground = this.groundPixel();
    this.pixels.fill(ground);
    this.copySeats(sprites, size, ground);
    this.context.putImageData(this.image, 0, 0);
    if (size >= this.skin.labelledFrom * this.ratio) this.drawNumbers(size);
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
    const { xs, ys, count } = this.seats;
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
      const picture = this.skin.codeOf(i) * size;
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
    return this.listBetween(left, right, top, bottom);
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
