/* The island: which tiles it has, what grows on them, and its picture.
 *
 * Tiles lie on a grid (gx, gy); in the picture a tile is a diamond of 32 by 16 world pixels, gx runs to the lower
 * right and gy to the lower left. The same seed and size always make the same island.
 */
import { Pixels, chance, smoothChance } from './pixels.js';
import { LANTERN, SMALL, TREES } from './scenery.js';

export const TILE_X = 16;
export const TILE_Y = 8;

const FACE = 9;       /* pixels of earth seen below an edge */
const WATER_DEPTH = 3;
const MAX_HALF = 110; /* tiles from the middle to the rim, at most */

export const NOTHING = 0;
export const GRASS = 1;
export const PATH = 2;
export const WATER = 3;

const BEHIND_TREE = [[1, 1], [2, 2], [1, 0], [0, 1], [2, 1], [1, 2]];
const BEHIND_LANTERN = [[1, 1]];

/** Tiles on which a prop hides a person, counted from the prop's own towards the back. */
export function hiddenBy(prop) {
  return TREES.includes(prop) ? BEHIND_TREE : prop === LANTERN ? BEHIND_LANTERN : [];
}

/** Where the middle of a tile is in world pixels, seen from the middle of tile 0, 0. */
export function toWorld(gx, gy) {
  return { x: (gx - gy) * TILE_X, y: (gx + gy) * TILE_Y };
}

export class Island {
  /** `width`, `height`: of the wanted island in world pixels; `crowd`: how many people have to find a place. */
  constructor({ seed, width, height, crowd }) {
    this.seed = seed;
    this.across = Math.min(MAX_HALF, Math.max(4, width / 2 / TILE_X));
    this.along = Math.min(MAX_HALF, Math.max(4, height / 2 / TILE_Y));
    this.half = Math.ceil((this.across + this.along) / 2) + 2;
    this.side = this.half * 2 + 1;
    this.kind = new Uint8Array(this.side * this.side);
    this.blocked = new Uint8Array(this.side * this.side);
    this.hidden = new Uint8Array(this.side * this.side);
    this.props = [];
    this.waters = [];
    this.shape();
    this.dig();
    this.plant(crowd);
    this.free = [];
    for (let i = 0; i < this.kind.length; i++)
      if (this.kind[i] && this.kind[i] !== WATER && !this.blocked[i])
        this.free.push(i);
  }

  index(gx, gy) {
    if (gx < -this.half || gy < -this.half || gx > this.half || gy > this.half)
      return -1;
    return (gy + this.half) * this.side + gx + this.half;
  }

  place(index) {
    return { gx: (index % this.side) - this.half, gy: Math.floor(index / this.side) - this.half };
  }

  kindAt(gx, gy) {
    const i = this.index(gx, gy);
    return i < 0 ? NOTHING : this.kind[i];
  }

  walkable(gx, gy) {
    const i = this.index(gx, gy);
    return i >= 0 && this.kind[i] !== NOTHING && this.kind[i] !== WATER && !this.blocked[i];
  }

  /** 0 in the middle, 1 at the rim. */
  remoteness(gx, gy) {
    const u = Math.abs(gx - gy) / this.across;
    const v = Math.abs(gx + gy) / this.along;
    return (u ** 1.8 + v ** 1.8) ** (1 / 1.8);
  }

  each(visit) {
    for (let gy = -this.half; gy <= this.half; gy++)
      for (let gx = -this.half; gx <= this.half; gx++)
        if (this.kindAt(gx, gy))
          visit(gx, gy, this.index(gx, gy));
  }

