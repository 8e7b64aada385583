/* The figures: small hooded folk, drawn by code from pixel maps.
 *
 * One letter is one pixel: o outline, l/b/d the role colour in light, itself and in shade, s/z skin, K eyes,
 * P cheeks, '.' nothing. A figure's frames lie side by side in a shared atlas, made once per colour
 * and headgear; drawing one is a single drawImage().
 *
 * A status is told by posture and by a sign above the head, never by colour alone: see STATUSES.
 */
import { coarse, mix, rgbOf } from './palette.js';

/** Every status that a figure can show, in the order of the legend. */
export const STATUSES = {
  online: { label: 'online', posture: 'walks about' },
  idle: { label: 'idle', posture: 'sits under a moon' },
  dnd: { label: 'do not disturb', posture: 'stands still, a minus sign above' },
  offline: { label: 'offline', posture: 'lies asleep, zZ' },
  unknown: { label: 'unknown', posture: 'stands with a question mark' },
};

export const FRAME_W = 18;
export const FRAME_H = 24;
/** Where in a frame the ground under the figure is. */
export const FOOT_X = 9;
export const FOOT_Y = 21;

const HEAD_FRONT = [
  '....oooooo....',
  '..oollllbboo..',
  '.olllllbbbbbo.',
  '.ollbbbbbbbbo.',
  'ollbbdzzzzzdbo',
  'olbbdzsssssszo',
  'olbbdssKssKsso',
  'olbbdssKssKsso',
  'olbbdPssssssPo',
  '.obbddsssssdo.',
  '..oobddddddo..',
];
const HEAD_BACK = [
  '....oooooo....',
  '..oollllbboo..',
  '.olllllbbbbbo.',
  '.ollllbbbbbbo.',
  'olllbbbbbbbbdo',
  'ollbbbbbbbbbdo',
  'ollbbbbbbbbddo',
  'olbbbbbbbbbddo',
  'olbbbbbbbbdddo',
  '.obbbbbbbdddo.',
  '..oodddddddo..',
];
const HEAD_DOZING = HEAD_FRONT.map((row, i) => (i === 6 ? 'olbbdsssssssso' : i === 7 ? 'olbbdsKKsKKsso' : row));
const BODY = ['.olbbbbbbbbdo.', 'olbobbbbbbobdo', 'ozsobbbbbbozso', '.ooobbbbbdooo.', '...obbbbddo...'];
const BODY_SWING_A = ['.olbbbbbbbbdo.', 'olbobbbbbbobdo', 'olbobbbbbbozso', '.ozsobbbbddoo.', '..oobbbbddo...'];
const BODY_SWING_B = ['.olbbbbbbbbdo.', 'olbobbbbbbobdo', 'ozsobbbbbbobdo', '.oobbbbbbozso.', '...obbbbddoo..'];
const LEGS = ['...oKKooKKo...', '...ooo..ooo...'];
const LEGS_A = ['...oKKodddo...', '..oKKo.ooo....', '..ooo.........'];
const LEGS_B = ['...oddoKKKo...', '....ooo.oKKo..', '.........ooo..'];
const SEATED = [
  '.olbbbbbbbbdo.',
  'olbobbbbbbobdo',
  'olbobbbbbbobdo',
  'ozsbbbbbbbbzso',
  'oddddddddddKKo',
  '.ooodddddoKKKo',
  '....ooooo.ooo.',
];
const LYING = [
  '.........oooo.....',
  '.......oolllbbo...',
  '.ooooooolllbbbbo..',
  'olllllllolbdzzzdo.',
  'olbbbbbbobbdssssdo',
  'obbbbbbbobbdsKKsdo',
  'obbbbbbbbobbdsssPo',
  'odbbbbbbbbobbddoo.',
  'KKodddddddddooo...',
  'ooooooooooooo.....',
];

/* What sits on the head tells people apart whose colours are alike. x, y is the place on the head's map. */
const HEADGEAR = [
  { x: 0, y: 0, rows: [] },
  { x: 5, y: -3, rows: ['.gg..', 'gGg.g', '.gGGg', '..G..'] },
  { x: 1, y: -2, rows: ['oo........oo', 'obo......obo', 'obbo....obbo'] },
  { x: 5, y: -3, rows: ['.oo.', 'owwo', 'owwo', '.oo.'] },
  { x: 6, y: -4, rows: ['.oo', 'oyo', '.o.', '.o.'] },
];
const HEADPHONES = [
  '....owwwwo....',
  '..oww....wwo..',
  '.ow........wo.',
  '.o..........o.',
  'oo..........oo',
  'oKo........oKo',
  'KwK........KwK',
  'KwK........KwK',
  'KKK........KKK',
];

const FIXED = {
  s: '#f6cfa5', z: '#e3b086', K: '#2b2333', P: '#f0a189', g: '#4f9d45', G: '#7ecb5c', w: '#f4f4fa', y: '#ffd84d',
};

/* The frames of a sheet, each drawn once more mirrored at +FRAMES. */
const FRAME = { stand: 0, stepA: 1, stepB: 2, back: 3, backA: 4, backB: 5, sit: 6, dnd: 7, lie: 8, blink: 9 };
const FRAMES = 10;

