/* What stands about on the island and hangs in the sky: trees, stones, the camp fire, clouds, and the signs
 * above the figures' heads. Painted once per paint (day or night), as {canvas, x, y} where x, y is the
 * point of the picture that touches the ground. */
import { Pixels, chance } from './pixels.js';

function prop(width, height, x, y, paint) {
  const pixels = new Pixels(width, height);
  paint(pixels);
  return { canvas: pixels.toCanvas(), x, y };
}

function roundTree(tones, paint, seed) {
  return prop(34, 46, 17, 42, (p) => {
    p.rect(15, 28, 5, 13, paint.trunk[0]);
    p.rect(18, 28, 2, 13, paint.trunk[1]);
    p.rect(15, 30, 1, 8, paint.trunk[2]);
    p.rect(14, 40, 7, 2, paint.trunk[1]);
    const lean = Math.round((chance(seed, 1) - 0.5) * 4);
    p.mass([
      [17, 21, 14, 10], [10 + lean, 20, 9, 8], [24 + lean, 19, 9, 9], [16 + lean, 11, 11, 9], [21, 13, 9, 8],
    ], tones, seed, 0.7);
  });
}

function pineTree(paint, seed) {
  return prop(26, 48, 13, 44, (p) => {
    p.rect(11, 36, 4, 7, paint.trunk[0]);
    p.rect(13, 36, 2, 7, paint.trunk[1]);
    for (let layer = 0; layer < 4; layer++) {
      const top = 3 + layer * 8;
      for (let y = 0; y < 13; y++) {
        const half = Math.round((y + 1) * (0.42 + layer * 0.13)) + (y % 3 === 2 ? 1 : 0);
        for (let x = -half; x <= half; x++) {
          const light = x / (half + 1) + y / 22 + (chance(x, y + layer * 20, seed) - 0.5) * 0.5;
          p.set(13 + x, top + y, paint.pine[light < -0.35 ? 0 : light < 0.35 ? 1 : light < 0.85 ? 2 : 3]);
        }
      }
    }
  });
}

function bush(tones, paint, seed) {
  return prop(24, 18, 12, 14, (p) => {
    p.mass([[8, 10, 7, 5], [16, 10, 7, 5], [12, 7, 8, 6]], tones, seed, 0.7);
    for (let i = 0; i < 5; i++)
      p.set(5 + Math.floor(chance(seed, i, 3) * 14), 4 + Math.floor(chance(seed, i, 4) * 8), paint.flowers[seed % 4]);
  });
}

function stone(paint, seed) {
  return prop(18, 14, 9, 10, (p) => {
    p.mass([[8, 8, 7, 5], [12, 9, 5, 4]], ['#c3c4cc', ...paint.rock].slice(paint.night ? 1 : 0), seed, 0.3);
  });
}

function lantern(paint) {
  return prop(12, 30, 6, 27, (p) => {
    p.rect(5, 11, 2, 16, paint.trunk[1]);
    p.rect(4, 26, 4, 1, paint.trunk[1]);
    p.map(1, 0, [
      '...oooo...', '..oooooo..', '.oooooooo.', '..oyyyyo..', '..oyYYyo..', '..oyYYyo..', '..oyYYyo..',
      '..oyyyyo..', '..oooooo..', '...oooo...', '....oo....',
    ], { o: paint.trunk[1], y: '#ffc64a', Y: '#fff2b0' });
  });
}

function fire(frame) {
  return prop(22, 26, 11, 20, (p) => {
    p.map(1, 15, [
      '..a...............b.', '.aaaa..........bbbb.', '...aaaaa....bbbbb...', '.....aaaabbbbb......', '...bbbbbbaaaaa......',
      '.bbbbb.....aaaaaa...', '..b...........aaa...',
    ], { a: '#8a5535', b: '#6b3f29' });
    const sway = [0, 1, 0, -1][frame];
    const high = [0, 2, 3, 1][frame];
    p.mass([[11, 14, 6, 6], [11 + sway, 9 - high / 2, 3.6, 7 + high / 2]], ['#ff9d3c', '#ff7f33', '#f4602c'], frame, 0.2);
    p.mass([[11, 15, 4, 4], [11 - sway, 12 - high / 3, 2.4, 5]], ['#ffd65c', '#ffc145'], frame, 0.2);
    p.mass([[11, 16, 2.2, 3]], ['#fff6cf'], frame, 0);
  });
}

