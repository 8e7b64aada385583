/* Frames that no good server sends, and rare ones that it may: the page takes both in its stride. Here the test plays the
 * server, the daemon gives the files only. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { anyServer, newPage, peopled, peopleOf, pixels, startBrowser, until, visit } from './harness.mjs';

let server;
let browser;

const HOME = { id: 'home', name: 'Home', passworded: false, default: true };
const frame = (type, data, id) => JSON.stringify({ type, ...(id ? { server: id } : {}), data });
const LIST = frame('server-list', { 1: HOME, 2: { id: 'away', name: 'Away', passworded: false } });
const user = (uid, username, status = 'online', roleColor = '#ff0000') => [uid, { uid, username, status, roleColor }];
const joined = (users, asked = 'default', serverName = 'Home') =>
  frame('server-join', { users: Object.fromEntries(users), request: { server: asked }, serverName });

before(async () => {
  server = await anyServer();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

/** A page whose server is played: `onFrame(data, say)` gets every frame of the page. */
async function playServer(onFrame) {
  const page = await newPage(browser);
  const sockets = [];
  await page.routeWebSocket(/.*/, (socket) => {
    sockets.push(socket);
    socket.send(LIST);
    socket.onMessage((text) => onFrame(JSON.parse(text), (answer) => socket.send(answer)));
  });
  return { page, say: (text) => sockets[sockets.length - 1].send(text), sockets };
}

const twoPeople = (request, say) => request.type === 'connect' && say(joined([user('a', 'Ann'), user('b', 'Bob')]));

test('the page joins with the agreed frame', async () => {
  const frames = [];
  const { page } = await playServer((request, say) => {
    frames.push(request);
    twoPeople(request, say);
  });
  await visit(page, server.url, 2);
  assert.deepEqual(frames, [{ type: 'connect', data: { server: null } }]);
  await page.context().close();
});

