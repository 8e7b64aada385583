/* The page's thread: frames come in from the connection, change the roster, and everything that shows it is told.
 * Here is decided which server to ask for, and what the status line says. */
import { Connection, socketUrl, socketUrlText } from './connection.js';
import { connectFrame, readFrame } from './frames.js';
import { Wardrobe } from './figures.js';
import { Chat, Legend, People, element } from './panels.js';
import { Pointer } from './pointer.js';
import { Roster } from './roster.js';
import { Stage } from './stage.js';
import { Door, Switcher } from './switcher.js';
import { MOST_FIGURES, World } from './world.js';

const NOTICE_MS = 8000;

const find = (id) => document.getElementById(id);

const canvas = find('world');
const roster = new Roster();
const world = new World(new Wardrobe());
const stage = new Stage(canvas, world, () => {
  const side = find('side');
  const lies = getComputedStyle(side).position === 'absolute';
  return lies ? canvas.getBoundingClientRect().right - side.getBoundingClientRect().left : 0;
});
const chat = new Chat(find('chat-log'));
const legend = new Legend(find('legend'));
const pointer = new Pointer(stage, find('hint'), (uid) => people.choose(uid));
const people = new People({
  panel: find('people'), list: find('people-list'), search: find('people-search'), more: find('people-more'),
  toggle: find('people-toggle'), onChoose: (uid) => stage.choose(uid),
});
const switcher = new Switcher(find('switcher'), (server) => {
  if (server.passworded && server !== here?.server) {
    door.open(server);
    return;
  }
  door.close();
  join(server.id);
});
const door = new Door(find('door'), (server, password) => join(server.id, password));

let servers = [];
let here = null;   /* {server, key, name} once joined on this connection */
let home = null;   /* {id, password} of the last good join: what to ask for after a loss */
let shown = null;  /* the key of the server on stage, also while the connection is lost */
const asked = [];  /* {id, password} of joins without an answer yet, oldest first */

/* ------------------------------------------------------------------ status ------------------------------------- */

const statusLine = document.querySelector('.status');
const statusText = find('status-text');
const statusCount = find('status-count'); /* beside what is read out: it changes all the time */

/** `parts` are texts and elements. Only a sentence that changes is written: it is read out where somebody listens. */
function say(phase, ...parts) {
  statusLine.dataset.phase = phase;
  const text = parts.map((part) => part.textContent ?? part).join('');
  if (statusText.textContent !== text)
    statusText.replaceChildren(...parts);
  statusCount.textContent = '';
  find('try-now').hidden = phase !== 'waiting';
}

/** A sentence of the server's, left standing for a while. */
let noticeTimer = 0;
function notice(text) {
  clearTimeout(noticeTimer);
  say(here ? 'live' : 'connecting', element('bdi', '', text));
  noticeTimer = setTimeout(() => {
    noticeTimer = 0;
    sayWhereWeAre();
  }, NOTICE_MS);
}

function sayWhereWeAre() {
  if (!here || noticeTimer)
    return;
  const count = roster.size;
  say('live', 'Live on ', element('bdi', '', here.name));
  statusCount.textContent = `: ${count.toLocaleString()} ${count === 1 ? 'person' : 'people'}` +
    (count > MOST_FIGURES ? `, ${MOST_FIGURES.toLocaleString()} of them drawn` : '');
}

/* ------------------------------------------------------------------ what is shown ------------------------------- */

function showServer() {
  switcher.mark(here?.server ?? null);
  canvas.dataset.server = here?.server?.id ?? '';
}

function showCrowd() {
  canvas.dataset.users = roster.size;
  find('empty').hidden = roster.size > 0 || !here;
  const { online, idle, dnd, offline } = roster.counts;
  canvas.setAttribute('aria-label', here
    ? `${here.name}, an island with ${roster.size} people: ${online} online, ${idle} idle, ` +
      `${dnd} not to be disturbed, ${offline} offline`
    : 'The island');
}

let crowdTimer = 0;
function crowdChanged() {
  people.changed();
  legend.changed();
  crowdTimer ||= setTimeout(() => {
    crowdTimer = 0;
    showCrowd();
    stage.enter(stage.key, roster.size);
    sayWhereWeAre();
  }, 300);
}

/* ------------------------------------------------------------------ frames -------------------------------------- */

function join(id, password = '') {
  if (connection.send(connectFrame(id, password)))
    asked.push({ id, password });
}

/** The entry of the list that an asked id means, or null. */
function serverOf(id) {
  const named = servers.find((s) => s.id === id || s.discordId === id);
  return named ?? (id === 'default' ? servers.find((s) => s.isDefault) : undefined) ?? null;
}

function onServerList(frame) {
  servers = frame.servers;
  if (here) {
    here.server = servers.find((s) => s.discordId === here.key) ?? serverOf(home.id ?? 'default');
    here.name = here.server?.name ?? here.name;
    sayWhereWeAre();
  }
  switcher.show(servers);
  showServer();
  const lost = here && servers.length > 0 && !here.server;
  const refused = !here && !asked.length;
  if (lost || refused)
    join(null);
}

