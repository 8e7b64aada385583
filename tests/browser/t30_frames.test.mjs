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
async function playServer(onFrame, options) {
  const page = await newPage(browser, options);
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
  let joins = 0; /* the error makes it ask again */
  const { page, say } = await playServer((request, answer) => joins++ || twoPeople(request, answer));
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

test('names of any length and script stay in their place', async () => {
  const odd = ['x'.repeat(256), 'wide '.repeat(50), '\u202Egnp.exe', 'مرحبا بالعالم', '漢字かな交じり文の長い名前です'.repeat(6),
    `z${'\u0300\u0316'.repeat(60)}`, '👩‍👩‍👧‍👦'.repeat(30), '<b>bold</b>', ' \u200b '];
  const crowd = odd.map((name, i) => user(`u${i}`, name, ['online', 'idle', 'dnd', 'offline'][i % 4]));
  const { page, say } = await playServer((request, answer) =>
    answer(joined(crowd, 'default', 'Home \u202Eemoh')), { viewport: { width: 360, height: 740 } });
  await visit(page, server.url, odd.length);
  say(frame('server-list', { 1: { ...HOME, name: 'Home \u202Eemoh' }, 3: { id: 'far', name: 'y'.repeat(256), passworded: true } }));
  odd.forEach((name, i) => say(frame('message', { uid: `u${i}`, message: `${name} ${name}`, channel: '1' }, '1')));
  const people = await peopleOf(page);
  assert.equal('u8' in people, true, 'a name without ink is no name');
  assert.equal(Object.keys(people).find((name) => name.startsWith('z')).length, 5);
  await page.locator('#switcher button', { hasText: 'yyy' }).click();
  const { room, needed } = await page.evaluate(() => ({
    room: document.documentElement.clientWidth, needed: document.documentElement.scrollWidth,
  }));
  assert.ok(needed <= room, `${needed} px wide in ${room} px`);
  /* The name that is written from right to left doesn't take its neighbours along. */
  const ends = await page.evaluate(() => ['status-text', 'status-count'].map((id) => {
    const range = document.createRange();
    range.selectNodeContents(document.getElementById(id));
    return range.getBoundingClientRect().right;
  }));
  assert.ok(ends[1] > ends[0], `the count ends at ${ends[1]}, the name at ${ends[0]}`);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('speech is broken into lines that fit, also without spaces', async () => {
  const page = await newPage(browser);
  await page.goto(server.url);
  const wide = await page.evaluate(async () => {
    const { Lettering } = await import('./lettering.js');
    const lettering = new Lettering();
    lettering.ruler.font = '13px sans-serif';
    const texts = ['hello', 'word '.repeat(60), 'https://example.org/'.repeat(9), '長い文章です。'.repeat(30), '👩‍👩‍👧‍👦'.repeat(30), '   '];
    return texts.map((text) => lettering.wrap(text, 190).map((line) => lettering.ruler.measureText(line).width));
  });
  const lines = wide.map((each) => each.length);
  assert.deepEqual([lines[0], lines[5]], [1, 1]);
  assert.ok(lines.slice(1, 5).every((count) => count > 1 && count <= 4), `${lines} lines`);
  assert.ok(wide.flat().every((width) => width > 0 && width <= 190));
  await page.context().close();
});

test('in a flood bubbles are few, and each can be read', async () => {
  const page = await newPage(browser);
  await page.goto(server.url);
  const counts = await page.evaluate(async () => {
    const { Words } = await import('./words.js');
    const words = new Words();
    let shown = 0;
    for (let i = 0; i < 1000; i++)
      shown += words.say(`u${i}`, '', 'hello', 100) > 0;
    const textOf = (uid) => words.bubbles.get(uid).text;
    words.say('u1', '', 'second', 200);
    words.say('u1', '', 'third', 300);
    const early = textOf('u1');
    words.tick(1100);
    const late = textOf('u1');
    words.say('new', '', 'hello', 1200);
    const full = [words.bubbles.size, words.bubbles.has('new'), words.bubbles.has('u0')];
    words.tick(1e6);
    return { shown, early, late, full, left: words.bubbles.size, rest: words.rest(1e6) };
  });
  assert.deepEqual(counts, { shown: 24, early: 'hello', late: 'third', full: [24, true, false], left: 0, rest: Infinity });
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

test('a login that ends leads back to the default server', async () => {
  const sentence = 'Discord authentication failed. Please try logging in again.';
  const asked = [];
  const { page, say } = await playServer((request, answer) => {
    asked.push(request.data.server);
    answer(request.data.server === 'away' ? joined([user('c', 'Cyd')], 'away', 'Away') : joined([user('a', 'Ann'), user('b', 'Bob')]));
  });
  await visit(page, server.url, 2);
  await page.getByRole('button', { name: 'Away' }).click();
  await peopled(page, 1);
  say(frame('error', { message: sentence }));
  await peopled(page, 2);
  assert.deepEqual(asked, [null, 'away', null]);
  assert.equal(await page.locator('#world').getAttribute('data-server'), 'home');
  assert.match(await page.locator('.status').innerText(), /Discord authentication failed/);
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