test('malformed frames are passed over', async () => {
  const { page, say } = await playServer(twoPeople);
  await visit(page, server.url, 2);
  const nonsense = [
    '', '{', 'null', '7', '"text"', '[]', '{}', '{"type":"presence"}', '{"type":"presence","data":null}',
    '{"type":"presence","data":[]}', '{"type":"presence","data":{"status":"online"}}', '{"type":"presence","data":{"uid":7}}',
    '{"type":"message","data":{"uid":"a"}}', '{"type":"message","data":{"uid":"a","message":{"x":1}}}',
    '{"type":"message","data":{"uid":"nobody","message":"hello"}}', '{"type":"server-join","data":{}}',
    '{"type":"server-join","data":{"users":[1,2]}}', '{"type":"error","data":{}}',
    '{"type":"from-the-future","data":{"x":1}}', '{"type":"__proto__","data":{"x":1}}', '{"type":"toString","data":{"x":1}}',
    '{"type":"update-clientid","server":"1","data":{"clientId":"42"}}',
  ];
  for (const text of nonsense)
    say(text);
  say(frame('message', { uid: 'a', message: 'still here', channel: '1' }, '1'));
  await page.locator('#chat-log li', { hasText: 'still here' }).waitFor();
  assert.equal(await page.locator('#world').getAttribute('data-users'), '2');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('text is text, never markup', async () => {
  const { page, say } = await playServer(twoPeople);
  await visit(page, server.url, 2);
  const nasty = '<img src=x onerror="document.title=1"><b>bold</b>';
  say(frame('presence', { uid: 'c', status: 'online', username: nasty, roleColor: 'red;background:url(//x)' }, '1'));
  say(frame('message', { uid: 'c', message: nasty, channel: '1' }, '1'));
  say(frame('error', { message: nasty }));
  say(frame('server-list', { 1: HOME, 3: { id: nasty, name: nasty, passworded: true } }));
  await peopled(page, 3);
  await peopleOf(page);
  await page.locator('#chat-log li', { hasText: 'onerror' }).waitFor();
  await page.locator('#switcher button', { hasText: 'onerror' }).waitFor();
  assert.equal(await page.locator('main img, main b:not(.legend b)').count(), 0);
  assert.equal(await page.title(), 'D-Back WebSocket Server');
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('statuses that nobody knows, newcomers, leavers, renames and empty islands', async () => {
  const { page, say } = await playServer(twoPeople);
  await visit(page, server.url, 2);
  say(frame('presence', { uid: 'a', status: 'streaming' }, '1'));
  say(frame('presence', { uid: 'c', status: 'idle', username: 'Cem', roleColor: '#00ff00' }, '1'));
  say(frame('presence', { uid: 'ghost', status: 'offline', delete: true }, '1'));
  await peopled(page, 3);
  await until('the statuses', async () => {
    const people = await peopleOf(page);
    return people.Ann === 'unknown' && people.Cem === 'idle' && people.Bob === 'online';
  });
  assert.equal(await page.locator('#legend [data-status="unknown"]').isVisible(), true);

  say(frame('presence', { uid: 'b', status: 'offline', delete: true }, '1'));
  say(frame('presence', { uid: 'b', status: 'dnd', username: 'Robert', roleColor: '#0000ff' }, '1'));
  await until('a rename', async () => 'Robert' in (await peopleOf(page)) && !('Bob' in (await peopleOf(page))));

  for (const uid of ['a', 'b', 'c'])
    say(frame('presence', { uid, status: 'offline', delete: true }, '1'));
  await peopled(page, 0);
  await page.locator('#empty').waitFor();
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('events of another server are not ours', async () => {
  const { page, say } = await playServer(twoPeople);
  await visit(page, server.url, 2);
  say(frame('presence', { uid: 'a', status: 'offline', delete: true }, '2'));
  say(frame('message', { uid: 'a', message: 'from elsewhere', channel: '1' }, '2'));
  say(frame('message', { uid: 'a', message: 'from here', channel: '1' }, '1'));
  await page.locator('#chat-log li', { hasText: 'from here' }).waitFor();
  assert.equal(await page.locator('#chat-log li', { hasText: 'from elsewhere' }).count(), 0);
  assert.equal(await page.locator('#world').getAttribute('data-users'), '2');
  await page.context().close();
});

test('a server that left the list: the page goes to the default one', async () => {
  const { page, say } = await playServer((request, answer) =>
    answer(request.data.server === 'away' ? joined([user('z', 'Zoe'), user('y', 'Yan')], 'away', 'Away')
      : joined([user('a', 'Ann')])));
  await visit(page, server.url, 1);
  await page.getByRole('button', { name: 'Away' }).click();
  await peopled(page, 2);
  say(frame('server-list', { 1: HOME }));
  await peopled(page, 1);
  assert.equal(await page.locator('#world').getAttribute('data-server'), 'home');
  assert.equal(await page.locator('#switcher button').count(), 1);
  await page.context().close();
});

test('a fresh snapshot and a new list of servers, out of the blue', async () => {
  const { page, say } = await playServer((request, answer) =>
    answer(request.data.server === null ? joined([user('a', 'Ann')]) : joined([user('z', 'Zoe')], request.data.server, 'Away')));
  await visit(page, server.url, 1);
  say(joined([user('a', 'Ann', 'dnd'), user('d', 'Dot'), user('e', 'Eve')]));
  await peopled(page, 3);
  const many = Array.from({ length: 40 }, (_, i) => [`x${i}`, { id: `s${i}`, name: `Server ${i}`, passworded: i === 7 }]);
  say(frame('server-list', { 1: HOME, ...Object.fromEntries(many) }));
  const select = page.getByRole('combobox', { name: 'Server' });
  await select.waitFor();
  assert.equal(await select.locator('option').count(), 41);
  assert.equal(await select.inputValue(), 'home');
  assert.match(await select.locator('option').nth(8).innerText(), /needs a login/);
  await select.selectOption('s3');
  await peopled(page, 1);
  assert.equal(await page.locator('#world').getAttribute('data-server'), 's3');
  say(LIST);
  await page.locator('#switcher button').first().waitFor();
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('a refusal of the first join is reported, nothing spins, and a new list of servers is another chance', async () => {
  let asked = 0;
  const { page, say } = await playServer((request, answer) => {
    asked++;
    answer(asked === 1 ? frame('error', { message: "Sorry, couldn't connect to that Discord server." })
      : joined([user('a', 'Ann')]));
  });
  await page.goto(server.url);
  await page.locator('.status', { hasText: "Sorry, couldn't connect to that Discord server." }).waitFor();
  for (let i = 0; i < 30; i++)
    await page.evaluate(() => new Promise(requestAnimationFrame));
  assert.equal(asked, 1);
  say(LIST);
  await peopled(page, 1);
  assert.equal(asked, 2);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('five thousand people and a flood of events leave the page at ease', async () => {
  const crowd = Array.from({ length: 5000 }, (_, i) => user(`u${i}`, `user ${i}`, ['online', 'idle', 'dnd', 'offline'][i % 4],
    `#${((i * 2654435761) >>> 8).toString(16).padStart(6, '0').slice(-6)}`));
  const { page, say } = await playServer((request, answer) => answer(joined(crowd)));
  await visit(page, server.url, 5000);
  for (let i = 0; i < 3000; i++) {
    say(frame('presence', { uid: `u${i % 5000}`, status: 'dnd' }, '1'));
    say(frame('message', { uid: `u${(i * 7) % 5000}`, message: `word ${i}`, channel: '1' }, '1'));
  }
  await page.locator('#chat-log li', { hasText: 'word 2999' }).waitFor();
  assert.ok((await page.locator('#chat-log li').count()) <= 60);
  await page.locator('#people-toggle').click();
  await page.getByLabel('Find a name').fill('user 4999');
  await until('the one that was looked for', async () => (await page.locator('#people-list li').count()) === 1);
  assert.ok(new Set(await pixels(page)).size > 20);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});
