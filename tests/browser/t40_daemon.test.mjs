/* What needs a daemon of its own: a crowd out of the configuration, a daemon behind a proxy, and one that dies and
 * comes back. */
import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { NEEDS_DAEMON, newPage, peopled, peopleOf, pixels, startBrowser, startDaemon, until, visit } from './harness.mjs';

let browser;

before(async () => {
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
});

const CROWD = `providers = (
  { name = "mock"; plugin = "mock"; options = { servers = 1; users_per_server = 500; }; }
);
`;

test('a world of 500', { skip: NEEDS_DAEMON }, async () => {
  const daemon = await startDaemon({ config: CROWD });
  try {
    for (const viewport of [{ width: 1440, height: 900 }, { width: 360, height: 740 }]) {
      const page = await newPage(browser, { viewport });
      await visit(page, daemon.url, 500);
      assert.match(await page.locator('.status').innerText(), /: 500 people$/);
      assert.ok(new Set(await pixels(page)).size > 20);
      const counts = await page.locator('#legend b').allInnerTexts();
      assert.equal(counts.map(Number).reduce((sum, count) => sum + count, 0), 500);
      await peopleOf(page);
      assert.ok((await page.locator('#people-list li').count()) >= 100);
      await page.locator('#zoom-fit').click();
      await page.locator('#zoom-in').click();
      await page.locator('#world').focus();
      await page.keyboard.press('ArrowRight');
      assert.deepEqual(page.complaints, []);
      await page.context().close();
    }
  } finally {
    await daemon.stop();
  }
});

/** A proxy that shows the daemon below /deep/down/ and nowhere else. Answers its port and a way to close it. */
async function proxyBelowPrefix(port) {
  const prefix = '/deep/down/';
  const sockets = new Set();
  const proxy = createServer((incoming, outgoing) => {
    if (!incoming.url.startsWith(prefix)) {
      outgoing.writeHead(404).end();
      return;
    }
    const path = incoming.url.slice(prefix.length - 1);
    request({ host: '127.0.0.1', port, path, headers: incoming.headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      answer.pipe(outgoing);
    }).on('error', () => outgoing.destroy()).end();
  });
  proxy.on('connection', (socket) => sockets.add(socket));
  proxy.on('upgrade', (incoming, socket, head) => {
    if (!incoming.url.startsWith(prefix)) {
      socket.destroy();
      return;
    }
    const onward = connect(port, '127.0.0.1', () => {
      const lines = incoming.rawHeaders.reduce((text, part, i) => text + part + (i % 2 ? '\r\n' : ': '), '');
      onward.write(`GET ${incoming.url.slice(prefix.length - 1)} HTTP/1.1\r\n${lines}\r\n`);
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    onward.on('error', () => socket.destroy());
    socket.on('error', () => onward.destroy());
  });
  await new Promise((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  return {
    port: proxy.address().port,
    close: () => {
      proxy.close();
      for (const socket of sockets)
        socket.destroy();
    },
  };
}

test('everything works below a path of a proxy', { skip: NEEDS_DAEMON }, async () => {
  const daemon = await startDaemon();
  const proxy = await proxyBelowPrefix(daemon.port);
  try {
    const page = await newPage(browser);
    await visit(page, `http://127.0.0.1:${proxy.port}/deep/down/?from=there#docs`, 4);
    assert.equal(await page.locator('#ws-url').innerText(), `ws://127.0.0.1:${proxy.port}/deep/down/`);
    assert.match(await page.locator('#version').innerText(), /^\d+\.\d+\.\d+/);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  } finally {
    proxy.close();
    await daemon.stop();
  }
});

test('the page comes back when the daemon does, to the server it was on', { skip: NEEDS_DAEMON }, async () => {
  let daemon = await startDaemon();
  try {
    const page = await newPage(browser);
    await visit(page, daemon.url, 4);
    await page.getByRole('button', { name: 'My Repos' }).click();
    await peopled(page, 21);
    const { port } = daemon;
    await daemon.stop('SIGKILL');
    daemon = null;
    const status = page.locator('.status');
    await until('the loss', async () => (await status.getAttribute('data-phase')) === 'waiting');
    assert.match(await status.innerText(), /connection was lost\. Trying again in \d+ s/);
    const isFaded = () => page.evaluate(() => document.body.classList.contains('lost'));
    assert.equal(await isFaded(), true);
    assert.equal(await page.locator('#try-now').isVisible(), true);
    const delay = async () => Number((await status.innerText()).match(/in (\d+) s/)?.[1] ?? 0);
    await until('a longer delay', async () => (await delay()) >= 3);

    daemon = await startDaemon({ port });
    await page.locator('#try-now').click();
    await until('life', async () => (await status.getAttribute('data-phase')) === 'live');
    assert.equal(await page.locator('#world').getAttribute('data-server'), 'repos');
    assert.equal(await page.locator('#world').getAttribute('data-users'), '21');
    assert.equal(await page.locator('#try-now').isHidden(), true);
    assert.equal(await isFaded(), false);
    await page.locator('#chat-log li:has(.who)').first().waitFor();

    /* And without a hand. */
    await daemon.stop('SIGTERM');
    daemon = null;
    await until('the second loss', async () => (await status.getAttribute('data-phase')) === 'waiting');
    daemon = await startDaemon({ port });
    await until('life again', async () => (await status.getAttribute('data-phase')) === 'live');
    assert.equal(await page.locator('#world').getAttribute('data-server'), 'repos');
    await page.context().close();
  } finally {
    await daemon?.stop();
  }
});
