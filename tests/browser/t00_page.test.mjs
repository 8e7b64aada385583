/* The page as a document: what it says, that it is quiet, readable and fits. When this fails, look no further. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { anyServer, newPage, peopleOf, startBrowser, visit } from './harness.mjs';

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

test('title, heading, version, status, address and sections', async () => {
  const page = await newPage(browser);
  await visit(page, server.url, 4);
  assert.equal(await page.title(), 'D-Back WebSocket Server');
  assert.equal(await page.locator('h1').innerText(), 'D-Back WebSocket Server');

  const { version } = await (await fetch(new URL('api/version', server.url))).json();
  assert.match(version, /^\d+\.\d+\.\d+/);
  assert.equal(await page.locator('#version').innerText(), version);
  assert.equal(await page.locator('#version-text').innerText(), version);

  assert.equal(await page.locator('.status').count(), 1);
  assert.equal(await page.locator('.status').innerText(), 'Live on D-World: 4 people');
  assert.equal(await page.locator('.status').getAttribute('data-phase'), 'live');

  const address = `ws://${new URL(server.url).host}`;
  for (const text of await page.locator('.ws-url').allInnerTexts())
    assert.equal(text, address);
  assert.ok((await page.locator('.ws-url').count()) >= 2);

  const sections = await page.locator('.container h2').allInnerTexts();
  assert.deepEqual(sections, ['How to Run This Module', 'WebSocket API', 'Features', 'Package Information']);
  const examples = await page.locator('.container .code').allInnerTexts();
  assert.ok(examples.includes('./etc/quickstart'));
  assert.ok(examples.some((text) => text.includes('d-back --config d-back.cfg')));
  assert.ok(examples.includes('{"type": "connect", "data": {"server": null}}'));
  const font = await page.locator('.code').first().evaluate((node) => getComputedStyle(node).fontFamily);
  assert.match(font, /monospace/);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('the frames among the examples are JSON', async () => {
  const page = await newPage(browser);
  await visit(page, server.url, 4);
  const examples = (await page.locator('.container .code').allInnerTexts()).filter((text) => text.startsWith('{'));
  assert.ok(examples.length >= 4);
  for (const text of examples.flatMap((each) => each.split(/\n\s*\n/))) {
    const frame = JSON.parse(text);
    assert.equal(typeof frame.type, 'string');
    assert.equal(typeof frame.data, 'object');
  }
  await page.context().close();
});

test('nothing is fetched from elsewhere, and nothing that is asked for is missing', async () => {
  const page = await newPage(browser);
  const wrong = [];
  page.on('request', (request) => new URL(request.url()).host !== new URL(server.url).host && wrong.push(request.url()));
  page.on('response', (response) => response.status() >= 400 && wrong.push(`${response.status()} ${response.url()}`));
  await visit(page, server.url, 4);
  assert.deepEqual(wrong, []);
  await page.context().close();
});

/* 720 px is also what is left of 1440 at a zoom of 200 %. */
for (const width of [360, 720, 768, 1440])
  for (const colorScheme of ['light', 'dark'])
    test(`no sideways scrolling at ${width} px, ${colorScheme}`, async () => {
      const page = await newPage(browser, { viewport: { width, height: 800 }, colorScheme });
      await visit(page, server.url, 4);
      for (const step of ['closed', 'people', 'door']) {
        if (step === 'people')
          await page.locator('#people-toggle').click();
        if (step === 'door')
          await page.getByRole('button', { name: /OAuth2 Protected Server/ }).click();
        const { room, needed } = await page.evaluate(() => ({
          room: document.documentElement.clientWidth, needed: document.documentElement.scrollWidth,
        }));
        assert.ok(needed <= room, `${step}: ${needed} px wide in ${room} px`);
      }
      await page.context().close();
    });