function onServerJoin(frame) {
  const answered = asked.findIndex((each) => (each.id ?? 'default') === frame.asked);
  const request = answered < 0 ? { id: frame.asked, password: home?.password ?? '' } : asked.splice(0, answered + 1)[answered];
  const server = serverOf(frame.asked);
  const key = server?.discordId ?? frame.name;
  home = request;
  here = { server, key, name: frame.name };
  if (key !== shown) {
    shown = key;
    world.replace([]);
    chat.clear();
    people.choose(null);
  }
  roster.replace(frame.users);
  stage.enter(key, roster.size);
  world.replace(frame.users);
  stage.redraw();
  door.close();
  people.show(roster);
  legend.show(roster);
  showServer();
  showCrowd();
  statusLine.dataset.phase = 'live';
  document.body.classList.remove('lost');
  sayWhereWeAre();
}

/** Is this event about the server that we watch? */
function isHere(frame) {
  return here && (!here.server || !frame.server || frame.server === here.server.discordId);
}

function onPresence(frame) {
  if (!isHere(frame))
    return;
  const what = roster.apply(frame);
  if (!what)
    return;
  if (what === 'left')
    world.remove(frame.uid);
  else
    world.update(roster.get(frame.uid));
  stage.redraw();
  crowdChanged();
}

function onMessage(frame) {
  const user = isHere(frame) && roster.get(frame.uid);
  if (!user)
    return;
  chat.add(user.name, user.color, frame.text);
  stage.say(frame.uid, frame.text);
}

function onError(frame) {
  const refused = asked.shift();
  if (refused && door.server?.id === refused.id && door.refuse(frame.text))
    return;
  notice(frame.text);
  if (here && refused)
    return;
  /* Unasked it is the end of a login: nothing more of this server will come. */
  home = null;
  if (!refused || refused.id !== null)
    join(null);
}

const handlers = {
  'server-list': onServerList,
  'server-join': onServerJoin,
  presence: onPresence,
  message: onMessage,
  error: onError,
};

/* ------------------------------------------------------------------ connection ---------------------------------- */

let countdown = 0;
function countDown(delay) {
  const end = performance.now() + delay;
  const tell = () => {
    statusCount.textContent = ` Trying again in ${Math.max(1, Math.ceil((end - performance.now()) / 1000))} s.`;
  };
  say('waiting', 'The connection was lost.');
  tell();
  countdown = setInterval(tell, 1000);
}

function onPhase({ phase, attempt, delay }) {
  clearInterval(countdown);
  if (phase === 'open') {
    say('connecting', 'Connected, joining …');
    join(home?.id ?? null, home?.password);
    return;
  }
  asked.length = 0;
  here = null;
  document.body.classList.toggle('lost', shown !== null);
  clearTimeout(noticeTimer);
  noticeTimer = 0;
  if (phase === 'connecting')
    say('connecting', attempt ? 'Connecting again …' : 'Connecting …');
  else
    countDown(delay);
}

const connection = new Connection(socketUrl(), {
  onPhase,
  onText(text) {
    const frame = readFrame(text);
    if (frame)
      handlers[frame.type](frame);
  },
});

/* ------------------------------------------------------------------ the visitor's wishes ------------------------ */

const dark = window.matchMedia('(prefers-color-scheme: dark)');
const still = window.matchMedia('(prefers-reduced-motion: reduce)');
const pause = find('pause');

function beCalm() {
  const paused = pause.getAttribute('aria-pressed') === 'true';
  pause.hidden = still.matches;
  stage.setCalm(still.matches || paused);
  canvas.dataset.calm = String(still.matches || paused);
}

pause.addEventListener('click', () => {
  pause.setAttribute('aria-pressed', String(pause.getAttribute('aria-pressed') !== 'true'));
  beCalm();
});
find('zoom-in').addEventListener('click', () => pointer.zoom(1));
find('zoom-out').addEventListener('click', () => pointer.zoom(-1));
find('zoom-fit').addEventListener('click', () => pointer.fit());
find('try-now').addEventListener('click', () => connection.tryNow());
dark.addEventListener('change', () => stage.setNight(dark.matches));
still.addEventListener('change', beCalm);
stage.onBuilt = () => {
  pointer.changed();
  legend.paint(stage.scenery.signs);
};

async function showVersion() {
  let version = 'unknown';
  try {
    const answer = await fetch('api/version');
    const told = await answer.json();
    if (typeof told.version === 'string')
      version = told.version;
  } catch {
    /* The page is as useful without it. */
  }
  find('version').textContent = version;
  find('version-text').textContent = version;
}

for (const place of document.querySelectorAll('.ws-url'))
  place.textContent = socketUrlText();
legend.show(roster);
beCalm();
stage.measure();
stage.setNight(dark.matches);
connection.open();
showVersion();
