/* The canvas: puts island, people, words and light together, frame by frame, and draws only what is in sight.
 *
 * Runs while the canvas can be seen. When calm (the visitor asked for reduced motion, or pressed pause) nothing moves
 * by itself: a frame is drawn when something has changed.
 */
import { Backdrop } from './backdrop.js';
import { Camera, namesFit, planIsland } from './camera.js';
import { drawFigure, frameOf } from './figures.js';
import { Lettering } from './lettering.js';
import { paintOf } from './palette.js';
import { chance, seedOf } from './pixels.js';
import { paintScenery } from './scenery.js';
import { LANTERN } from './scenery.js';
import { Island, toWorld } from './terrain.js';

const FRAME_MS = 24;   /* people stroll: thirty pictures a second are plenty */
const BUBBLE_MS = 5200;
const FADE_MS = 350;
const MOST_BUBBLES = 24;

function ellipse(rx, ry, color) {
  const canvas = document.createElement('canvas');
  canvas.width = rx * 2;
  canvas.height = ry * 2;
  const context = canvas.getContext('2d');
  context.fillStyle = color;
  for (let y = 0; y < ry * 2; y++) {
    const half = Math.round(Math.sqrt(1 - ((y + 0.5 - ry) / ry) ** 2) * rx);
    context.fillRect(rx - half, y, half * 2, 1);
  }
  return canvas;
}

function glow(color) {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 128;
  const context = canvas.getContext('2d');
  const light = context.createRadialGradient(64, 64, 0, 64, 64, 64);
  light.addColorStop(0, `rgba(${color}, 0.55)`);
  light.addColorStop(0.4, `rgba(${color}, 0.2)`);
  light.addColorStop(1, `rgba(${color}, 0)`);
  context.fillStyle = light;
  context.fillRect(0, 0, 128, 128);
  return canvas;
}

