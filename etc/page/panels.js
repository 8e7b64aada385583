/* The world in words: the chat log, the list of people, and the legend with its counts. All text goes in as
 * textContent, names and messages into elements of their own (bdi), so that the direction in which one of them is read
 * doesn't turn its surroundings around. Floods are gathered and written a few times a second, so that a busy server
 * leaves the page at ease. */
import { STATUSES, Wardrobe, drawFigure, frameOf } from './figures.js';

const CHAT_LINES = 60;
const CHAT_AT_ONCE = 6;
const PEOPLE_LINES = 250;
const WRITE_MS = 300;

const SYMBOLS = { online: '●', idle: '☾', dnd: '⊖', offline: 'zZ', unknown: '?' };

/** A new element with a class and a text. */
export function element(name, className = '', text = '') {
  const made = document.createElement(name);
  if (className)
    made.className = className;
  made.textContent = text;
  return made;
}

function chip(color) {
  const made = element('span', 'chip');
  made.style.setProperty('--role', color);
  made.setAttribute('aria-hidden', 'true');
  return made;
}

/** Runs `write` soon, and not again before some time has passed. */
function gently(write) {
  let timer = 0;
  return () => {
    timer ||= setTimeout(() => {
      timer = 0;
      write();
    }, WRITE_MS);
  };
}

export class Chat {
  /** `log` is what scrolls; the lines go into the list in it. */
  constructor(log) {
    this.log = log;
    this.list = log.querySelector('ol');
    this.flooded = false;
    this.waiting = [];
    this.later = gently(() => this.write());
    this.clear();
  }

  clear() {
    this.waiting = [];
    this.list.replaceChildren(element('li', 'nothing', 'Nobody has said anything yet.'));
  }

  add(name, color, text) {
    this.waiting.push({ name, color, text, at: new Date() });
    if (this.waiting.length > CHAT_AT_ONCE) {
      this.waiting.shift();
      this.flooded = true;
    }
    this.later();
  }

  write() {
    const { log, list } = this;
    /* Nobody wants to have a flood read out. */
    log.setAttribute('aria-live', this.flooded ? 'off' : 'polite');
    this.flooded = false;
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 30;
    list.querySelector('.nothing')?.remove();
    for (const { name, color, text, at } of this.waiting) {
      const line = element('li');
      const time = element('time', '', at.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }));
      time.dateTime = at.toISOString();
      line.append(time, chip(color), element('bdi', 'who', name), element('bdi', '', text));
      list.append(line);
    }
    this.waiting = [];
    while (list.children.length > CHAT_LINES)
      list.firstChild.remove();
    if (atEnd)
      log.scrollTop = log.scrollHeight;
  }
}

export class People {
  /** `onChoose(uid)` is called with null when nobody is chosen any more. */
  constructor({ panel, list, search, more, toggle, onChoose }) {
    Object.assign(this, { panel, list, search, more, toggle, onChoose });
    this.lines = new Map();
    this.chosen = null;
    this.changed = gently(() => this.write());
    search.addEventListener('input', () => this.write());
    toggle.addEventListener('click', () => {
      this.open(panel.hidden);
      /* On a small screen it lies below the world. */
      if (!panel.hidden)
        panel.scrollIntoView({ block: 'nearest' });
    });
    panel.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape')
        return;
      this.open(false);
      toggle.focus();
    });
  }

  open(open) {
    this.panel.hidden = !open;
    this.toggle.setAttribute('aria-expanded', String(open));
    this.write();
  }

  show(roster) {
    this.roster = roster;
    this.write();
  }

  choose(uid) {
    this.chosen = uid;
    for (const [each, line] of this.lines)
      line.button.setAttribute('aria-pressed', String(each === uid));
    this.onChoose(uid);
  }

  line(uid) {
    let line = this.lines.get(uid);
    if (!line) {
      const item = element('li');
      const button = element('button');
      button.type = 'button';
      button.setAttribute('aria-pressed', String(uid === this.chosen));
      line = { item, button, chip: chip('#99aab5'), name: element('bdi', 'name'), state: element('span', 'state') };
      button.append(line.chip, line.name, line.state);
      button.addEventListener('click', () => this.choose(this.chosen === uid ? null : uid));
      item.append(button);
      this.lines.set(uid, line);
    }
    return line;
  }

  write() {
    if (this.panel.hidden || !this.roster)
      return;
    const wanted = this.search.value.trim().toLowerCase();
    const shown = [];
    let found = 0;
    for (const user of this.roster.users.values())
      if ((!wanted || user.name.toLowerCase().includes(wanted)) && ++found <= PEOPLE_LINES)
        shown.push(user);
    for (const [uid, line] of this.lines)
      if (!shown.some((user) => user.uid === uid)) {
        line.item.remove();
        this.lines.delete(uid);
      }
    let place = this.list.firstChild;
    for (const user of shown) {
      const line = this.line(user.uid);
      line.chip.style.setProperty('--role', user.color);
      if (line.name.textContent !== user.name)
        line.name.textContent = line.name.title = user.name;
      const state = `${SYMBOLS[user.status]} ${STATUSES[user.status].label}`;
      if (line.state.textContent !== state)
        line.state.textContent = state;
      line.item.dataset.uid = user.uid;
      line.item.dataset.status = user.status;
      if (line.item === place)
        place = place.nextSibling;
      else
        this.list.insertBefore(line.item, place);
    }
    this.more.hidden = found <= PEOPLE_LINES;
    this.more.textContent = `and ${(found - PEOPLE_LINES).toLocaleString()} more; search to find them`;
  }
}

export class Legend {
  constructor(list) {
    this.counts = {};
    this.pictures = [];
    this.wardrobe = new Wardrobe();
    for (const [status, { label, posture }] of Object.entries(STATUSES)) {
      const item = element('li');
      item.dataset.status = status;
      const canvas = element('canvas');
      canvas.width = 22 * 2;
      canvas.height = 32 * 2;
      canvas.style.width = '33px';
      canvas.style.height = '48px';
      canvas.setAttribute('aria-hidden', 'true');
      const words = element('span');
      this.counts[status] = element('b', '', '0');
      words.append(this.counts[status], ` ${label}`, element('span', 'posture', posture));
      item.append(canvas, words);
      list.append(item);
      this.pictures.push({ canvas, status });
    }
    this.write = this.write.bind(this);
    this.changed = gently(this.write);
  }

  /** Draws the postures with the signs of the current scenery. */
  paint(signs) {
    const look = this.wardrobe.look('#e58f4e', 0);
    for (const { canvas, status } of this.pictures) {
      const context = canvas.getContext('2d');
      context.imageSmoothingEnabled = false;
      context.clearRect(0, 0, canvas.width, canvas.height);
      drawFigure(context, look, frameOf(status, { step: status === 'online' ? 0 : null }), 22, 58, 2);
      const sign = signs[status]?.canvas;
      const [x, y] = { offline: [20, 14], idle: [13, 4] }[status] ?? [22 - (sign?.width ?? 0), 0];
      if (sign)
        context.drawImage(sign, x, y, sign.width * 2, sign.height * 2);
    }
  }

  show(roster) {
    this.roster = roster;
    this.write();
  }

  write() {
    for (const [status, counter] of Object.entries(this.counts)) {
      const count = this.roster?.counts[status] ?? 0;
      counter.textContent = count.toLocaleString();
      counter.closest('li').hidden = status === 'unknown' && count === 0;
    }
  }
}
