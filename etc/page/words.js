/* Names below the feet and speech above the heads: who gets how much room, so that words don't cover words or faces.
 *
 * In a flood of messages a bubble stays long enough to be read; what doesn't get a bubble is in the chat.
 */
import { Lettering } from './lettering.js';

const BUBBLE_MS = 5200;
const PER_LETTER_MS = 40;
const LONGEST_MS = BUBBLE_MS + 4000;
const FADE_MS = 350;
const MOST_BUBBLES = 24;
const READ_MS = 900;  /* a bubble has so long before a newer one may take its place */
const BUBBLE_GAP = 2; /* CSS pixels between bubbles */

const overlap = (a, b) =>
  a.x < b.x + b.width && a.x + a.width > b.x && a.y < b.y + b.height && a.y + a.height > b.y;

/** What of somebody mustn't be covered: the face, and the sign above it. */
function faceOf({ figure, at }, scale) {
  if (figure.status === 'offline')
    return { x: at.x - 9 * scale, y: at.y - 10 * scale, width: 18 * scale, height: 10 * scale };
  const top = figure.status === 'online' ? 17 : 28;
  return { x: at.x - 6 * scale, y: at.y - top * scale, width: 12 * scale, height: (top - 6) * scale };
}

export class Words {
  constructor() {
    this.lettering = new Lettering();
    this.bubbles = new Map(); /* by uid, in the order in which they came up */
  }

  configure(ratio, width, paint) {
    this.width = width;
    this.gap = BUBBLE_GAP * ratio;
    this.lettering.configure(ratio, width, paint);
    for (const bubble of this.bubbles.values())
      bubble.image = null;
  }

  /** `name` goes into the bubble where there are no plates. Answers how long it stays; 0: there was no room for it. */
  say(uid, name, text, now) {
    const own = this.bubbles.get(uid);
    if (own && now - own.since < READ_MS) {
      own.next = { name, text };
      return own.until - now;
    }
    if (!own && this.bubbles.size >= MOST_BUBBLES) {
      const [first, oldest] = this.bubbles.entries().next().value;
      if (now - oldest.since < READ_MS)
        return 0;
      this.bubbles.delete(first);
    }
    this.bubbles.delete(uid);
    const stay = Math.min(LONGEST_MS, BUBBLE_MS + text.length * PER_LETTER_MS);
    this.bubbles.set(uid, {
      name, text, since: now, until: now + stay, opened: own?.opened ?? now, next: null, image: null,
    });
    return stay;
  }

  /** Bubbles whose time is over go; who said more meanwhile says it now. */
  tick(now) {
    for (const [uid, { since, until, next }] of [...this.bubbles]) {
      if (now > until)
        this.bubbles.delete(uid);
      else if (next && now - since >= READ_MS)
        this.say(uid, next.name, next.text, now);
    }
  }

  /** How long until tick() has something to do; Infinity: nothing. */
  rest(now) {
    let soonest = Infinity;
    for (const { since, until, next } of this.bubbles.values())
      soonest = Math.min(soonest, next ? since + READ_MS : until);
    return Math.max(0, soonest - now);
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
    const put = (image, box) => {
      placed.push(box);
      context.drawImage(image, box.x, box.y);
    };
    for (const item of people)
      if (chosen.includes(item.figure.uid)) {
        const image = this.lettering.plate(item.figure.name, true);
        put(image, this.box(image, item.at, item.at.y + 3 * scale));
      }
    if (!all)
      return;
    const faces = people.map((item) => faceOf(item, scale));
    for (let i = people.length - 1; i >= 0; i--) {
      const { figure, at, step } = people[i];
      if (chosen.includes(figure.uid))
        continue;
      const image = this.lettering.plate(figure.name, false);
      const below = at.y + 3 * scale;
      const places = [below, below + image.height, Math.min(faces[i].y, at.y - 22 * scale) - image.height];
      const isFree = (place) => {
        const box = this.box(image, at, places[place]);
        return !placed.some((other) => overlap(box, other)) && !faces.some((face, n) => n !== i && overlap(box, face));
      };
      /* Who walks keeps it where it is while that goes: names that jump are hard to read. */
      figure.plateAt = [step === null ? 0 : figure.plateAt ?? 0, 0, 1, 2].find(isFree);
      if (figure.plateAt !== undefined)
        put(image, this.box(image, at, places[figure.plateAt]));
      people[i].top = figure.plateAt === 2 ? places[2] : undefined;
    }
  }

  /** After the plates: a bubble goes above the one over its speaker's head. */
  drawBubbles(context, people, scale, now, calm) {
    const placed = [];
    for (let i = people.length - 1; i >= 0 && this.bubbles.size; i--) {
      const { figure, at, lift, top } = people[i];
      const bubble = this.bubbles.get(figure.uid);
      if (!bubble)
        continue;
      bubble.image ??= this.lettering.bubble(bubble.name, bubble.text);
      const tall = figure.status === 'offline' ? 12 : 22;
      const box = this.box(bubble.image, at, (top ?? at.y - tall * scale) - lift * scale - bubble.image.height);
      for (const other of placed)
        if (overlap(box, other))
          box.y = other.y - box.height - this.gap;
      box.y = Math.max(0, box.y);
      placed.push(box);
      if (!calm)
        context.globalAlpha = Math.max(0, Math.min(1, (now - bubble.opened) / 150, (bubble.until - now) / FADE_MS));
      context.drawImage(bubble.image, box.x, box.y);
      context.globalAlpha = 1;
    }
  }
}