export class Stage {
  constructor(canvas, world) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d', { alpha: false });
    this.world = world;
    this.camera = new Camera();
    this.backdrop = new Backdrop();
    this.lettering = new Lettering();
    this.bubbles = new Map();
    this.name = '';
    this.crowd = 0;
    this.night = false;
    this.hovered = null;
    this.chosen = null;
    this.visible = true;
    this.last = 0;
    this.asked = false;
    this.onResize = () => {};
    new ResizeObserver(() => this.measure()).observe(canvas);
    new IntersectionObserver(([entry]) => {
      this.visible = entry.isIntersecting;
      this.redraw();
    }).observe(canvas);
    this.frame = this.frame.bind(this);
  }

  measure() {
    const box = this.canvas.getBoundingClientRect();
    const ratio = Math.min(4, window.devicePixelRatio || 1);
    const width = Math.max(1, Math.round(box.width * ratio));
    const height = Math.max(1, Math.round(box.height * ratio));
    if (width === this.canvas.width && height === this.canvas.height && ratio === this.ratio)
      return;
    this.ratio = ratio;
    this.canvas.width = width;
    this.canvas.height = height;
    this.build();
  }

  setNight(night) {
    this.night = night;
    this.build();
  }

  setCalm(calm) {
    this.world.calm = calm;
    this.redraw();
  }

  /** Another server: another island. */
  enter(name, crowd) {
    if (name !== this.name) {
      this.bubbles.clear();
      this.hovered = this.chosen = null;
    } else if (this.island && !this.outgrown(crowd)) {
      return;
    }
    this.name = name;
    this.crowd = crowd;
    this.build();
  }

  /** Is the island too small, or by far too large, for so many? */
  outgrown(crowd) {
    return crowd > this.crowd * 1.25 + 8 || crowd < this.crowd * 0.5 - 8;
  }

  crowdChanged(crowd) {
    if (this.outgrown(crowd))
      this.enter(this.name, crowd);
  }

  build() {
    if (!this.ratio)
      return;
    const { width, height } = this.canvas;
    const seed = seedOf(this.name);
    const plan = planIsland(width, height, this.ratio, this.crowd);
    const key = [seed, plan.width, plan.height, this.crowd].join();
    this.paint = paintOf(this.night);
    this.scenery = paintScenery(this.paint, seed);
    if (key !== this.islandKey) {
      this.islandKey = key;
      this.island = new Island({ seed, width: plan.width, height: plan.height, crowd: this.crowd });
      this.world.settle(this.island);
    }
    this.picture = this.island.paint(this.paint);
    this.props = this.island.props.map((prop) => ({ ...prop, ...toWorld(prop.gx, prop.gy), depth: prop.gx + prop.gy, sprite: this.scenery.props[prop.prop] }));
    this.camera.show(this.picture, plan.scale, width, height);
    this.backdrop.paint(width, height, this.ratio, this.paint, this.scenery);
    this.lettering.configure(this.ratio, width, this.paint);
    this.shadow = ellipse(8, 4, this.paint.shadow);
    this.wideShadow = ellipse(12, 5, this.paint.shadow);
    this.glow = glow('255, 176, 84');
    for (const bubble of this.bubbles.values())
      bubble.image = this.lettering.bubble(bubble.name, bubble.text);
    this.onResize();
    this.redraw();
  }

  /** Someone says something. */
  say(uid, text) {
    const figure = this.world.figures.get(uid);
    if (!figure || !this.ratio)
      return;
    const now = performance.now();
    this.world.speak(uid, now, BUBBLE_MS);
    this.bubbles.delete(uid);
    if (this.bubbles.size >= MOST_BUBBLES)
      this.bubbles.delete(this.bubbles.keys().next().value);
    const name = namesFit(this.crowd) ? '' : figure.name;
    this.bubbles.set(uid, { name, text, since: now, until: now + BUBBLE_MS + Math.min(4000, text.length * 40), image: this.lettering.bubble(name, text) });
    this.redraw();
    if (this.world.calm)
      setTimeout(() => this.redraw(), BUBBLE_MS + 4100);
  }

  choose(uid) {
    this.chosen = uid;
    const figure = this.world.figures.get(uid);
    if (figure?.placed) {
      const at = toWorld(figure.gx, figure.gy);
      this.camera.lookAt(at.x, at.y);
    }
    this.redraw();
  }

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
      this.draw(now);
    }
    if (!this.world.calm)
      this.redraw();
  }

  draw(now) {
    const { context, camera } = this;
    const calm = this.world.calm;
    context.imageSmoothingEnabled = false;
    this.backdrop.draw(context, calm ? null : now);
    this.drawIsland();
    const seen = this.gather(now);
    for (const item of seen)
      this.drawItem(item, now, calm);
    this.seen = seen;
    if (this.paint.night)
      this.drawLights(now, calm);
    this.drawAir(now, calm);
    this.drawPlates(seen);
    this.drawBubbles(seen, now, calm);
    context.imageSmoothingEnabled = camera.scale < 1;
  }

  drawIsland() {
    const { camera, picture, context } = this;
    const { scale } = camera;
    const corner = camera.toCanvas(-picture.x, -picture.y);
    const left = Math.max(0, Math.floor(-corner.x / scale));
    const top = Math.max(0, Math.floor(-corner.y / scale));
    const right = Math.min(picture.canvas.width, Math.ceil((camera.width - corner.x) / scale));
    const bottom = Math.min(picture.canvas.height, Math.ceil((camera.height - corner.y) / scale));
    if (right > left && bottom > top)
      context.drawImage(picture.canvas, left, top, right - left, bottom - top,
        corner.x + left * scale, corner.y + top * scale, (right - left) * scale, (bottom - top) * scale);
  }

  /** What is in sight, from the back to the front. */
  gather(now) {
    const { camera } = this;
    const margin = 50;
    const left = camera.x - camera.width / 2 / camera.scale - margin;
    const right = camera.x + camera.width / 2 / camera.scale + margin;
    const top = camera.y - camera.height / 2 / camera.scale - margin;
    const bottom = camera.y + camera.height / 2 / camera.scale + margin;
    const inSight = ({ x, y }) => x > left && x < right && y > top && y < bottom;
    const seen = this.props.filter(inSight);
    const fire = this.scenery.fire[this.world.calm ? 1 : Math.floor(now / 130) % 4];
    seen.push({ x: 0, y: 0, depth: 0, sprite: fire });
    for (const figure of this.world.figures.values()) {
      if (!figure.placed)
        continue;
      const at = this.world.where(figure, now);
      const { x, y } = toWorld(at.gx, at.gy);
      if (inSight({ x, y }))
        seen.push({ x, y, depth: at.gx + at.gy, figure, lift: at.lift, step: at.step });
    }
    return seen.sort((a, b) => a.depth - b.depth);
  }

  picture1(sprite, x, y) {
    const { scale } = this.camera;
    this.context.drawImage(sprite.canvas, x - sprite.x * scale, y - sprite.y * scale,
      sprite.canvas.width * scale, sprite.canvas.height * scale);
  }

  drawItem(item, now, calm) {
    const { context, camera } = this;
    const { scale } = camera;
    const at = camera.toCanvas(item.x, item.y);
    item.at = at;
    const shadow = item.figure ? this.shadow : item.sprite.canvas.width > 20 ? this.wideShadow : this.shadow;
    context.drawImage(shadow, at.x - (shadow.width / 2) * scale, at.y - (shadow.height / 2) * scale, shadow.width * scale, shadow.height * scale);
    if (!item.figure) {
      this.picture1(item.sprite, at.x, at.y);
      return;
    }
    const { figure } = item;
    const walking = item.step !== null;
    const frame = frameOf(walking ? 'online' : figure.status, {
      step: item.step,
      away: figure.away,
      left: figure.left,
      blink: !calm && (now + figure.luck) % 4300 < 130,
    });
    const fresh = now - figure.born;
    if (!calm && fresh < FADE_MS)
      context.globalAlpha = Math.max(0, fresh / FADE_MS);
    drawFigure(context, figure.look, frame, at.x, at.y + scale - item.lift * scale, scale);
    const sign = this.scenery.signs[figure.status];
    if (sign && !this.bubbles.has(figure.uid)) {
      const bob = calm ? 0 : Math.round(Math.sin(now / 480 + figure.luck % 7)) * scale;
      const above = figure.status === 'offline' ? 11 : figure.status === 'idle' ? 20 : 22;
      this.picture1(sign, at.x + (figure.status === 'offline' ? 7 * scale * (figure.left ? -1 : 1) : 0), at.y - above * scale + bob);
    }
    context.globalAlpha = 1;
  }

  drawLights(now, calm) {
    const { context, camera } = this;
    const shine = (x, y, radius) => {
      const at = camera.toCanvas(x, y);
      const size = radius * camera.scale;
      context.drawImage(this.glow, at.x - size, at.y - size * 0.7, size * 2, size * 1.4);
    };
    context.globalCompositeOperation = 'lighter';
    context.imageSmoothingEnabled = true;
    shine(0, -6, 88 + (calm ? 0 : Math.sin(now / 170) * 3));
    for (const item of this.seen)
      if (item.prop === LANTERN)
        shine(item.x, item.y - 16, 42);
    context.globalCompositeOperation = 'source-over';
    context.imageSmoothingEnabled = false;
  }

  /** Fireflies at night, glitter on the water at any time. */
  drawAir(now, calm) {
    const { context, camera, island } = this;
    const unit = Math.max(1, Math.round(camera.scale));
    const time = calm ? 9000 : now;
    context.fillStyle = this.paint.water[2];
    for (const { gx, gy } of island.waters) {
      const beat = Math.floor(time / 700 + chance(gx, gy) * 9);
      if (chance(gx, gy, beat) < 0.6)
        continue;
      const { x, y } = toWorld(gx, gy);
      const at = camera.toCanvas(x + chance(gx, beat) * 12 - 6, y + 3 + chance(gy, beat) * 5 - 2);
      context.fillRect(at.x, at.y, unit * 4, unit);
    }
    if (!this.paint.night)
      return;
    const flies = Math.min(40, 8 + Math.floor(island.free.length / 25));
    for (let n = 0; n < flies; n++) {
      const bright = Math.sin(time / 600 + n * 2.4);
      if (bright < -0.2)
        continue;
      const home = island.place(island.free[Math.floor(chance(n, 4, 2) * island.free.length)]);
      const { x, y } = toWorld(home.gx, home.gy);
      const at = camera.toCanvas(x + Math.sin(time / 2300 + n) * 18, y - 12 + Math.cos(time / 1700 + n * 3) * 8);
      context.fillStyle = `rgba(255, 240, 150, ${0.35 + 0.6 * Math.max(0, bright)})`;
      context.fillRect(at.x, at.y, unit, unit);
    }
  }

  /** Name plates below the feet; none over another, those in front first. */
  drawPlates(seen) {
    const { context, camera } = this;
    const all = namesFit(this.crowd);
    const placed = [];
    const put = (item, full) => {
      const image = this.lettering.plate(item.figure.name + (full && item.figure.uid === this.hovered ? '' : ''), full);
      const x = Math.round(Math.min(camera.width - image.width, Math.max(0, item.at.x - image.width / 2)));
      for (const y of [item.at.y + 3 * camera.scale, item.at.y + 3 * camera.scale + image.height]) {
        const free = placed.every((p) => x >= p.x + p.width || x + image.width <= p.x || y >= p.y + p.height || y + image.height <= p.y);
        if (!free && !full)
          continue;
        placed.push({ x, y, width: image.width, height: image.height });
        context.drawImage(image, x, y);
        return;
      }
    };
    const wanted = (item) => item.figure.uid === this.hovered || item.figure.uid === this.chosen;
    const people = seen.filter((item) => item.figure);
    for (const item of people)
      if (wanted(item))
        put(item, true);
    if (all)
      for (let i = people.length - 1; i >= 0; i--)
        if (!wanted(people[i]))
          put(people[i], false);
  }

  drawBubbles(seen, now, calm) {
    const { context, camera } = this;
    for (const [uid, bubble] of this.bubbles)
      if (now > bubble.until)
        this.bubbles.delete(uid);
    if (!this.bubbles.size)
      return;
    const placed = [];
    for (let i = seen.length - 1; i >= 0; i--) {
      const item = seen[i];
      const bubble = item.figure && this.bubbles.get(item.figure.uid);
      if (!bubble)
        continue;
      const { image } = bubble;
      const tall = item.figure.status === 'offline' ? 12 : 22;
      const x = Math.round(Math.min(camera.width - image.width, Math.max(0, item.at.x - image.width / 2)));
      let y = item.at.y - (tall + item.lift) * camera.scale - image.height;
      for (const other of placed)
        if (x < other.x + other.width && x + image.width > other.x && y < other.y + other.height && y + image.height > other.y)
          y = other.y - image.height;
      y = Math.max(0, y);
      placed.push({ x, y, width: image.width, height: image.height });
      context.globalAlpha = calm ? 1 : Math.max(0, Math.min(1, (now - bubble.since) / 150, (bubble.until - now) / FADE_MS));
      context.drawImage(image, x, y);
      context.globalAlpha = 1;
    }
  }

  /** The uid of the foremost figure at a point of the canvas, or null. */
  figureAt(x, y) {
    const { scale } = this.camera;
    for (let i = (this.seen?.length ?? 0) - 1; i >= 0; i--) {
      const { figure, at } = this.seen[i];
      if (figure && Math.abs(x - at.x) <= 8 * scale && y <= at.y + 3 * scale && y >= at.y - 21 * scale)
        return figure.uid;
    }
    return null;
  }
}
