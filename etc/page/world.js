/* The people on the island: where each of them is, and where they walk. No drawing here.
 *
 * Everyone has a tile of their own as long as there are enough; who walks claims the next tile first, so
 * nobody bumps into anybody. Only those who are online walk.
 */
import { chance, seedOf } from './pixels.js';
import { hiddenBy } from './terrain.js';

const STRIDE_MS = 620;    /* from one tile to the next */
const HOP_MS = 320;
const DIRECTIONS = [[1, 0], [0, 1], [-1, 0], [0, -1]];

/** More figures than this are counted, but not drawn. */
export const MOST_FIGURES = 6000;

export class World {
  constructor(wardrobe) {
    this.wardrobe = wardrobe;
    this.figures = new Map();
    this.island = null;
    this.taken = null;
    this.calm = false;
  }

  /** When calm, everybody stays where they are. */
  setCalm(calm) {
    this.calm = calm;
    for (const figure of this.figures.values())
      if (calm)
        figure.walk = null;
  }

  /** Everybody moves to `island`; who stood somewhere that is still there stays. */
  settle(island) {
    this.island = island;
    this.taken = new Uint16Array(island.kind.length);
    for (const figure of this.figures.values()) {
      figure.placed = false;
      if (figure.gx !== undefined && this.isFree(figure.gx, figure.gy))
        this.stand(figure, figure.gx, figure.gy);
    }
    for (const figure of this.figures.values())
      if (!figure.placed)
        this.place(figure);
  }

  /** The whole list anew; who was here before keeps their place. */
  replace(users) {
    const old = this.figures;
    this.figures = new Map();
    if (this.taken)
      this.taken.fill(0);
    for (const user of users.slice(0, MOST_FIGURES))
      this.figures.set(user.uid, this.dress(old.get(user.uid) ?? { born: 0 }, user));
    if (this.island)
      this.settle(this.island);
  }

  update(user) {
    let figure = this.figures.get(user.uid);
    if (!figure) {
      if (this.figures.size >= MOST_FIGURES)
        return;
      figure = this.dress({ born: performance.now() }, user);
      this.figures.set(user.uid, figure);
      if (this.island)
        this.place(figure);
      return;
    }
    this.dress(figure, user);
  }

  remove(uid) {
    const figure = this.figures.get(uid);
    if (!figure)
      return;
    this.release(figure);
    this.figures.delete(uid);
  }

  dress(figure, user) {
    if (figure.color !== user.color)
      figure.look = this.wardrobe.look(user.color, seedOf(user.uid) >>> 3);
    if (figure.uid === undefined) {
      figure.luck = seedOf(user.uid);
      figure.left = chance(figure.luck, 5) > 0.5;
      figure.away = false;
      figure.walk = null;
      figure.rest = performance.now() + chance(figure.luck, 6) * 4000;
      figure.turn = 0;
    }
    return Object.assign(figure, user);
  }

  isFree(gx, gy) {
    return this.island.walkable(gx, gy) && this.taken[this.island.index(gx, gy)] === 0;
  }

  stand(figure, gx, gy) {
    figure.gx = gx;
    figure.gy = gy;
    figure.placed = true;
    figure.walk = null;
    this.taken[this.island.index(gx, gy)]++;
  }

  release(figure) {
    if (!this.island || !figure.placed)
      return;
    const i = this.island.index(figure.gx, figure.gy);
    if (this.taken[i])
      this.taken[i]--;
    figure.placed = false;
  }

  /** A place by the figure's own luck; in view and with room around it if that can be had. */
  place(figure) {
    const free = this.island.free;
    let best = null;
    for (let tries = 0; tries < 24; tries++) {
      const at = this.island.place(free[Math.floor(chance(figure.luck, tries, 77) * free.length)]);
      if (!this.isFree(at.gx, at.gy))
        continue;
      const hidden = this.island.hidden[this.island.index(at.gx, at.gy)];
      const around = this.crowdAround(at) + this.island.remoteness(at.gx, at.gy) * 1.5 + hidden * 3;
      if (!best || around < best.around)
        best = { ...at, around };
      if (around < 1)
        break;
    }
    if (!best) {
      const open = free.find((i) => !this.taken[i]) ?? free[figure.luck % free.length];
      best = this.island.place(open);
    }
    this.stand(figure, best.gx, best.gy);
  }

