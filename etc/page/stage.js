/* The canvas: puts island, people, words and light together, frame by frame, and draws only what is in sight.
 *
 * Runs while the canvas can be seen. When calm (the visitor asked for reduced motion, or pressed pause) nothing moves
 * by itself: a frame is drawn when something has changed.
 */
import { Air, ellipse } from './air.js';
import { Backdrop } from './backdrop.js';
import { Camera, namesFit, planIsland } from './camera.js';
import { drawFigure, frameOf } from './figures.js';
import { paintOf } from './palette.js';
import { seedOf } from './pixels.js';
import { paintScenery } from './scenery.js';
import { Island, toWorld } from './terrain.js';
import { Words } from './words.js';

const FRAME_MS = 24;    /* people stroll: thirty pictures a second are plenty */
const APPEAR_MS = 350;
const RESIZE_MS = 120;
const VEIL = 0.42;      /* how solid a tree or lantern is that somebody stands behind */
const SIGN_SCALE = 0.5; /* farther out, the signs above the heads would be specks */
const SIGHT_MARGIN = 50; /* world pixels: the tallest thing that may reach into sight */

export class Stage {
  /** `coveredWidth()` answers how many CSS pixels at the right of the canvas lie under something else. */
  constructor(canvas, world, coveredWidth) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d', { alpha: false });
    this.world = world;
    this.coveredWidth = coveredWidth;
    this.camera = new Camera();
    this.backdrop = new Backdrop();
    this.air = new Air();
    this.words = new Words();
    this.key = '';
    this.crowd = 0;
    this.night = false;
    this.hovered = null;
    this.chosen = null;
    this.seen = [];
    this.visible = true;
    this.last = 0;
    this.asked = false;
    this.moved = false;
    this.resizing = this.later = 0;
    this.onBuilt = () => {};
    this.frame = this.frame.bind(this);
    new ResizeObserver(() => this.measure()).observe(canvas);
    new IntersectionObserver((entries) => {
      this.visible = entries[entries.length - 1].isIntersecting;
      this.redraw();
    }).observe(canvas);
  }

  /* -------------------------------------------------------------- what is to be shown ------------------------- */

  measure() {
    const box = this.canvas.getBoundingClientRect();
    const ratio = Math.min(4, window.devicePixelRatio || 1);
    const width = Math.max(1, Math.round(box.width * ratio));
    const height = Math.max(1, Math.round(box.height * ratio));
    const open = Math.max(1, width - Math.round(this.coveredWidth() * ratio));
    const size = [width, height, ratio, open].join();
    if (size === this.size)
      return;
    clearTimeout(this.resizing);
    if (this.size) {
      /* Somebody drags a window's edge: the old picture is stretched until the size settles. */
      this.resizing = setTimeout(() => this.resize(width, height, ratio, open, size), RESIZE_MS);
      return;
    }
    this.resize(width, height, ratio, open, size);
  }

  resize(width, height, ratio, open, size) {
    Object.assign(this, { ratio, open, size });
    this.canvas.width = width;
    this.canvas.height = height;
    this.build();
  }

  setNight(night) {
    this.night = night;
    this.build();
  }

  setCalm(calm) {
    this.world.setCalm(calm);
    this.redraw();
  }

  /** Shows a server; each has an island of its own, made of its `key`. */
  enter(key, crowd) {
    if (key === this.key && !this.outgrown(crowd))
      return;
    if (key !== this.key)
      this.words.hush();
    this.key = key;
    this.crowd = crowd;
    this.build();
  }

  /** Is the island too small, or by far too large, for so many? */
  outgrown(crowd) {
    return crowd > this.crowd * 1.25 + 8 || crowd < this.crowd * 0.5 - 8;
  }

  build() {
    if (!this.ratio)
      return;
    const { width, height } = this.canvas;
    const seed = seedOf(this.key);
    const plan = planIsland(this.open, height, this.ratio, this.crowd);
    const key = [seed, plan.width, plan.height, this.crowd].join();
    if (key !== this.islandKey) {
      this.islandKey = key;
      this.island = new Island({ seed, width: plan.width, height: plan.height, crowd: this.crowd });
      this.world.settle(this.island);
    }
    this.paint = paintOf(this.night);
    this.scenery = paintScenery(this.paint, seed);
    this.picture = this.island.paint(this.paint);
    this.props = this.island.props.map(({ gx, gy, prop }) => (
      { ...toWorld(gx, gy), gx, gy, depth: gx + gy, prop, sprite: this.scenery.props[prop] }));
    this.camera.show(this.picture, plan.scale, this.open, height);
    this.backdrop.paint(width, height, this.ratio, this.paint, this.scenery);
    this.words.configure(this.ratio, width, this.paint);
    this.shadow = ellipse(8, 4, this.paint.shadow);
    this.wideShadow = ellipse(12, 5, this.paint.shadow);
    this.onBuilt();
    this.redraw();
  }

  /** Someone says something. */
  say(uid, text) {
    const figure = this.world.figures.get(uid);
    if (!figure || !this.ratio)
      return;
    const now = performance.now();
    const stay = this.words.say(uid, namesFit(this.crowd) ? '' : figure.name, text, now);
    if (stay)
      this.world.speak(uid, now, stay);
    this.redraw();
  }

  choose(uid) {
    this.chosen = uid;
    const figure = this.world.figures.get(uid);
    if (figure?.placed) {
      const at = toWorld(figure.gx, figure.gy);
      this.camera.lookAt(at.x, at.y);
    }
    this.moved = true;
    this.redraw();
  }

  /* -------------------------------------------------------------- frames --------------------------------------- */

  /** Asks for a frame; asking twice does no harm. */
  redraw() {
    if (this.asked || !this.visible)
      return;
    this.asked = true;
    requestAnimationFrame(this.frame);
  }

  frame(now) {
    this.asked = false;
    if (!this.island || !this.visible)
      return;
    if (now - this.last >= FRAME_MS || this.world.calm || this.moved) {
      this.last = now;
      this.moved = false;
      this.world.tick(now);
      this.words.tick(now);
      this.draw(now);
    }
    if (!this.world.calm)
      this.redraw();
    else
      this.redrawIn(this.words.rest(now));
  }

  /** When nothing moves, the end of a bubble still shows. */
  redrawIn(ms) {
    clearTimeout(this.later);
    if (ms < Infinity)
      this.later = setTimeout(() => this.redraw(), ms + 20);
  }

  draw(now) {
    const { context, camera, words } = this;
    const { calm } = this.world;
    const movingTime = calm ? null : now;
    context.imageSmoothingEnabled = camera.scale < 1;
    this.backdrop.draw(context, movingTime);
    this.drawIsland();
    this.seen = this.gather(now);
    for (const item of this.seen)
      this.drawItem(item, now);
    this.air.draw(context, camera, this.island, this.paint, this.seen, movingTime);
    const people = this.seen.filter((item) => item.figure);
    words.drawPlates(context, people, camera.scale, namesFit(this.crowd), [this.hovered, this.chosen]);
    words.drawBubbles(context, people, camera.scale, now, calm);
  }

  drawIsland() {
    const { camera, picture, context } = this;
    const { scale } = camera;
    const corner = camera.toCanvas(-picture.x, -picture.y);
    const left = Math.max(0, Math.floor(-corner.x / scale));
    const top = Math.max(0, Math.floor(-corner.y / scale));
    const right = Math.min(picture.canvas.width, Math.ceil((this.canvas.width - corner.x) / scale));
    const bottom = Math.min(picture.canvas.height, Math.ceil((this.canvas.height - corner.y) / scale));
    if (right > left && bottom > top)
      context.drawImage(picture.canvas, left, top, right - left, bottom - top,
        corner.x + left * scale, corner.y + top * scale, (right - left) * scale, (bottom - top) * scale);
  }

  /** What is in sight, from the back to the front. */
  gather(now) {
    const { left, right, top, bottom } = this.camera.sight(this.canvas.width, SIGHT_MARGIN);
    const inSight = ({ x, y }) => x > left && x < right && y > top && y < bottom;
    const seen = this.props.filter(inSight);
    const flame = this.world.calm ? 1 : Math.floor(now / 130) % 4;
    seen.push({ x: 0, y: 0, depth: 0, fire: true, sprite: this.scenery.fire[flame] });
    for (const figure of this.world.figures.values()) {
      if (!figure.placed)
        continue;
      const { gx, gy, lift, step } = this.world.where(figure, now);
      const at = toWorld(gx, gy);
      if (inSight(at))
        seen.push({ ...at, depth: gx + gy, figure, lift, step });
    }
    return seen.sort((a, b) => a.depth - b.depth);
  }

  drawItem(item, now) {
    const { scale } = this.camera;
    const at = this.camera.toCanvas(item.x, item.y);
    item.at = at;
    if (scale >= 1)
      this.drawShadow(item.sprite?.canvas.width > 20 ? this.wideShadow : this.shadow, at.x, at.y);
    if (item.figure) {
      this.drawPerson(item, now);
      return;
    }
    if (item.prop !== undefined && this.world.somebodyBehind(item))
      this.context.globalAlpha = VEIL;
    this.drawSprite(item.sprite, at.x, at.y);
    this.context.globalAlpha = 1;
  }

  drawShadow(shadow, x, y) {
    const { scale } = this.camera;
    this.context.drawImage(shadow, x - (shadow.width / 2) * scale, y - (shadow.height / 2) * scale,
      shadow.width * scale, shadow.height * scale);
  }

  drawSprite({ canvas, x, y }, atX, atY) {
    const { scale } = this.camera;
    this.context.drawImage(canvas, atX - x * scale, atY - y * scale, canvas.width * scale, canvas.height * scale);
  }

  drawPerson({ figure, at, lift, step }, now) {
    const { scale } = this.camera;
    const { calm } = this.world;
    const frame = frameOf(step === null ? figure.status : 'online', {
      step,
      away: figure.away,
      left: figure.left,
      blink: !calm && (now + figure.luck) % 4300 < 130,
    });
    if (!calm && now - figure.born < APPEAR_MS)
      this.context.globalAlpha = Math.max(0, (now - figure.born) / APPEAR_MS);
    drawFigure(this.context, figure.look, frame, at.x, at.y + scale - lift * scale, scale);
    const sign = this.scenery.signs[figure.status];
    if (sign && scale >= SIGN_SCALE && step === null && !this.words.speaks(figure.uid)) {
      const bob = calm ? 0 : Math.round(Math.sin(now / 480 + figure.luck % 7)) * scale;
      const asleep = figure.status === 'offline';
      const aside = asleep ? (figure.left ? -7 : 7) : 0;
      const above = asleep ? 11 : figure.status === 'idle' ? 20 : 22;
      this.drawSprite(sign, at.x + aside * scale, at.y - above * scale + bob);
    }
    this.context.globalAlpha = 1;
  }

  /** The uid of the foremost figure at a point of the canvas, or null. */
  figureAt(x, y) {
    const { scale } = this.camera;
    for (let i = this.seen.length - 1; i >= 0; i--) {
      const { figure, at } = this.seen[i];
      if (figure && Math.abs(x - at.x) <= 8 * scale && y <= at.y + 3 * scale && y >= at.y - 21 * scale)
        return figure.uid;
    }
    return null;
  }
}
