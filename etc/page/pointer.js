/* Hands on the canvas: pointing at people, dragging the view, two fingers that zoom, and the keys that do the same. */

const DRAG_START = 5; /* CSS pixels before a press becomes a drag */
const KEY_STEP = 60;
const PINCH = 1.4; /* how much further apart two fingers are at the next zoom step */

export class Pointer {
  /** `onChoose(uid or null)` is called for a click on somebody, or beside everybody; `hint` says that one can drag. */
  constructor(stage, hint, onChoose) {
    this.stage = stage;
    this.hint = hint;
    this.onChoose = onChoose;
    this.dragged = false;
    this.press = null;
    this.fingers = new Map(); /* their places by pointer id, while they are down */
    this.spread = 0;          /* how far apart two of them were at the last zoom step */
    const { canvas } = stage;
    canvas.addEventListener('pointerdown', (event) => this.down(event));
    canvas.addEventListener('pointermove', (event) => this.move(event));
    canvas.addEventListener('pointerup', (event) => this.up(event));
    canvas.addEventListener('pointercancel', (event) => this.lift(event));
    canvas.addEventListener('pointerleave', () => this.hover(null));
    canvas.addEventListener('keydown', (event) => this.key(event));
    canvas.addEventListener('wheel', (event) => this.wheel(event), { passive: false });
  }

  /** A mouse event's place in device pixels of the canvas. */
  at(event) {
    const box = this.stage.canvas.getBoundingClientRect();
    return { x: (event.clientX - box.left) * this.stage.ratio, y: (event.clientY - box.top) * this.stage.ratio };
  }

  down(event) {
    if (event.button !== 0)
      return;
    this.stage.canvas.setPointerCapture(event.pointerId); /* its end is told here, wherever it ends */
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.press = null;
    if (this.fingers.size === 1)
      this.press = { x: event.clientX, y: event.clientY, dragging: false };
    else if (this.fingers.size === 2)
      this.spread = this.span();
  }

  lift(event) {
    this.fingers.delete(event.pointerId);
    this.press = null;
  }

  /** The distance between two fingers. */
  span() {
    const [a, b] = this.fingers.values();
    return Math.max(1, Math.hypot(a.x - b.x, a.y - b.y));
  }

  pinch() {
    const apart = this.span() / this.spread;
    if (apart < PINCH && apart > 1 / PINCH)
      return;
    const [a, b] = this.fingers.values();
    const { x, y } = this.at({ clientX: (a.x + b.x) / 2, clientY: (a.y + b.y) / 2 });
    this.spread = this.span();
    this.zoom(apart > 1 ? 1 : -1, x, y);
  }

  move(event) {
    const { stage, press, fingers } = this;
    if (fingers.has(event.pointerId))
      fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (fingers.size === 2) {
      this.pinch();
      return;
    }
    if (!press) {
      const { x, y } = this.at(event);
      this.hover(stage.figureAt(x, y));
      return;
    }
    const dx = event.clientX - press.x;
    const dy = event.clientY - press.y;
    if (!press.dragging && Math.hypot(dx, dy) < DRAG_START)
      return;
    press.dragging = true;
    press.x = event.clientX;
    press.y = event.clientY;
    this.shift(dx, dy);
  }

  up(event) {
    const { press } = this;
    this.lift(event);
    if (!press || press.dragging)
      return;
    const { x, y } = this.at(event);
    this.onChoose(this.stage.figureAt(x, y));
  }

  hover(uid) {
    const { stage } = this;
    if (uid === stage.hovered)
      return;
    stage.hovered = uid;
    stage.canvas.classList.toggle('pointing', uid !== null);
    stage.redraw();
  }

  shift(dx, dy) {
    this.dragged = this.hint.hidden = true;
    this.stage.camera.pan(dx * this.stage.ratio, dy * this.stage.ratio);
    this.stage.moved = true;
    this.stage.redraw();
  }

  zoom(step, x, y) {
    this.stage.camera.zoom(step, x, y);
    this.changed();
  }

  fit() {
    this.stage.camera.fit();
    this.changed();
  }

  changed() {
    const { overflows } = this.stage.camera;
    this.stage.moved = true;
    this.stage.canvas.classList.toggle('roomy', overflows);
    this.hint.hidden = !overflows || this.dragged;
    this.stage.redraw();
  }

  /** Zooms with Ctrl (also a pinch on a touchpad); a plain wheel scrolls the page. */
  wheel(event) {
    if (!event.ctrlKey)
      return;
    event.preventDefault();
    const { x, y } = this.at(event);
    if (Math.abs(event.deltaY) > 2)
      this.zoom(event.deltaY < 0 ? 1 : -1, x, y);
  }

  key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey)
      return;
    const moves = { ArrowLeft: [KEY_STEP, 0], ArrowRight: [-KEY_STEP, 0], ArrowUp: [0, KEY_STEP], ArrowDown: [0, -KEY_STEP] };
    if (moves[event.key] && this.stage.camera.overflows)
      this.shift(...moves[event.key]);
    else if (event.key === '+' || event.key === '=')
      this.zoom(1);
    else if (event.key === '-')
      this.zoom(-1);
    else if (event.key === '0')
      this.fit();
    else if (event.key === 'Escape')
      this.onChoose(null);
    else
      return;
    event.preventDefault();
  }
}
