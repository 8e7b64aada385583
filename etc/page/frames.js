/* What comes over the wire, read with care: a frame becomes a plain value that the rest of the page can rely on, or null.
 * Nothing in here throws, whatever a server sends. */
import { safeColor } from './palette.js';
import { tidy, visible } from './text.js';

const KNOWN = new Set(['online', 'idle', 'dnd', 'offline']);
const LONGEST_NAME = 100;
const LONGEST_MESSAGE = 2000;
const LONGEST_SENTENCE = 300;

const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isText = (value) => typeof value === 'string' && value !== '';

function statusOf(value) {
  return KNOWN.has(value) ? value : 'unknown';
}

/** A name to show, or what to show in its place. */
function nameOf(value, otherwise) {
  return isText(value) ? visible(tidy(value, LONGEST_NAME), otherwise) : otherwise;
}

function readServerList(data) {
  const servers = [];
  for (const [discordId, entry] of Object.entries(data)) {
    if (!isObject(entry) || !isText(entry.id))
      continue;
    servers.push({
      discordId,
      id: entry.id,
      name: nameOf(entry.name, entry.id),
      passworded: entry.passworded === true,
      isDefault: entry.default === true,
    });
  }
  return { type: 'server-list', servers };
}

function readJoin(data) {
  if (!isObject(data.users))
    return null;
  const users = [];
  for (const user of Object.values(data.users))
    if (isObject(user) && isText(user.uid))
      users.push({
        uid: user.uid,
        name: nameOf(user.username, user.uid),
        color: safeColor(user.roleColor),
        status: statusOf(user.status),
      });
  const asked = isObject(data.request) && isText(data.request.server) ? data.request.server : 'default';
  return { type: 'server-join', users, asked, name: nameOf(data.serverName, asked) };
}

function readPresence(server, data) {
  if (!isText(data.uid))
    return null;
  const change = { type: 'presence', server, uid: data.uid, gone: data.delete === true };
  if (data.status !== undefined)
    change.status = statusOf(data.status);
  if (isText(data.username))
    change.name = nameOf(data.username, data.uid);
  if (data.roleColor !== undefined)
    change.color = safeColor(data.roleColor);
  return change;
}

function readMessage(server, data) {
  if (!isText(data.uid) || !isText(data.message))
    return null;
  return { type: 'message', server, uid: data.uid, text: tidy(data.message, LONGEST_MESSAGE) };
}

function readError(data) {
  return { type: 'error', text: isText(data.message) ? tidy(data.message, LONGEST_SENTENCE) : 'The server refused.' };
}

/** One text frame as a value with a `type`, or null when it makes no sense. */
export function readFrame(text) {
  let frame;
  try {
    frame = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(frame) || !isObject(frame.data))
    return null;
  const server = isText(frame.server) ? frame.server : null;
  switch (frame.type) {
    case 'server-list': return readServerList(frame.data);
    case 'server-join': return readJoin(frame.data);
    case 'presence': return readPresence(server, frame.data);
    case 'message': return readMessage(server, frame.data);
    case 'error': return readError(frame.data);
    default: return null;
  }
}

/** The frame that asks to join. `server` is null for the default one. */
export function connectFrame(server, password) {
  return JSON.stringify({ type: 'connect', data: password ? { server, password } : { server } });
}
