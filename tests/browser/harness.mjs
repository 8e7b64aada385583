/* What every browser test needs: a daemon of its own, a browser, a page, and patience.
 *
 *   D_BACK_BIN       the daemon to test; by default the one that the build leaves in build/bin
 *   D_BACK_TEST_URL  a server that runs already; tests that must start their own are then skipped
 *                    unless D_BACK_BIN is given, too
 *   CHROMIUM         the browser, by default /usr/bin/chromium
 */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';

export const PATIENCE = 60000;

const RUNNING = process.env.D_BACK_TEST_URL;
const BINARY = process.env.D_BACK_BIN ?? fileURLToPath(new URL('../../build/bin/d-back', import.meta.url));

/** For tests that need a daemon of their own: a reason to skip, or false. */
export const NEEDS_DAEMON = RUNNING && !process.env.D_BACK_BIN ? 'needs D_BACK_BIN' : false;

/* Daemons end with the tests, also when those are interrupted. */
const daemons = new Set();
process.on('exit', () => daemons.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'])
  process.once(signal, () => process.exit(1));

/** Waits until `check` answers something true, and answers that. */
export async function until(what, check, patience = PATIENCE) {
  const end = Date.now() + patience;
  for (;;) {
    const answer = await check();
    if (answer)
      return answer;
    if (Date.now() > end)
      throw new Error(`waited in vain: ${what}`);
    await sleep(50);
  }
}

/** Starts a daemon with the mock provider. `config` is the text of a d-back.cfg, `port` 0 lets it choose. */
export async function startDaemon({ config = '', port = 0 } = {}) {
  if (!existsSync(BINARY))
    throw new Error(`${BINARY} isn't there: build first, or name a daemon in D_BACK_BIN`);
  const folder = await mkdtemp(join(tmpdir(), 'd-back-browser-'));
  const file = join(folder, 'd-back.cfg');
  await writeFile(file, config);
  const child = spawn(BINARY, ['--config', file, '--host', '127.0.0.1', '--port', String(port)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  daemons.add(child);
  let log = '';
  let over = null;
  child.stderr.setEncoding('utf8').on('data', (text) => { log = (log + text).slice(-100000); });
  const ended = new Promise((resolve) => {
    child.on('error', (error) => resolve((over = String(error))));
    child.on('exit', (code, signal) => resolve((over = `ended with ${signal ?? code}`)));
  });
  const stop = async (signal = 'SIGTERM') => {
    child.kill(signal);
    const fallback = setTimeout(() => child.kill('SIGKILL'), 20000);
    await ended;
    clearTimeout(fallback);
    daemons.delete(child);
    await rm(folder, { recursive: true, force: true });
  };
  try {
    const url = await until('the line "listening on"', () => {
      if (over)
        throw new Error(`the daemon ${over}:\n${log}`);
      return log.match(/listening on (http:\/\/127\.0\.0\.1:\d+)/)?.[1];
    });
    return { url: `${url}/`, port: Number(new URL(url).port), stop };
  } catch (error) {
    await stop('SIGKILL');
    throw error;
  }
}

/** The server under test: the one that runs already, or a new one. */
export async function anyServer() {
  if (RUNNING)
    return { url: new URL('./', RUNNING).href, stop: async () => {} };
  return startDaemon();
}

export function startBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
      '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
}

/** A page of its own context; `page.complaints` gathers console errors and exceptions. */
export async function newPage(browser, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, colorScheme: 'light', ...options });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  page.complaints = [];
  page.on('console', (message) => message.type() === 'error' && page.complaints.push(message.text()));
  page.on('pageerror', (error) => page.complaints.push(String(error)));
  return page;
}

/** Opens the page and waits until `users` people are on stage. */
export async function visit(page, url, users) {
  await page.goto(url);
  await peopled(page, users);
}

export function peopled(page, users) {
  return page.locator(`#world[data-users="${users}"]`).waitFor();
}

/** The canvas in small: `count` colours, evenly spread, as numbers. Taken after the next frame. */
export function pixels(page, count = 400) {
  return page.evaluate(async (wanted) => {
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const canvas = document.getElementById('world');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const colors = [];
    for (let i = 0; i < wanted; i++) {
      const at = Math.floor((i / wanted) * (data.length / 4)) * 4;
      colors.push((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
    }
    return colors;
  }, count);
}

/** A number that changes with every pixel of the canvas. */
export function fingerprint(page) {
  return page.evaluate(() => {
    const canvas = document.getElementById('world');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    const words = new Uint32Array(data.buffer);
    let hash = 2166136261;
    for (let i = 0; i < words.length; i++)
      hash = Math.imul(hash ^ words[i], 16777619);
    return hash >>> 0;
  });
}

/** How light a colour is, 0 to 255. */
export function lightness(color) {
  return 0.3 * (color >> 16) + 0.59 * ((color >> 8) & 255) + 0.11 * (color & 255);
}

/** Who is in the list of people: {name: status}. Opens the list. */
export async function peopleOf(page) {
  const toggle = page.locator('#people-toggle');
  if ((await toggle.getAttribute('aria-expanded')) !== 'true')
    await toggle.click();
  return page.evaluate(() => Object.fromEntries([...document.querySelectorAll('#people-list li')].map((line) =>
    [line.querySelector('.name').textContent, line.dataset.status])));
}
