/* What lies over the land without a body: shadows, the glow of fires at night, fireflies, glitter on the water. */
import { chance } from './pixels.js';
import { LANTERN } from './scenery.js';
import { toWorld } from './terrain.js';

/** A soft-edged picture would not suit the pixel world: an ellipse in whole pixels. */
export function ellipse(rx, ry, color) {
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
  light.addColorStop(0, `rgba(${color}, 0.45)`);
  light.addColorStop(0.4, `rgba(${color}, 0.2)`);
  light.addColorStop(1, `rgba(${color}, 0)`);
  context.fillStyle = light;
  context.fillRect(0, 0, 128, 128);
  return canvas;
}

export class Air {
  constructor() {
    this.glow = glow('255, 176, 84');
  }

  /** `now` is null when nothing may move; `seen` are the things in sight. */
  draw(context, camera, island, paint, seen, now) {
    const time = now ?? 9000;
    this.drawGlitter(context, camera, island, paint, time);
    if (paint.night) {
      this.drawLights(context, camera, seen, now === null ? 0 : Math.sin(now / 170) * 3);
      this.drawFireflies(context, camera, island, time);
    }
  }

  drawLights(context, camera, seen, flicker) {
    const shine = (x, y, radius) => {
      const at = camera.toCanvas(x, y);
      const size = radius * camera.scale;
      context.drawImage(this.glow, at.x - size, at.y - size * 0.7, size * 2, size * 1.4);
    };
    context.globalCompositeOperation = 'lighter';
    context.imageSmoothingEnabled = true;
    for (const item of seen)
      if (item.fire)
        shine(item.x, item.y - 6, 88 + flicker);
      else if (item.prop === LANTERN)
        shine(item.x, item.y - 16, 42);
    context.globalCompositeOperation = 'source-over';
    context.imageSmoothingEnabled = false;
  }

  drawGlitter(context, camera, island, paint, time) {
    const unit = Math.max(1, Math.round(camera.scale));
    context.fillStyle = paint.water[2];
    for (const { gx, gy } of island.waters) {
      const beat = Math.floor(time / 700 + chance(gx, gy) * 9);
      if (chance(gx, gy, beat) < 0.6)
        continue;
      const { x, y } = toWorld(gx, gy);
      const at = camera.toCanvas(x + chance(gx, beat) * 12 - 6, y + 3 + chance(gy, beat) * 5 - 2);
      context.fillRect(at.x, at.y, unit * 4, unit);
    }
  }

  drawFireflies(context, camera, island, time) {
    const unit = Math.max(1, Math.round(camera.scale));
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
}