function blit(out, rows, x0, y0, colors, mirrored) {
  rows.forEach((row, dy) => {
    for (let dx = 0; dx < row.length; dx++) {
      const color = colors[row[dx]];
      if (!color)
        continue;
      const x = mirrored ? FRAME_W - 1 - (x0 + dx) : x0 + dx;
      const at = ((y0 + dy) * out.width + out.left + x) * 4;
      out.data[at] = color[0];
      out.data[at + 1] = color[1];
      out.data[at + 2] = color[2];
      out.data[at + 3] = 255;
    }
  });
}

function upright(out, colors, gear, parts, mirrored) {
  const top = FOOT_Y - 17 + (parts.bob || 0);
  blit(out, parts.head, 2, top, colors, mirrored);
  blit(out, parts.body, 2, top + 11, colors, mirrored);
  blit(out, parts.legs, 2, FOOT_Y - 1 - (parts.raise || 0), colors, mirrored);
  blit(out, gear.rows, 2 + gear.x, top + gear.y, colors, mirrored);
  if (parts.extra)
    blit(out, parts.extra, 2, top - 1, colors, mirrored);
}

function drawFrame(out, frame, colors, gear, mirrored) {
  const walk = { legs: LEGS, body: BODY };
  const poses = {
    [FRAME.stand]: { ...walk, head: HEAD_FRONT },
    [FRAME.stepA]: { head: HEAD_FRONT, body: BODY_SWING_A, legs: LEGS_A, bob: -1, raise: 1 },
    [FRAME.stepB]: { head: HEAD_FRONT, body: BODY_SWING_B, legs: LEGS_B, bob: -1, raise: 1 },
    [FRAME.back]: { ...walk, head: HEAD_BACK },
    [FRAME.backA]: { head: HEAD_BACK, body: BODY_SWING_A, legs: LEGS_A, bob: -1, raise: 1 },
    [FRAME.backB]: { head: HEAD_BACK, body: BODY_SWING_B, legs: LEGS_B, bob: -1, raise: 1 },
    [FRAME.sit]: { head: HEAD_DOZING, body: SEATED, legs: [], bob: 3 },
    [FRAME.dnd]: { ...walk, head: HEAD_FRONT, extra: HEADPHONES },
    [FRAME.blink]: { ...walk, head: HEAD_DOZING },
  };
  if (frame === FRAME.lie)
    blit(out, LYING, 0, FOOT_Y - 8, colors, mirrored);
  else
    upright(out, colors, gear, poses[frame], mirrored);
}

function shadesOf(color) {
  const shades = { ...FIXED, l: mix(color, '#ffffff', 0.3), b: color, d: mix(color, '#1d1638', 0.28) };
  shades.o = mix(color, '#150f28', 0.72);
  return Object.fromEntries(Object.entries(shades).map(([letter, hex]) => [letter, rgbOf(hex)]));
}

const PAGE_W = FRAME_W * FRAMES * 2;
const PAGE_ROWS = 40;
const FINE_SHEETS = 300;

/** Makes and keeps the frames of every look that is on stage. */
export class Wardrobe {
  constructor() {
    this.pages = [];
    this.looks = new Map();
  }

  /** The sheet of a role colour; `variety` is any number, it picks the headgear. */
  look(color, variety) {
    let gear = variety % HEADGEAR.length;
    if (this.looks.size >= FINE_SHEETS) {
      color = coarse(color);
      gear = 0;
    }
    const key = color + gear;
    let look = this.looks.get(key);
    if (!look) {
      look = this.make(color, HEADGEAR[gear], this.looks.size);
      this.looks.set(key, look);
    }
    return look;
  }

  make(color, gear, number) {
    const row = number % PAGE_ROWS;
    if (row === 0) {
      const canvas = document.createElement('canvas');
      canvas.width = PAGE_W;
      canvas.height = PAGE_ROWS * FRAME_H;
      this.pages.push(canvas);
    }
    const page = this.pages[this.pages.length - 1];
    const image = new ImageData(PAGE_W, FRAME_H);
    const colors = shadesOf(color);
    for (let i = 0; i < FRAMES * 2; i++) {
      const out = { data: image.data, width: PAGE_W, left: i * FRAME_W };
      drawFrame(out, i % FRAMES, colors, gear, i >= FRAMES);
    }
    page.getContext('2d').putImageData(image, 0, row * FRAME_H);
    return { page, y: row * FRAME_H };
  }
}

/** Which frame shows `status` right now. `step` counts quarter strides and is null for one who stands. */
export function frameOf(status, { step = null, away = false, left = false, blink = false } = {}) {
  let frame = FRAME.stand;
  if (status === 'idle')
    frame = FRAME.sit;
  else if (status === 'dnd')
    frame = FRAME.dnd;
  else if (status === 'offline')
    frame = FRAME.lie;
  else if (step !== null)
    frame = (away ? FRAME.back : FRAME.stand) + [1, 0, 2, 0][step & 3];
  else if (away)
    frame = FRAME.back;
  else if (blink)
    frame = FRAME.blink;
  return frame + (left ? FRAMES : 0);
}

/** Draws one frame with its ground point at x, y of a context where a world pixel is `scale` wide. */
export function drawFigure(context, look, frame, x, y, scale) {
  context.drawImage(look.page, frame * FRAME_W, look.y, FRAME_W, FRAME_H,
    x - FOOT_X * scale, y - FOOT_Y * scale, FRAME_W * scale, FRAME_H * scale);
}