function cloud(paint, seed) {
  const width = 60 + Math.floor(chance(seed, 9) * 50);
  return prop(width, 30, 0, 0, (p) => {
    const blobs = [];
    for (let i = 0; i < 7; i++) {
      const swell = 1 - Math.abs(i - 3) / 4;
      blobs.push([width * (0.11 + 0.13 * i), 26, width * 0.13, 5 + swell * (9 + chance(seed, i, 8) * 9)]);
    }
    /* Bright above, shaded towards its flat foot. */
    for (let x = 0; x < width; x++) {
      let deep = 0;
      for (let y = 0; y < 26; y++) {
        if (!blobs.some(([bx, by, rx, ry]) => ((x + 0.5 - bx) / rx) ** 2 + ((y + 0.5 - by) / ry) ** 2 < 1))
          continue;
        deep++;
        const tone = deep / 9 + (y > 21 ? 1 : 0) + (chance(x >> 1, y >> 1, seed) - 0.5) * 0.5;
        p.set(x, y, paint.cloud[Math.max(0, Math.min(2, Math.floor(tone)))]);
      }
    }
  });
}

function moon() {
  return prop(30, 30, 15, 15, (p) => {
    p.mass([[15, 15, 13, 13]], ['#f4e3b0'], 4, 0);
    p.mass([[14, 14, 11.5, 11.5]], ['#fdf3cf'], 4, 0);
    for (const [x, y, w, h] of [[8, 10, 4, 3], [17, 7, 3, 2], [16, 17, 5, 4], [10, 20, 3, 2]])
      p.rect(x, y, w, h, '#e6d3a0');
  });
}

function sun() {
  return prop(34, 34, 17, 17, (p) => {
    p.mass([[17, 17, 15, 15]], ['#ffefa6'], 4, 0);
    p.mass([[17, 17, 11.5, 11.5]], ['#fff7cf'], 4, 0);
  });
}

/* The signs over the heads. */
const SIGNS = {
  idle: {
    rows: ['...kkkk..', '..kyyk...', '.kyyk....', '.kyyk....', '.kyyyk..k', '..kyyykyk', '...kyyyk.', '....kkk..'],
    colors: { k: '#4a3c12', y: '#ffdf5e' },
  },
  dnd: {
    rows: ['..kkkkk..', '.krrrrrk.', 'krrrrrrrk', 'krwwwwwrk', 'krwwwwwrk', 'krrrrrrrk', '.krrrrrk.', '..kkkkk..'],
    colors: { k: '#5d0f1c', r: '#e5384f', w: '#ffffff' },
  },
  offline: {
    rows: [
      '......kkkkkk', '......kwwwwk', '......kkkwkk', '.......kwkk.', 'kkkkk.kwkkkk', 'kwwwk.kwwwwk', 'kkwkk.kkkkkk',
      'kwkkk.......', 'kwwwk.......', 'kkkkk.......',
    ],
    colors: { k: '#27304f', w: '#dfe8ff' },
  },
  unknown: {
    rows: ['.kkkkk.', 'kwwwwwk', 'kwkkkwk', 'kkkkwwk', '.kkwwk.', '..kwk..', '..kkk..', '..kwk..', '..kkk..'],
    colors: { k: '#27304f', w: '#ffffff' },
  },
};

/** Everything for one paint. `theme` (a number) picks the island's foliage. */
export function paintScenery(paint, theme) {
  const tones = paint.leaves[theme % paint.leaves.length];
  const other = paint.leaves[(theme + 3) % paint.leaves.length];
  return {
    props: [
      roundTree(tones, paint, 11), roundTree(tones, paint, 12), roundTree(other, paint, 13), pineTree(paint, 14),
      bush(tones, paint, 15), bush(other, paint, 18), stone(paint, 17), stone(paint, 21), lantern(paint),
    ],
    fire: [0, 1, 2, 3].map(fire),
    clouds: [1, 2, 3, 4, 5].map((n) => cloud(paint, n)),
    light: paint.night ? moon() : sun(),
    signs: Object.fromEntries(Object.entries(SIGNS).map(([status, { rows, colors }]) => [
      status, prop(rows[0].length, rows.length, Math.floor(rows[0].length / 2), rows.length, (p) => p.map(0, 0, rows, colors)),
    ])),
  };
}

/** Places in `props`. */
export const TREES = [0, 1, 2, 3];
export const SMALL = [4, 5, 6, 7];
export const LANTERN = 8;