  shape() {
    const within = new Uint8Array(this.kind.length);
    const bay = Math.max(3.2, this.half / 6); /* tiles: large islands have wide bays, not a frayed rim */
    for (let gy = -this.half; gy <= this.half; gy++) {
      for (let gx = -this.half; gx <= this.half; gx++) {
        const ragged = (smoothChance(gx / bay, gy / bay, this.seed) - 0.5) * 0.22;
        if (this.remoteness(gx, gy) < 0.95 + ragged)
          within[this.index(gx, gy)] = 1;
      }
    }
    /* Only what hangs together with the middle: no crumbs in the air. */
    const next = [[0, 0]];
    this.kind[this.index(0, 0)] = GRASS;
    while (next.length) {
      const [x, y] = next.pop();
      for (const [gx, gy] of [[x + 1, y], [x - 1, y], [x, y + 1], [x, y - 1]]) {
        const i = this.index(gx, gy);
        if (i >= 0 && within[i] && !this.kind[i]) {
          this.kind[i] = GRASS;
          next.push([gx, gy]);
        }
      }
    }
    this.closeGaps();
    this.closeGaps();
  }

  /** What has land on three sides becomes land: no slits in the rim, no holes to the sky. */
  closeGaps() {
    const gaps = [];
    for (let gy = -this.half; gy <= this.half; gy++)
      for (let gx = -this.half; gx <= this.half; gx++) {
        const around = [[1, 0], [-1, 0], [0, 1], [0, -1]].filter(([x, y]) => this.kindAt(gx + x, gy + y));
        if (!this.kindAt(gx, gy) && around.length >= 3)
          gaps.push(this.index(gx, gy));
      }
    for (const i of gaps)
      this.kind[i] = GRASS;
  }

  disc(x, y, radius, kind) {
    this.each((gx, gy, i) => {
      const rough = (chance(gx, gy, this.seed + 5) - 0.5) * 0.7;
      if (Math.hypot(gx - x, gy - y) < radius + rough && (kind !== WATER || this.remoteness(gx, gy) < 0.82))
        this.kind[i] = kind;
    });
  }

  /** Paths over the island, ponds, and a camp fire in the middle. */
  dig() {
    const pave = (gx, gy) => {
      const i = this.index(gx, gy);
      if (i >= 0 && this.kind[i] === GRASS)
        this.kind[i] = PATH;
    };
    const drift = (t) =>
      Math.round((smoothChance(t / 5, 3, this.seed) - 0.5) * 5 * Math.min(1, Math.abs(t) / 4));
    for (let t = -this.half; t <= this.half; t++) {
      for (let aside = Math.min(drift(t), drift(t - 1)); aside <= Math.max(drift(t), drift(t - 1)); aside++) {
        pave(t, aside);
        pave(aside, t);
      }
    }
    const area = this.across * this.along;
    const ponds = Math.min(12, Math.max(1, Math.round(area / 220)));
    for (let n = 0; n < ponds; n++) {
      const angle = (chance(this.seed, n, 21) + n / ponds) * Math.PI * 2;
      const far = ponds === 1 ? 0.52 : 0.35 + 0.4 * chance(this.seed, n, 22);
      const u = Math.cos(angle) * far * this.across;
      const v = Math.sin(angle) * far * this.along;
      this.disc((u + v) / 2, (v - u) / 2, Math.min(3.4, 0.9 + area / 150), WATER);
    }
    this.disc(0, 0, 1.6, PATH);
    this.fire = { gx: 0, gy: 0 };
    this.blocked[this.index(0, 0)] = 1;
  }

  plant(crowd) {
    let tiles = 0;
    this.each((gx, gy, i) => { tiles += this.kind[i] !== WATER; });
    const room = Math.max(0, Math.min(1, (tiles - crowd * 1.4) / (tiles * 0.5)));
    /* Where people stand close, trees grow at the rim alone, in nobody's sight. */
    const crowded = crowd * 4 > tiles;
    this.each((gx, gy, i) => {
      if (this.kind[i] === WATER) {
        this.waters.push({ gx, gy });
        return;
      }
      if (this.kind[i] === PATH)
        return;
      const luck = chance(gx, gy, this.seed + 1);
      const kindLuck = chance(gx, gy, this.seed + 2);
      const far = this.remoteness(gx, gy);
      const behind = (gx + gy) / this.along < -0.15;
      const grove = smoothChance(gx / 4, gy / 4, this.seed + 3);
      const trees = crowded ? (this.hides(gx, gy) ? 0 : 0.5 + grove * 0.5)
        : (0.02 + (far > 0.62 ? 0.16 : 0) + (behind ? 0.12 : -0.01)) * (0.4 + grove) * room;
      const nearPath = [[1, 0], [-1, 0], [0, 1], [0, -1]].some(([x, y]) => this.kindAt(gx + x, gy + y) === PATH);
      let prop = -1;
      if (nearPath && luck > 0.955)
        prop = LANTERN;
      else if (luck < trees && !(far > 0.6 && !behind && gx + gy > 0))
        prop = TREES[Math.floor((kindLuck * 0.6 + grove * 0.4) * TREES.length)];
      else if (luck > 0.9 && luck < 0.9 + 0.05 * room)
        prop = SMALL[Math.floor(kindLuck * SMALL.length)];
      if (prop >= 0) {
        this.blocked[i] = 1;
        this.props.push({ gx, gy, prop });
        this.hideBehind(gx, gy, prop);
      }
    });
  }