  crowdAround({ gx, gy }) {
    let crowd = 0;
    for (let dy = -2; dy <= 2; dy++)
      for (let dx = -2; dx <= 2; dx++) {
        const i = this.island.index(gx + dx, gy + dy);
        if (i >= 0 && this.taken[i])
          crowd++;
      }
    return crowd;
  }

  /** Does somebody stand where this prop hides them? */
  somebodyBehind({ gx, gy, prop }) {
    return hiddenBy(prop).some(([x, y]) => {
      const i = this.island.index(gx - x, gy - y);
      return i >= 0 && this.taken[i] > 0;
    });
  }

  /** Lets time pass. */
  tick(now) {
    for (const figure of this.figures.values()) {
      if (figure.walk && now >= figure.walk.until)
        this.arrive(figure, now);
      if (!figure.walk && figure.status === 'online' && now >= figure.rest)
        this.setOut(figure, now);
    }
  }

  arrive(figure, now) {
    figure.walk = null;
    figure.turn++;
    const goesOn = chance(figure.luck, figure.turn, 1) < 0.68;
    figure.rest = goesOn ? now : now + 700 + chance(figure.luck, figure.turn, 2) * 4200;
    if (!goesOn)
      figure.away = false;
  }

  setOut(figure, now) {
    if (this.calm || figure.speaksUntil > now) {
      figure.rest = now + 500;
      return;
    }
    figure.turn++;
    const goesOn = chance(figure.luck, figure.turn, 3) < 0.7;
    const ahead = goesOn ? figure.heading ?? 0 : Math.floor(chance(figure.luck, figure.turn, 4) * 4);
    const ways = [0, 1, 3, 2].map((turn) => {
      const heading = (ahead + turn) & 3;
      const [x, y] = DIRECTIONS[heading];
      return { heading, gx: figure.gx + x, gy: figure.gy + y };
    }).filter(({ gx, gy }) => this.isFree(gx, gy));
    const way = ways.find(({ gx, gy }) => !this.overlapsSomebody(gx, gy)) ?? ways[0];
    if (!way) {
      figure.rest = now + 1500;
      return;
    }
    const walk = { fromX: figure.gx, fromY: figure.gy, since: now, until: now + STRIDE_MS };
    this.release(figure);
    this.stand(figure, way.gx, way.gy);
    figure.walk = walk;
    figure.heading = way.heading;
    figure.left = way.heading === 1 || way.heading === 2;
    figure.away = way.heading >= 2;
  }

  /** Would somebody else's figure lie over one on this tile, or under it? */
  overlapsSomebody(gx, gy) {
    return [-1, 1].some((step) => {
      const i = this.island.index(gx + step, gy + step);
      return i >= 0 && this.taken[i] > 0;
    });
  }

  /** Someone says something: they stop, turn to us and hop. */
  speak(uid, now, forMs) {
    const figure = this.figures.get(uid);
    if (!figure)
      return;
    figure.away = false;
    figure.speaksUntil = now + Math.min(forMs, 3000);
    figure.hopSince = now;
  }

  /** Where a figure is right now, in tiles, with its height in the air and its stride (see figures.js). */
  where(figure, now) {
    const { walk } = figure;
    let lift = 0;
    const hop = now - figure.hopSince;
    if (!this.calm && hop >= 0 && hop < HOP_MS && figure.status !== 'offline')
      lift = Math.round(Math.sin((hop / HOP_MS) * Math.PI) * 4);
    if (!walk || now >= walk.until)
      return { gx: figure.gx, gy: figure.gy, lift, step: null };
    const part = Math.max(0, (now - walk.since) / STRIDE_MS);
    return {
      gx: walk.fromX + (figure.gx - walk.fromX) * part,
      gy: walk.fromY + (figure.gy - walk.fromY) * part,
      lift,
      step: Math.floor(part * 4),
    };
  }
}
