// Pointers, wheel and keyboard on the map. What a click or a key means is the caller's:
//   onPick(seat, {x, y, isTouch})   a click or tap; onOver(seat, x, y) where the mouse is, -1 where no seat is
//   onKey(key)                      returns whether it means something
//   onRectangle(seats)              a rectangle was drawn; left out where there is nothing to do with one

const STILL = 5; // CSS pixels that a click may stray
const WHEEL_STEP = 0.0015;
const KEY_ZOOM = 1.4;

export class Input {
  constructor(canvas, drawing, { onPick, onRectangle, onOver, onKey }) {
    Object.assign(this, { canvas, drawing, onPick, onRectangle, onOver, onKey });
    this.pointers = new Map();
    this.tool = "pan";
    const on = (name, listener, options) => canvas.addEventListener(name, listener.bind(this), options);
    on("pointerdown", this.press);
    on("pointermove", this.move);
    on("pointerup", this.lift);
    on("pointercancel", this.lift);
    on("pointerleave", () => this.onOver(-1));
    on("wheel", this.wheel, { passive: false });
    on("keydown", this.key);
  }

  setTool(tool) {
    this.tool = tool;
    this.canvas.dataset.tool = tool;
  }

  at(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  press(event) {
    if (event.button) return;
    this.canvas.setPointerCapture(event.pointerId);
    const [x, y] = this.at(event);
    this.pointers.set(event.pointerId, { x, y, startX: x, startY: y });
    this.dragging = false;
    this.pinched = this.pointers.size > 1;
    this.draws = this.onRectangle && !this.pinched && (event.shiftKey || this.tool === "rectangle");
  }

  move(event) {
    const [x, y] = this.at(event);
    const pointer = this.pointers.get(event.pointerId);
    if (!pointer) {
      const seat = this.drawing.seatAt(x, y);
      this.canvas.toggleAttribute("data-over", seat >= 0);
      this.onOver(seat, x, y);
      return;
    }
    const far = Math.hypot(x - pointer.startX, y - pointer.startY) > STILL;
    if (far && !this.dragging) {
      this.dragging = true;
      this.canvas.dataset.drag = "";
      this.onOver(-1);
    }
    if (this.pointers.size === 2) this.pinch(event.pointerId, x, y);
    else if (this.dragging && this.draws) this.stretch(pointer, x, y);
    else if (this.dragging) this.drawing.pan(x - pointer.x, y - pointer.y);
    if (this.dragging || this.pinched) Object.assign(pointer, { x, y });
  }

  stretch(pointer, x, y) {
    this.drawing.rectangle = { x0: pointer.startX, y0: pointer.startY, x1: x, y1: y };
    this.drawing.request();
  }

  pinch(id, x, y) {
    const [other] = [...this.pointers].filter(([key]) => key !== id).map(([, pointer]) => pointer);
    const before = this.pointers.get(id);
    const apart = Math.hypot(x - other.x, y - other.y) / (Math.hypot(before.x - other.x, before.y - other.y) || 1);
    const middle = [(x + other.x) / 2, (y + other.y) / 2];
    this.drawing.zoom(apart, ...middle);
    this.drawing.pan((x - before.x) / 2, (y - before.y) / 2);
  }

  lift(event) {
    const pointer = this.pointers.get(event.pointerId);
    if (!pointer) return;
    this.pointers.delete(event.pointerId);
    delete this.canvas.dataset.drag;
    const { rectangle } = this.drawing;
    this.drawing.rectangle = null;
    if (rectangle && event.type === "pointerup") this.onRectangle(this.drawing.listInside(rectangle));
    else if (!this.dragging && !this.pinched && event.type === "pointerup") {
      const isTouch = event.pointerType === "touch";
      const { startX: x, startY: y } = pointer;
      const seat = this.drawing.seatAt(x, y, isTouch ? 10 : 2);
      if (seat >= 0) this.onPick(seat, { x, y, isTouch });
    }
    this.drawing.request();
  }

  wheel(event) {
    event.preventDefault();
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 16 : 1;
    this.drawing.zoom(Math.exp(-event.deltaY * lines * WHEEL_STEP), ...this.at(event));
  }

  key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "+" || event.key === "=") this.drawing.zoom(KEY_ZOOM);
    else if (event.key === "-") this.drawing.zoom(1 / KEY_ZOOM);
    else if (event.key === "0") this.drawing.fit();
    else if (!this.onKey(event.key)) return;
    event.preventDefault();
  }
}
