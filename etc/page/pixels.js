/* A sheet of pixels to paint on by code, and the repeatable chance that everything drawn here is made with. */
import { rgbOf } from './palette.js';

/** A number in [0, 1) that depends on its arguments only. */
export function chance(a, b = 0, c = 0) {
  let h = (Math.imul(a | 0, 374761393) + Math.imul(b | 0, 668265263) + Math.imul(c | 0, 2147483647)) | 0;
  h = Math.imul(h ^ (h >>> 13), 1274126177);
  h = Math.imul(h ^ (h >>> 16), 2246822519);
  return ((h ^ (h >>> 15)) >>> 0) / 4294967296;
}

/** A whole number made of a text. */
export function seedOf(text) {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++)
    h = Math.imul(h ^ text.charCodeAt(i), 16777619);
  return h >>> 0;
}

/** chance(), smooth between whole places. */
export function smoothChance(x, y, seed) {
  const x0 = Math.floor(x);
  const y0 = Math.floor(y);
  const fx = (x - x0) ** 2 * (3 - 2 * (x - x0));
  const fy = (y - y0) ** 2 * (3 - 2 * (y - y0));
  const top = chance(x0, y0, seed) * (1 - fx) + chance(x0 + 1, y0, seed) * fx;
  const low = chance(x0, y0 + 1, seed) * (1 - fx) + chance(x0 + 1, y0 + 1, seed) * fx;
  return top * (1 - fy) + low * fy;
}

const packed = new Map();
function pack(hex) {
  let value = packed.get(hex);
  if (value === undefined) {
    const [r, g, b] = rgbOf(hex);
    value = ((255 << 24) | (b << 16) | (g << 8) | r) >>> 0;
    packed.set(hex, value);
  }
  return value;
}

export class Pixels {
  constructor(width, height) {
    this.width = Math.ceil(width);
    this.height = Math.ceil(height);
    this.image = new ImageData(this.width, this.height);
    this.data = new Uint32Array(this.image.data.buffer);
  }

  set(x, y, hex) {
    if (x >= 0 && y >= 0 && x < this.width && y < this.height)
      this.data[y * this.width + x] = pack(hex);
  }

  filled(x, y) {
    return x >= 0 && y >= 0 && x < this.width && y < this.height && this.data[y * this.width + x] !== 0;
  }

  rect(x, y, width, height, hex) {
    for (let dy = 0; dy < height; dy++)
      for (let dx = 0; dx < width; dx++)
        this.set(x + dx, y + dy, hex);
  }

  /** Rows of letters, each looked up in `colors`; '.' and unknown letters leave a hole. */
  map(x, y, rows, colors) {
    rows.forEach((row, dy) => {
      for (let dx = 0; dx < row.length; dx++)
        if (colors[row[dx]])
          this.set(x + dx, y + dy, colors[row[dx]]);
    });
  }

  /** Round masses lit from the upper left. `blobs` are [x, y, rx, ry]; `tones` go from light to dark. */
  mass(blobs, tones, seed, roughness = 0.5) {
    for (let y = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++) {
        let best = 0;
        let light = 0;
        for (const [bx, by, rx, ry] of blobs) {
          const nx = (x + 0.5 - bx) / rx;
          const ny = (y + 0.5 - by) / ry;
          const height = 1 - nx * nx - ny * ny;
          if (height > best) {
            best = height;
            light = 0.55 + nx * 0.32 + ny * 0.55;
          }
        }
        if (best <= 0)
          continue;
        const grain = (chance(x >> 1, y >> 1, seed) - 0.5) * roughness * 0.5;
        const tone = Math.floor((light + grain) * tones.length);
        this.set(x, y, tones[Math.max(0, Math.min(tones.length - 1, tone))]);
      }
    }
  }

  toCanvas() {
    const canvas = document.createElement('canvas');
    canvas.width = this.width;
    canvas.height = this.height;
    canvas.getContext('2d').putImageData(this.image, 0, 0);
    return canvas;
  }
}
