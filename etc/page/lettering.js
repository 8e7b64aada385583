/* Words on the canvas: name plates and speech bubbles, each set once and kept as a picture. */
import { letters, tidy } from './text.js';

const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif';
const MOST_PLATES = 800;
const MOST_LINES = 4;
const MOST_OF_A_MESSAGE = 240; /* letters in a bubble; the chat shows more */

export class Lettering {
  constructor() {
    this.plates = new Map();
    this.ruler = document.createElement('canvas').getContext('2d');
  }

  /** `ratio`: device pixels per CSS pixel; `width`: of the canvas. Forgets all pictures. */
  configure(ratio, width, paint) {
    this.ratio = ratio;
    this.paint = paint;
    this.narrow = width / ratio < 560;
    this.plates.clear();
  }

  fit(text, room) {
    if (this.ruler.measureText(text).width <= room)
      return text;
    const kept = letters(text);
    while (kept.length > 1 && this.ruler.measureText(kept.join('') + '…').width > room)
      kept.length -= Math.max(1, Math.floor(kept.length / 10));
    return kept.join('') + '…';
  }

  sheet(width, height) {
    const canvas = document.createElement('canvas');
    canvas.width = Math.ceil(width);
    canvas.height = Math.ceil(height);
    return canvas;
  }

  /** A box without corner pixels, so that paper suits the pixel world. */
  box(context, x, y, width, height, unit, color) {
    context.fillStyle = color;
    context.fillRect(x + unit, y, width - unit * 2, height);
    context.fillRect(x, y + unit, width, height - unit * 2);
  }

  /** A name plate. `full` shows the whole name. */
  plate(name, full) {
    const key = (full ? '+' : '-') + name;
    let canvas = this.plates.get(key);
    if (canvas)
      return canvas;
    if (this.plates.size >= MOST_PLATES)
      this.plates.clear();
    const r = this.ratio;
    const font = `600 ${(this.narrow && !full ? 9.5 : 11) * r}px ${FONT}`;
    this.ruler.font = font;
    const text = this.fit(name, (full ? 260 : this.narrow ? 84 : 130) * r);
    const pad = 4 * r;
    const height = (this.narrow && !full ? 13 : 16) * r;
    canvas = this.sheet(this.ruler.measureText(text).width + pad * 2, height);
    const context = canvas.getContext('2d');
    this.box(context, 0, 0, canvas.width, canvas.height, Math.max(1, Math.round(r * 1.5)), this.paint.labelPaper);
    context.font = font;
    context.textBaseline = 'middle';
    context.fillStyle = this.paint.labelInk;
    context.fillText(text, pad, height / 2 + r * 0.5);
    this.plates.set(key, canvas);
    return canvas;
  }

  /** Lines no wider than `room`. A word that is wider (a whole sentence, where people write without spaces) is broken. */
  wrap(text, room) {
    const tooWide = (line) => this.ruler.measureText(line).width > room;
    const lines = [''];
    const add = (piece, glue) => {
      const line = lines[lines.length - 1];
      const longer = line ? line + glue + piece : piece;
      if (line && tooWide(longer))
        lines.push(piece);
      else
        lines[lines.length - 1] = longer;
    };
    for (const word of text.split(/\s+/).filter(Boolean)) {
      if (lines.length > MOST_LINES)
        break;
      if (tooWide(word))
        letters(word).forEach((letter, i) => add(letter, i ? '' : ' '));
      else
        add(word, ' ');
    }
    if (lines.length > MOST_LINES) {
      lines.length = MOST_LINES;
      lines.push(`${lines.pop()} …`);
    }
    return lines.map((line) => this.fit(line || '…', room));
  }

  /** A speech bubble; its tail's tip is at the middle of the lower edge. `name` may be ''. */
  bubble(name, text) {
    const r = this.ratio;
    const unit = Math.max(1, Math.round(r * 2));
    const size = (this.narrow ? 12 : 13) * r;
    const font = `500 ${size}px ${FONT}`;
    const nameFont = `700 ${size * 0.82}px ${FONT}`;
    const room = (this.narrow ? 130 : 190) * r;
    this.ruler.font = nameFont;
    const title = name && this.fit(name, room);
    const titleWidth = title ? this.ruler.measureText(title).width : 0;
    this.ruler.font = font;
    const lines = this.wrap(tidy(text, MOST_OF_A_MESSAGE), room);
    const width = Math.max(titleWidth, ...lines.map((line) => this.ruler.measureText(line).width)) + 16 * r + unit * 2;
    const lineHeight = size * 1.3;
    const height = lines.length * lineHeight + (title ? size * 1.1 : 0) + 9 * r + unit * 2;
    const tail = unit * 3;
    const canvas = this.sheet(Math.max(width, 30 * r), height + tail);
    const context = canvas.getContext('2d');
    const middle = Math.round(canvas.width / 2);
    this.box(context, 0, 0, canvas.width, height, unit, this.paint.ink);
    for (let i = 0; i < 3; i++) {
      context.fillStyle = this.paint.ink;
      context.fillRect(middle - unit * (3 - i), height - unit + i * unit, unit * (6 - 2 * i), unit * 2);
    }
    this.box(context, unit, unit, canvas.width - unit * 2, height - unit * 2, unit, this.paint.paper);
    for (let i = 0; i < 2; i++) {
      context.fillStyle = this.paint.paper;
      context.fillRect(middle - unit * (2 - i), height - unit * (1 - i), unit * (4 - 2 * i), unit);
    }
    context.fillStyle = this.paint.ink;
    context.textBaseline = 'top';
    let y = unit + 5 * r;
    if (title) {
      context.font = nameFont;
      context.globalAlpha = 0.72;
      context.fillText(title, unit + 8 * r, y);
      context.globalAlpha = 1;
      y += size * 1.1;
    }
    context.font = font;
    for (const line of lines) {
      context.fillText(line, unit + 8 * r, y);
      y += lineHeight;
    }
    return canvas;
  }
}
