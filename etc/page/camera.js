/* How the island meets the canvas: how large an island suits the space, at which scale, and what part of it shows.
 *
 * A world pixel is a whole number of device pixels (a part of one when zoomed far out), so that the pictures stay
 * crisp on every screen. Lengths here are device pixels unless they say "world".
 */

const HEADROOM = 36; /* world pixels above the island: a tree on the rim */
const FOOTROOM = 38; /* below its land: the wall and the least of what hangs there */
const WANTED_SCALES = [3, 2, 1.5, 1, 0.75]; /* CSS pixels per world pixel, best first */
const NAMED_CROWD = 30; /* up to so many people, each name is shown and needs room */
const STEPS = [0.125, 0.25, 1 / 3, 0.5, 1, 2, 3, 4, 5, 6, 8, 10, 12];

/** Tiles that a crowd wants to live well. */
function tilesFor(crowd) {
  if (crowd <= 6)
    return 38;
  return crowd <= NAMED_CROWD ? crowd * 6 : Math.max(180, crowd * 1.9);
}

export function namesFit(crowd) {
  return crowd <= NAMED_CROWD;
}

/** Size in world pixels of the island for `crowd` people on a canvas, and the scale to show it at. */
export function planIsland(width, height, ratio, crowd) {
  let plan = null;
  for (const wanted of WANTED_SCALES) {
    const scale = Math.max(1, Math.round(wanted * ratio));
    const wide = (width * 0.9) / scale;
    const deep = Math.max(60, (height / scale - HEADROOM - FOOTROOM) / 1.19);
    const tiles = ((wide * deep) / 256) * 0.68;
    plan = { scale, width: wide, height: deep };
    if (tiles >= tilesFor(crowd))
      return plan;
    plan.grow = Math.sqrt(tilesFor(crowd) / tiles);
  }
  return { scale: plan.scale, width: plan.width * plan.grow, height: plan.height * plan.grow };
}

export class Camera {
  constructor() {
    this.width = this.height = 1; /* what the island may take of the canvas; beyond `width` is the chat */
    this.scale = this.fitScale = 1;
    this.x = this.y = 0; /* the world point in the middle of the canvas */
    this.world = { left: 0, right: 1, top: 0, bottom: 1 };
  }

  /** A new island: `picture` as painted by Island.paint(). */
  show(picture, scale, width, height) {
    this.width = width;
    this.height = height;
    this.world = {
      left: -picture.x,
      right: picture.canvas.width - picture.x,
      top: -picture.y - HEADROOM,
      bottom: picture.bottom - picture.y,
    };
    this.fitScale = this.scale = scale;
    this.reset();
  }

  reset() {
    this.scale = this.fitScale;
    this.x = (this.world.left + this.world.right) / 2;
    this.y = (this.world.top + this.world.bottom) / 2;
    this.contain();
  }

  /** Is there more than the canvas shows? */
  get overflows() {
    return (this.world.right - this.world.left) * this.scale > this.width * 1.06 ||
      (this.world.bottom - this.world.top) * this.scale > this.height * 1.2;
  }

  contain() {
    const clamp = (value, low, high, space) => {
      const half = space / 2 / this.scale;
      if (high - low <= half * 2)
        return (low + high) / 2;
      return Math.min(high - half, Math.max(low + half, value));
    };
    this.x = clamp(this.x, this.world.left, this.world.right, this.width);
    this.y = clamp(this.y, this.world.top, this.world.bottom, this.height);
  }

  pan(dx, dy) {
    this.x -= dx / this.scale;
    this.y -= dy / this.scale;
    this.contain();
  }

  /** The scale at which all of the island shows, the first one unless that is too large. */
  fit() {
    const { left, right, top, bottom } = this.world;
    const whole = Math.min(this.width / (right - left), this.height / (bottom - top));
    this.reset();
    if (this.overflows)
      this.scale = STEPS.filter((s) => s <= whole).pop() ?? STEPS[0];
    this.contain();
  }

  /** One step in (1) or out (-1), around a point of the canvas. */
  zoom(step, px = this.width / 2, py = this.height / 2) {
    const steps = STEPS.filter((s) => s >= this.fitScale / 8 && s <= this.fitScale * 4);
    const at = steps.reduce((best, s, i) => (Math.abs(s - this.scale) < Math.abs(steps[best] - this.scale) ? i : best), 0);
    const next = steps[Math.max(0, Math.min(steps.length - 1, at + step))];
    const worldX = this.x + (px - this.width / 2) / this.scale;
    const worldY = this.y + (py - this.height / 2) / this.scale;
    this.scale = next;
    this.x = worldX - (px - this.width / 2) / next;
    this.y = worldY - (py - this.height / 2) / next;
    this.contain();
  }

  lookAt(worldX, worldY) {
    if (!this.overflows)
      return;
    this.x = worldX;
    this.y = worldY;
    this.contain();
  }

  /** What a canvas `canvasWidth` wide shows, in world pixels, with a margin. */
  sight(canvasWidth, margin) {
    const left = this.x - this.width / 2 / this.scale;
    const high = this.height / 2 / this.scale;
    return {
      left: left - margin,
      right: left + canvasWidth / this.scale + margin,
      top: this.y - high - margin,
      bottom: this.y + high + margin,
    };
  }

  toCanvas(worldX, worldY) {
    return {
      x: Math.round((worldX - this.x) * this.scale + this.width / 2),
      y: Math.round((worldY - this.y) * this.scale + this.height / 2),
    };
  }
}