  /** Would a tree here stand before somebody's place? */
  hides(gx, gy) {
    return BEHIND_TREE.some(([x, y]) => {
      const kind = this.kindAt(gx - x, gy - y);
      return kind !== NOTHING && kind !== WATER;
    });
  }

  hideBehind(gx, gy, prop) {
    for (const [x, y] of hiddenBy(prop)) {
      const i = this.index(gx - x, gy - y);
      if (i >= 0)
        this.hidden[i] = 1;
    }
  }

  /** The picture: {canvas, x, y, bottom}, where x, y is the middle of tile 0, 0 in it and nothing is below `bottom`. */
  paint(paint) {
    const width = (this.side + 1) * TILE_X * 2;
    const hang = Math.round(Math.min(90, 18 + this.along * 3));
    const height = (this.side + 1) * TILE_Y * 2 + FACE + hang;
    let left = width, right = 0, top = height, bottom = 0;
    this.each((gx, gy) => {
      const { x, y } = toWorld(gx, gy);
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
    });
    const pixels = new Pixels(right - left + 2 * TILE_X, bottom - top + 2 * TILE_Y + FACE + hang);
    const origin = { x: TILE_X - left, y: TILE_Y - top };
    for (let sum = -2 * this.half; sum <= 2 * this.half; sum++)
      for (let gx = -this.half; gx <= this.half; gx++)
        if (this.kindAt(gx, sum - gx))
          this.paintTile(pixels, origin, gx, sum - gx, paint);
    const depth = this.paintUnderside(pixels, paint, hang);
    return { canvas: pixels.toCanvas(), ...origin, bottom: depth };
  }

  paintTile(pixels, origin, gx, gy, paint) {
    const kind = this.kindAt(gx, gy);
    const at = toWorld(gx, gy);
    const x0 = origin.x + at.x;
    const y0 = origin.y + at.y + (kind === WATER ? WATER_DEPTH : 0);
    /* A tile further below stands against the wall: no sky between the two. */
    const wall = this.kindAt(gx + 1, gy + 1) ? TILE_Y * 2 : FACE;
    const lowered = (x, y) => this.kindAt(x, y) === NOTHING ? wall : this.kindAt(x, y) === WATER ? WATER_DEPTH : 0;
    const leftFace = kind === WATER ? 0 : lowered(gx, gy + 1);
    const rightFace = kind === WATER ? 0 : lowered(gx + 1, gy);
    for (let dx = -TILE_X; dx < TILE_X; dx++) {
      const reach = 7 - Math.floor((dx < 0 ? -dx - 1 : dx) / 2);
      for (let dy = -reach; dy <= reach; dy++)
        pixels.set(x0 + dx, y0 + dy, this.tone(kind, gx, gy, dx, dy, reach, paint));
      const face = dx < 0 ? leftFace : rightFace;
      for (let dy = 1; dy <= face; dy++)
        pixels.set(x0 + dx, y0 + reach + dy, this.faceTone(x0 + dx, dy, dx < 0, paint));
    }
    if (kind === GRASS)
      this.decorate(pixels, x0, y0, gx, gy, paint);
  }

