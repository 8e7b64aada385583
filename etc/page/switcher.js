/* Choosing a server: a button each (a list when there are many), a lock on those that need a login, and the door
 * where a password can be given. */
import { element } from './panels.js';

const MOST_BUTTONS = 8;
const SVG = 'http://www.w3.org/2000/svg';

function lock() {
  const svg = document.createElementNS(SVG, 'svg');
  svg.setAttribute('viewBox', '0 0 12 12');
  svg.setAttribute('aria-hidden', 'true');
  const path = document.createElementNS(SVG, 'path');
  path.setAttribute('d', 'M3 5V3h1V2h1V1h2v1h1v1h1v2h1v6H2V5zm2 0h2V3H5zm0 2v2h2V7z');
  path.setAttribute('fill-rule', 'evenodd');
  svg.append(path);
  return svg;
}

export class Switcher {
  /** `onChoose(server)` is called with an entry of the list. */
  constructor(place, onChoose) {
    this.place = place;
    this.onChoose = onChoose;
    this.servers = [];
    this.current = null;
  }

  show(servers) {
    const focused = this.place.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    this.servers = servers;
    this.place.replaceChildren(...(servers.length > MOST_BUTTONS ? this.select() : servers.map((s) => this.button(s))));
    this.mark(this.current);
    if (focused !== null)
      (this.place.querySelector(`[data-id="${CSS.escape(focused)}"]`) ?? this.place.querySelector('select'))?.focus();
  }

  button(server) {
    const button = element('button');
    button.type = 'button';
    button.dataset.id = server.id;
    if (server.passworded)
      button.append(lock());
    button.append(element('bdi', 'name', server.name));
    button.title = server.name;
    if (server.passworded)
      button.append(element('span', 'hidden-text', ' (needs a login)'));
    button.addEventListener('click', () => this.onChoose(server));
    return button;
  }

  select() {
    const label = element('label', 'hidden-text', 'Server');
    const select = element('select');
    select.id = 'server-select';
    select.dataset.id = '';
    label.htmlFor = select.id;
    for (const server of this.servers) {
      const option = element('option', '', server.passworded ? `${server.name} (needs a login)` : server.name);
      option.value = server.id;
      option.dir = 'auto';
      select.append(option);
    }
    select.addEventListener('change', () => {
      const server = this.servers.find((each) => each.id === select.value);
      this.mark(this.current);
      if (server)
        this.onChoose(server);
    });
    return [label, select];
  }

  /** Shows which server we are on: an entry of the list, or null. */
  mark(server) {
    this.current = server;
    for (const button of this.place.querySelectorAll('button')) {
      const pressed = button.dataset.id === server?.id;
      button.setAttribute('aria-pressed', String(pressed));
      if (pressed)
        this.place.scrollLeft = button.offsetLeft - this.place.offsetLeft - 40;
    }
    const select = this.place.querySelector('select');
    if (select)
      select.value = server?.id ?? '';
  }
}

export class Door {
  /** `onKnock(server, password)` is called when the visitor wants in. */
  constructor(form, onKnock) {
    this.form = form;
    this.text = form.querySelector('#door-text');
    this.input = form.querySelector('#door-password');
    this.answer = form.querySelector('#door-answer');
    this.server = null;
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      this.answer.textContent = '';
      onKnock(this.server, this.input.value);
    });
    form.querySelector('#door-close').addEventListener('click', () => this.close());
    form.addEventListener('keydown', (event) => event.key === 'Escape' && this.close());
  }

  open(server) {
    this.server = server;
    this.from = document.activeElement;
    this.text.replaceChildren(element('bdi', '', server.name), ' lets people in after a login. ' +
      'If it has a password, give it here; to log in with Discord, use the d-zone client.');
    this.answer.textContent = '';
    this.input.value = '';
    this.form.hidden = false;
    this.input.focus();
  }

  /** Shows the server's sentence; true when it was for this door. */
  refuse(sentence) {
    if (this.form.hidden)
      return false;
    this.answer.textContent = sentence;
    return true;
  }

  close() {
    if (this.form.hidden)
      return;
    const inside = this.form.contains(document.activeElement);
    this.form.hidden = true;
    this.input.value = '';
    this.server = null;
    if (inside && this.from?.isConnected)
      this.from.focus();
  }
}
