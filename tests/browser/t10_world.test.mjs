/* The live world: it draws, it moves, it follows what happens, by day and by night, and rests when asked to. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { anyServer, fingerprint, lightness, newPage, peopleOf, pixels, startBrowser, until, visit } from './harness.mjs';

let server;
let browser;

before(async () => {
  server = await anyServer();
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
  await server?.stop();
});

test('the canvas shows the four of the mock, crisp on a dense screen', async () => {
  for (const deviceScaleFactor of [1, 2]) {
    const page = await newPage(browser, { deviceScaleFactor });
    await visit(page, server.url, 4);
    const people = await peopleOf(page);
    assert.deepEqual(Object.keys(people).sort(), ['Cog-Creators', 'NNTin', 'd-zone-org', 'vegeta897']);
    const size = await page.evaluate(() => {
      const canvas = document.getElementById('world');
      return { pixels: canvas.width, css: canvas.getBoundingClientRect().width };
    });
    assert.equal(size.pixels, Math.round(size.css * deviceScaleFactor));
    const colors = new Set(await pixels(page));
    assert.ok(colors.size > 20, `only ${colors.size} colours on the canvas`);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  }
});

test('a figure wears its role colour', async () => {
  const page = await newPage(browser);
  await visit(page, server.url, 4);
  await until('vegeta897 in #ff6b6b', () => page.evaluate(() => {
    const canvas = document.getElementById('world');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4)
      count += data[i] === 0xff && data[i + 1] === 0x6b && data[i + 2] === 0x6b;
    return count > 30;
  }));
  await page.context().close();
});

test('the picture moves', async () => {
  const page = await newPage(browser);
  await visit(page, server.url, 4);
  const first = await fingerprint(page);
  await until('another picture', async () => (await fingerprint(page)) !== first);
  await page.context().close();
});

test('a presence changes the list, the legend and the description', async () => {
  const page = await newPage(browser);
  await visit(page, server.url, 4);
  const state = async () => JSON.stringify(await peopleOf(page));
  const before = await state();
  await until('somebody with another status', async () => (await state()) !== before);
  await until('list, legend and description agree', async () => {
    const counts = { online: 0, idle: 0, dnd: 0, offline: 0 };
    for (const status of Object.values(await peopleOf(page)))
      counts[status]++;
    const legend = await page.evaluate(() => Object.fromEntries(['online', 'idle', 'dnd', 'offline'].map((status) =>
      [status, Number(document.querySelector(`#legend [data-status="${status}"] b`).textContent)])));
    const told = await page.locator('#world').getAttribute('aria-label');
    const words = `${counts.online} online, ${counts.idle} idle, ${counts.dnd} not to be disturbed, ${counts.offline} offline`;
    return JSON.stringify(counts) === JSON.stringify(legend) && told.endsWith(words);
  });
  await page.context().close();
});

test('a message shows in the log, politely live, and as a bubble', async () => {
  const page = await newPage(browser);
  await visit(page, server.url, 4);
  const log = page.locator('#chat-log');
  assert.equal(await log.getAttribute('aria-live'), 'polite');
  const line = log.locator('li:has(.who)').first();
  await line.waitFor();
  assert.match(await line.innerText(), /hello|how are you\?|this is a test message|D-Zone rocks!|what's up\?/);
  assert.ok(['vegeta897', 'Cog-Creators', 'd-zone-org', 'NNTin'].includes(await line.locator('.who').innerText()));
  await until('the paper of a bubble', async () => (await pixels(page, 40000)).includes(0xfffdf5));
  await page.context().close();
});

test('day and night differ, also when the scheme changes on the way', async () => {
  const page = await newPage(browser);
  await visit(page, server.url, 4);
  const bright = async () => {
    const colors = await pixels(page);
    return colors.reduce((sum, color) => sum + lightness(color), 0) / colors.length;
  };
  const day = await bright();
  await page.emulateMedia({ colorScheme: 'dark' });
  await until('night', async () => (await bright()) < day - 60);
  const ground = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  assert.ok(lightness(ground.match(/\d+/g).slice(0, 3).reduce((n, c) => n * 256 + Number(c), 0)) < 90);
  await page.emulateMedia({ colorScheme: 'light' });
  await until('day', async () => Math.abs((await bright()) - day) < 20);
  await page.context().close();
});

test('with reduced motion nothing moves by itself, and the world is still read', async () => {
  const page = await newPage(browser, { reducedMotion: 'reduce' });
  await page.routeWebSocket(/.*/, (socket) => {
    const mock = socket.connectToServer();
    /* Only the join: whatever changes after it must not come from the server. */
    mock.onMessage((text) => /"(server-list|server-join)"/.test(text) && socket.send(text));
  });
  await visit(page, server.url, 4);
  assert.equal(await page.locator('#world').getAttribute('data-calm'), 'true');
  assert.equal(await page.locator('#pause').isHidden(), true);
  await pixels(page);
  const still = await fingerprint(page);
  for (let i = 0; i < 60; i++)
    await page.evaluate(() => new Promise(requestAnimationFrame));
  assert.equal(await fingerprint(page), still);
  assert.equal(Object.keys(await peopleOf(page)).length, 4);
  await page.context().close();
});

