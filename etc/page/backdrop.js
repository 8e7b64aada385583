/* The sky behind the island: a gradient with stars or a sun, painted once per size, and clouds that drift before it. */
import { chance } from './pixels.js';

export class Backdrop {
  paint(width, height, ratio, paint, scenery) {
    this.scenery = scenery;
    this.width = width;
    this.height = height;
    this.unit = Math.max(1, Math.round(ratio * 2));
    const canvas = document.createElement('canvas');
    canvas.width = width;
    canvas.height = height;
    const context = canvas.getContext('2d');
    const sky = context.createLinearGradient(0, 0, 0, height);
    paint.sky.forEach((color, i) => sky.addColorStop(i / (paint.sky.length - 1), color));
    context.fillStyle = sky;
    context.fillRect(0, 0, width, height);
    context.imageSmoothingEnabled = false;
    if (paint.night)
      this.paintStars(context);
    this.paintLight(context, paint);
    this.canvas = canvas;
  }

  paintStars(context) {
    const count = Math.round((this.width * this.height) / (this.unit * this.unit * 1900));
    for (let n = 0; n < count; n++) {
      const x = Math.floor(chance(n, 1, 5) * this.width);
      const y = Math.floor(chance(n, 2, 5) ** 1.4 * this.height);
      const size = chance(n, 3, 5) > 0.86 ? this.unit : Math.max(1, Math.round(this.unit / 2));
      context.fillStyle = `rgba(226, 232, 255, ${0.25 + 0.65 * chance(n, 4, 5)})`;
      context.fillRect(x, y, size, size);
      if (chance(n, 6, 5) > 0.965) {
        context.fillRect(x - size, y, size * 3, size);
        context.fillRect(x, y - size, size, size * 3);
      }
    }
  }

  paintLight(context, paint) {
    const { canvas } = this.scenery.light;
    const x = Math.round(this.width * 0.86);
    const y = Math.round(Math.max(this.height * 0.14, canvas.height * this.unit * 0.75));
    const halo = context.createRadialGradient(x, y, 0, x, y, y);
    halo.addColorStop(0, paint.night ? 'rgba(200, 208, 255, 0.32)' : 'rgba(255, 247, 205, 0.75)');
    halo.addColorStop(1, paint.night ? 'rgba(200, 208, 255, 0)' : 'rgba(255, 247, 205, 0)');
    context.fillStyle = halo;
    context.fillRect(0, 0, this.width, this.height);
    context.drawImage(canvas, x - (canvas.width * this.unit) / 2, y - (canvas.height * this.unit) / 2,
      canvas.width * this.unit, canvas.height * this.unit);
  }

  /** `now` is null when nothing may move. */
  draw(context, now) {
    context.drawImage(this.canvas, 0, 0);
    const time = now === null ? 40000 : now;
    this.scenery.clouds.forEach(({ canvas }, n) => {
      const width = canvas.width * this.unit;
      const run = this.width + width * 2;
      const speed = (0.004 + 0.003 * chance(n, 1, 9)) * this.unit;
      const x = ((chance(n, 2, 9) + n / 5) * run + time * speed) % run - width;
      const y = (0.03 + 0.72 * ((n * 2) % 5) / 5) * this.height;
      context.globalAlpha = 0.9 - 0.1 * n;
      context.drawImage(canvas, Math.round(x), Math.round(y), width, canvas.height * this.unit);
    });
    context.globalAlpha = 1;
  }
}