  tone(kind, gx, gy, dx, dy, reach, paint) {
    const grain = chance(gx * 40 + dx, gy * 40 + dy, this.seed);
    if (kind === WATER) {
      if (dy === -reach && (this.kindAt(gx - 1, gy) !== WATER || this.kindAt(gx, gy - 1) !== WATER))
        return paint.water[1];
      return grain > 0.985 ? paint.water[2] : paint.water[0];
    }
    const shade = Math.floor(smoothChance(gx / 2.6, gy / 2.6, this.seed + 9) * 3.999);
    if (kind === PATH)
      return grain > 0.96 ? paint.pathDark : paint.path[shade % 3];
    if (dy === reach && grain > 0.55)
      return paint.grassDark;
    if (grain > 0.978)
      return paint.grassLight;
    return grain < 0.012 ? paint.grassDark : paint.grass[shade];
  }

  faceTone(x, dy, leftSide, paint) {
    const lip = 3 + (chance(x >> 1, 1, this.seed) > 0.6 ? 1 : 0);
    if (dy <= lip)
      return paint.lip[leftSide ? 0 : 1];
    const grain = chance(x >> 1, dy >> 1, this.seed + 4);
    return paint.soil[(leftSide ? 0 : 2) + (grain > 0.72 ? 1 : 0)];
  }

  /** Tufts and flowers; they lie flat, so figures walk over them. */
  decorate(pixels, x0, y0, gx, gy, paint) {
    const luck = chance(gx, gy, this.seed + 6);
    const meadow = smoothChance(gx / 3, gy / 3, this.seed + 7);
    const dx = Math.floor(chance(gx, gy, 31) * 14) - 7;
    const dy = Math.floor(chance(gx, gy, 32) * 6) - 3;
    if (luck < 0.4)
      pixels.map(x0 + dx, y0 + dy - 2, ['l.l', 'lll', '.d.'], { l: paint.grassLight, d: paint.grassDark });
    if (meadow > 0.55 && luck > 0.35) {
      const flower = paint.flowers[Math.floor(chance(gx, gy, 33) * paint.flowers.length)];
      for (let n = 0; n < 1 + luck * 3; n++) {
        const x = x0 + Math.floor(chance(gx, gy, 34 + n) * 18) - 9;
        const y = y0 + Math.floor(chance(gx, gy, 44 + n) * 8) - 4;
        pixels.map(x, y, ['.f.', 'fyf', '.f.', '.d.'], { f: flower, y: '#ffcf3f', d: paint.grassDark });
      }
    }
  }

  /** Earth and rock that hang below the rim: the island floats. Answers how far down they reach. */
  paintUnderside(pixels, paint, hang) {
    const middle = pixels.width / 2;
    const rim = new Int32Array(pixels.width);
    let bottom = 0;
    for (let x = 0; x < pixels.width; x++) {
      let y = pixels.height - 1;
      while (y >= 0 && !pixels.filled(x, y))
        y--;
      rim[x] = y;
    }
    for (let x = 0; x < pixels.width; x++) {
      if (rim[x] < 0)
        continue;
      const aside = Math.abs(x - middle) / middle;
      const block = Math.floor(x / 5);
      const spike = chance(block, 2, this.seed) ** 3 * 0.5;
      const rough = 0.45 + 0.4 * smoothChance(block / 2.5, 8, this.seed) + spike;
      const length = Math.round(Math.max(2, (1 - aside ** 1.8) * hang * Math.min(1, rough)));
      const leftSide = rim[Math.min(x + 3, rim.length - 1)] >= rim[Math.max(0, x - 3)];
      for (let dy = 1; dy <= length; dy++) {
        const deep = dy / hang + (chance(x >> 2, dy >> 1, this.seed + 8) - 0.5) * 0.22;
        const grain = chance(x >> 2, dy >> 2, this.seed + 10) > 0.6 ? 1 : 0;
        const tone = deep < 0.34 ? paint.soil[(leftSide ? 0 : 2) + grain]
          : deep < 0.44 ? paint.soil[3] : paint.rock[Math.min(2, (leftSide ? 0 : 1) + grain)];
        pixels.set(x, rim[x] + dy, tone);
      }
      bottom = Math.max(bottom, rim[x] + length + 1);
    }
    return bottom;
  }
}
