/* Names below the feet and speech above the heads: who gets how much room, so that words don't cover words. */
import { Lettering } from './lettering.js';

const BUBBLE_MS = 5200;
const PER_LETTER_MS = 40;
const LONGEST_MS = BUBBLE_MS + 4000;
const FADE_MS = 350;
const MOST_BUBBLES = 24;

const overlap = (a, b) =>
  a.x < b.x + b.width && a.x + a.width > b.x && a.y < b.y + b.height && a.y + a.height > b.y;

export class Words {
  constructor() {
    this.lettering = new Lettering();
    this.bubbles = new Map();
  }

  configure(ratio, width, paint) {
    this.width = width;
    this.lettering.configure(ratio, width, paint);
    for (const bubble of this.bubbles.values())
      bubble.image = this.lettering.bubble(bubble.name, bubble.text);
  }

  /** `name` goes into the bubble where there are no plates. Answers how long it stays. */
  say(uid, name, text, now) {
    const stay = Math.min(LONGEST_MS, BUBBLE_MS + text.length * PER_LETTER_MS);
    this.bubbles.delete(uid);
    if (this.bubbles.size >= MOST_BUBBLES)
      this.bubbles.delete(this.bubbles.keys().next().value);
    this.bubbles.set(uid, { name, text, since: now, until: now + stay, image: this.lettering.bubble(name, text) });
    return stay;
  }

  speaks(uid) {
    return this.bubbles.has(uid);
  }

  hush() {
    this.bubbles.clear();
  }

  box(image, at, y) {
    const x = Math.round(Math.min(this.width - image.width, Math.max(0, at.x - image.width / 2)));
    return { x, y: Math.round(y), width: image.width, height: image.height };
  }

  /** `people` from the back to the front; `chosen` uids get their whole name, the others a short one if `all`. */
  drawPlates(context, people, scale, all, chosen) {
    const placed = [];
    const put = (item, whole) => {
      const image = this.lettering.plate(item.figure.name, whole);
      const below = item.at.y + 3 * scale;
      for (const y of [below, below + image.height, item.at.y - 23 * scale - image.height]) {
        const box = this.box(image, item.at, y);
        if (!whole && placed.some((other) => overlap(box, other)))
          continue;
        placed.push(box);
        context.drawImage(image, box.x, box.y);
        return;
      }
    };
    for (const item of people)
      if (chosen.includes(item.figure.uid))
        put(item, true);
    for (let i = people.length - 1; all && i >= 0; i--)
      if (!chosen.includes(people[i].figure.uid))
        put(people[i], false);
  }

  drawBubbles(context, people, scale, now, calm) {
    for (const [uid, bubble] of this.bubbles)
      if (now > bubble.until)
        this.bubbles.delete(uid);
    const placed = [];
    for (let i = people.length - 1; i >= 0 && this.bubbles.size; i--) {
      const { figure, at, lift } = people[i];
      const bubble = this.bubbles.get(figure.uid);
      if (!bubble)
        continue;
      const tall = figure.status === 'offline' ? 12 : 22;
      const box = this.box(bubble.image, at, at.y - (tall + lift) * scale - bubble.image.height);
      for (const other of placed)
        if (overlap(box, other))
          box.y = other.y - box.height;
      box.y = Math.max(0, box.y);
      placed.push(box);
      if (!calm)
        context.globalAlpha = Math.max(0, Math.min(1, (now - bubble.since) / 150, (bubble.until - now) / FADE_MS));
      context.drawImage(bubble.image, box.x, box.y);
      context.globalAlpha = 1;
    }
  }
}
