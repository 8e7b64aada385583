/* "Watch the page" of docs/providers/sqlite.md: its commands, run as they stand there, and what they do to the page. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  NEEDS_DAEMON, newPage, peopled, peopleOf, pixels, startBrowser, startDaemon, until, visit,
} from './harness.mjs';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const START = /^build\/bin\/d-back --config (\S+)\n/m;

let browser;
let folder;

before(async () => {
  browser = await startBrowser();
  folder = await mkdtemp(join(tmpdir(), 'd-back-guide-'));
  await symlink(join(ROOT, 'etc'), join(folder, 'etc'));
});
after(async () => {
  await browser?.close();
  await rm(folder, { recursive: true, force: true });
});

/** A function that runs a block of the guide's commands and answers their output. Starting d-back is left out of it. */
async function guide() {
  const text = await readFile(join(ROOT, 'docs/providers/sqlite.md'), 'utf8');
  const blocks = new Map();
  for (const [, name, commands] of text.matchAll(/^```sh (\S+)\n(.*?)^```$/gms))
    blocks.set(name, commands);
  return async (name) => {
    assert.ok(blocks.has(name), `the guide has no block "${name}"`);
    const { stdout, stderr } = await promisify(execFile)('bash', ['-euc', blocks.get(name).replace(START, '')],
      { cwd: folder });
    return stdout + stderr;
  };
}

/** How many pixels of the canvas have exactly this colour. */
async function painted(page, color) {
  return (await pixels(page, 1280 * 900)).filter((pixel) => pixel === color).length;
}

test('the guide of the sqlite provider, on the page', { skip: NEEDS_DAEMON }, async () => {
  const run = await guide();
  await run('create');
  await run('fill');
  await run('start');
  const daemon = await startDaemon({ config: await readFile(join(folder, 'world.cfg'), 'utf8') });
  try {
    const page = await newPage(browser);
    const sees = (what, people) => until(what, async () =>
      JSON.stringify(Object.entries(await peopleOf(page)).sort()) === JSON.stringify(Object.entries(people).sort()));
    const hears = async (who, words) => {
      const line = page.locator('#chat-log li:has(.who)').filter({ hasText: words });
      await line.first().waitFor();
      assert.equal(await line.count(), 1);
      assert.equal(await line.locator('.who').innerText(), who);
    };

    await visit(page, daemon.url, 2);
    await sees('Anna is there, and Ben is asleep', { Anna: 'online', Ben: 'idle' });
    await until('a figure in the colour of Anna', async () => (await painted(page, 0xe67e22)) > 30);
    await until('a figure in the colour of Ben', async () => (await painted(page, 0x3498db)) > 30);

    await run('status');
    await sees('Ben awake', { Anna: 'online', Ben: 'online' });

    await run('message');
    await hears('Anna', 'Hello from a database!');
    await until('the paper of a bubble', async () => (await painted(page, 0xfffdf5)) > 30);

    await run('come-and-go');
    await sees('Cleo instead of Ben', { Anna: 'online', Cleo: 'online' });
    await until('nobody in the colour of Ben', async () => (await painted(page, 0x3498db)) === 0);

    await run('second-server');
    await page.getByRole('button', { name: 'The garden' }).waitFor();

    assert.match(await run('nonsense'), /users\.status is online, idle, dnd or offline/);
    await run('feeder');
    await sees('Dora, who came through a pipe', { Anna: 'online', Cleo: 'online', Dora: 'dnd' });
    await hears('Dora', 'I came through a pipe.');

    await page.getByRole('button', { name: 'The garden' }).click();
    await peopled(page, 0);
    await page.getByRole('button', { name: 'Home' }).click();
    await peopled(page, 3);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  } finally {
    await daemon.stop();
  }
});