test('pause stops the world and lets it go on', async () => {
  const page = await newPage(browser);
  await visit(page, server.url, 4);
  const pause = page.locator('#pause');
  await pause.press('Enter');
  assert.equal(await pause.getAttribute('aria-pressed'), 'true');
  assert.equal(await page.locator('#world').getAttribute('data-calm'), 'true');
  await pause.press('Enter');
  const first = await fingerprint(page);
  await until('movement', async () => (await fingerprint(page)) !== first);
  await page.context().close();
});

test('somebody chosen in the list is named on the canvas, and keys work there', async () => {
  const page = await newPage(browser, { reducedMotion: 'reduce' });
  await visit(page, server.url, 4);
  await peopleOf(page);
  const button = page.locator('#people-list button', { hasText: 'vegeta897' });
  await button.press('Enter');
  assert.equal(await button.getAttribute('aria-pressed'), 'true');
  const world = page.locator('#world');
  await world.focus();
  await page.keyboard.press('Escape');
  assert.equal(await button.getAttribute('aria-pressed'), 'false');
  await pixels(page);
  const small = await fingerprint(page);
  await page.keyboard.press('+');
  await until('a larger picture', async () => (await fingerprint(page)) !== small);
  await page.keyboard.press('0');
  await page.context().close();
});

test('statuses are told apart without colour', async () => {
  const page = await newPage(browser);
  await page.goto(server.url);
  const pictures = await page.evaluate(async () => {
    const { STATUSES, Wardrobe, drawFigure, frameOf } = await import('./figures.js');
    const { paintOf } = await import('./palette.js');
    const { paintScenery } = await import('./scenery.js');
    const { signs } = paintScenery(paintOf(false), 1);
    const look = new Wardrobe().look('#808080', 0);
    return Object.keys(STATUSES).map((status) => {
      const canvas = document.createElement('canvas');
      canvas.width = 24;
      canvas.height = 40;
      const context = canvas.getContext('2d');
      drawFigure(context, look, frameOf(status), 12, 36, 1);
      if (signs[status])
        context.drawImage(signs[status].canvas, 4, 2);
      /* Only light and dark count. */
      const { data } = context.getImageData(0, 0, 24, 40);
      const light = (at) => data[at + 3] && 0.3 * data[at] + 0.59 * data[at + 1] + 0.11 * data[at + 2];
      return Array.from({ length: 24 * 40 }, (_, i) => light(4 * i));
    });
  });
  assert.equal(pictures.length, 5);
  for (let a = 0; a < pictures.length; a++)
    for (let b = 0; b < a; b++) {
      const different = pictures[a].filter((light, i) => Math.abs(light - pictures[b][i]) > 40).length;
      assert.ok(different > 25, `statuses ${a} and ${b} differ in ${different} pixels`);
    }
  await page.context().close();
});

test('out of sight nothing is drawn, back in sight it goes on', async () => {
  const page = await newPage(browser);
  await visit(page, server.url, 4);
  const moves = async () => {
    const before = await fingerprint(page);
    for (let i = 0; i < 30; i++)
      await page.evaluate(() => new Promise(requestAnimationFrame));
    return (await fingerprint(page)) !== before;
  };
  await page.locator('#package-title').scrollIntoViewIfNeeded();
  await page.evaluate(() => window.scrollTo(0, document.body.scrollHeight));
  await until('rest', async () => !(await moves()));
  assert.equal(await moves(), false);
  await page.evaluate(() => window.scrollTo(0, 0));
  await until('movement', moves);
  await page.context().close();
});

test('two fingers zoom', async () => {
  const page = await newPage(browser, { hasTouch: true, reducedMotion: 'reduce' });
  await visit(page, server.url, 4);
  const scale = () => page.evaluate(() => document.getElementById('world').classList.contains('roomy'));
  assert.equal(await scale(), false);
  await page.evaluate(() => {
    const canvas = document.getElementById('world');
    canvas.setPointerCapture = () => {}; /* these fingers are made up */
    const box = canvas.getBoundingClientRect();
    const finger = (type, pointerId, x) => canvas.dispatchEvent(new PointerEvent(type,
      { pointerId, pointerType: 'touch', button: 0, clientX: box.left + x, clientY: box.top + 200, bubbles: true }));
    finger('pointerdown', 11, 300);
    finger('pointerdown', 12, 360);
    finger('pointermove', 12, 400);
    finger('pointermove', 12, 480);
    finger('pointerup', 12, 480);
    finger('pointerup', 11, 300);
  });
  await until('a world larger than its window', scale);
  await page.context().close();
});