test('text stands out from its ground in both schemes', async () => {
  for (const colorScheme of ['light', 'dark']) {
    const page = await newPage(browser, { colorScheme });
    await visit(page, server.url, 4);
    await peopleOf(page);
    await page.getByRole('button', { name: /OAuth2 Protected Server/ }).click();
    await page.locator('#door-password').press('Enter');
    await page.locator('#door-answer:not(:empty)').waitFor();
    await page.locator('#chat-log li:has(.who)').first().waitFor();
    const weak = await page.evaluate(() => {
      const linear = (c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
      const luminance = ([r, g, b]) => 0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
      const numbers = (color) => color.match(/[\d.]+/g).map(Number);
      const ground = (node) => {
        for (let at = node; at; at = at.parentElement) {
          const [r, g, b, alpha = 1] = numbers(getComputedStyle(at).backgroundColor);
          if (alpha > 0.75)
            return [r, g, b];
        }
        return [255, 255, 255];
      };
      const found = [];
      const texts = 'h1, h2:not(.hidden-text), h3, p:not(.hidden-text), li, dt, dd, button, label:not(.hidden-text), ' +
        'time, .code, .badge, .posture, .state';
      for (const node of document.querySelectorAll(texts)) {
        if (!node.innerText?.trim() || !node.offsetParent)
          continue;
        const [a, b] = [luminance(numbers(getComputedStyle(node).color)), luminance(ground(node))].sort((x, y) => y - x);
        if ((a + 0.05) / (b + 0.05) < 4.5)
          found.push(`${node.tagName} ${node.innerText.slice(0, 30)}`);
      }
      return found;
    });
    assert.deepEqual(weak, []);
    await page.context().close();
  }
});

test('by keyboard alone: every control is reached, has a name and shows the focus', async () => {
  const page = await newPage(browser);
  await visit(page, server.url, 4);
  await peopleOf(page);
  const wanted = await page.evaluate(() => [...document.querySelectorAll('a, button, input, select, [tabindex]')]
    .filter((node) => node.checkVisibility()).length);
  await page.locator('.skip').focus();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Shift+Tab');
  const seen = [];
  for (let i = 0; i < wanted; i++) {
    seen.push(await page.evaluate(() => {
      const node = document.activeElement;
      const { outlineStyle, outlineWidth } = getComputedStyle(node);
      return {
        which: node.id || node.textContent.trim().slice(0, 30) || node.tagName,
        name: (node.getAttribute('aria-label') || node.labels?.[0]?.textContent || node.textContent ||
          document.getElementById(node.getAttribute('aria-labelledby'))?.textContent || '').trim(),
        outline: outlineStyle === 'solid' && parseFloat(outlineWidth) >= 2,
      };
    }));
    await page.keyboard.press('Tab');
  }
  assert.equal(new Set(seen.map(({ which }) => which)).size, wanted);
  assert.deepEqual(seen.filter(({ name, outline }) => !name || !outline), []);
  for (const which of ['people-toggle', 'world', 'people-search', 'chat-log'])
    assert.ok(seen.some((each) => each.which === which), `${which} isn't reached`);

  await page.locator('#people-list button').first().focus();
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('#people').isHidden(), true);
  assert.equal(await page.evaluate(() => document.activeElement.id), 'people-toggle');
  await page.context().close();
});

test('the address of this very server, wherever the page is opened', async () => {
  const page = await newPage(browser);
  await page.goto(server.url);
  const addresses = await page.evaluate(async () => {
    const { socketUrl, socketUrlText } = await import('./connection.js');
    return ['http://localhost:3000/', 'http://localhost:3000/index.html?a=b#docs', 'https://d.example/deep/down/',
      'https://user:secret@d.example/'].flatMap((place) => [socketUrl(place), socketUrlText(place)]);
  });
  assert.deepEqual(addresses, ['ws://localhost:3000/', 'ws://localhost:3000', 'ws://localhost:3000/', 'ws://localhost:3000',
    'wss://d.example/deep/down/', 'wss://d.example/deep/down/', 'wss://d.example/', 'wss://d.example']);
  await page.context().close();
});
