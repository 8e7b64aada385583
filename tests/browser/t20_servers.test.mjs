/* Going from server to server, by mouse and by keys, and being refused with good manners. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { anyServer, fingerprint, newPage, peopled, peopleOf, startBrowser, until, visit } from './harness.mjs';

const REFUSAL = 'This server requires Discord authentication. Please login with Discord.';

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

test('My Repos has its 21 people on an island of its own', async () => {
  const page = await newPage(browser);
  await visit(page, server.url, 4);
  const before = await fingerprint(page);
  await page.getByRole('button', { name: 'My Repos' }).click();
  await peopled(page, 21);
  assert.equal(await page.locator('#world').getAttribute('data-server'), 'repos');
  assert.equal(await page.getByRole('button', { name: 'My Repos' }).getAttribute('aria-pressed'), 'true');
  assert.equal(await page.getByRole('button', { name: 'D-World' }).getAttribute('aria-pressed'), 'false');
  assert.equal(await page.locator('.status').innerText(), 'Live on My Repos: 21 people');
  const people = await peopleOf(page);
  assert.equal(Object.keys(people).length, 21);
  assert.ok('Dota-2-Reddit-Flair-Mosaic' in people);
  assert.notEqual(await fingerprint(page), before);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});

test('the switcher works by keyboard alone', async () => {
  const page = await newPage(browser);
  await visit(page, server.url, 4);
  const group = page.getByRole('group', { name: 'Server' });
  assert.deepEqual((await group.getByRole('button').allInnerTexts()).map((text) => text.replace(/\s*\(.*login\)/, '').trim()),
    ['D-World', 'Docs (WIP)', 'OAuth2 Protected Server', 'My Repos']);
  await group.getByRole('button').first().focus();
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await peopled(page, 1);
  assert.equal(await page.locator('#world').getAttribute('data-server'), 'docs');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Space');
  await peopled(page, 21);
  const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  assert.equal(outline, 'solid');
  await page.context().close();
});

test('people of the old server are gone, those of the new one live', async () => {
  const page = await newPage(browser);
  await visit(page, server.url, 4);
  await page.getByRole('button', { name: 'My Repos' }).click();
  await peopled(page, 21);
  const said = page.locator('#chat-log li .who').first();
  await said.waitFor();
  assert.ok((await said.innerText()) in (await peopleOf(page)));
  const first = JSON.stringify(await peopleOf(page));
  await until('a change on My Repos', async () => JSON.stringify(await peopleOf(page)) !== first);
  assert.equal(await page.locator('#world').getAttribute('data-users'), '21');
  await page.context().close();
});

test('the locked server asks for a password, shows the refusal, and the old world goes on', async () => {
  const page = await newPage(browser);
  await visit(page, server.url, 4);
  const locked = page.getByRole('button', { name: /OAuth2 Protected Server.*needs a login/ });
  assert.equal(await locked.locator('svg').count(), 1);
  await locked.press('Enter');
  const field = page.getByLabel('Password');
  assert.equal(await field.evaluate((node) => node === document.activeElement), true);
  assert.match(await page.locator('#door-text').innerText(), /Discord/);
  for (const password of ['', 'not the one']) {
    await field.fill(password);
    await field.press('Enter');
    await until('the refusal', async () => (await page.locator('#door-answer').innerText()) === REFUSAL);
  }
  assert.equal(await page.locator('#world').getAttribute('data-server'), 'dworld');
  assert.equal(await page.locator('#world').getAttribute('data-users'), '4');
  assert.match(await page.locator('.status').innerText(), /^Live on D-World/);
  await field.press('Escape');
  assert.equal(await page.locator('#door').isHidden(), true);
  assert.equal(await locked.evaluate((node) => node === document.activeElement), true);
  const before = await page.locator('#chat-log').innerText();
  await until('D-World still talks', async () => (await page.locator('#chat-log').innerText()) !== before);
  assert.deepEqual(page.complaints, []);
  await page.context().close();
});
