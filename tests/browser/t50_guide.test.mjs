/* Whoever follows docs/writing-a-provider.md sees their own provider live in the browser: the commands of its first
 * two chapters are run as they stand there, and the page is looked at. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { mkdtemp, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { NEEDS_DAEMON, newPage, peopled, peopleOf, startBrowser, until, visit } from './harness.mjs';

const BINARY = resolve(process.env.D_BACK_BIN ?? fileURLToPath(new URL('../../build/bin/d-back', import.meta.url)));
const GUIDE = await readFile(new URL('../../docs/writing-a-provider.md', import.meta.url), 'utf8');

let browser;

before(async () => {
  browser = await startBrowser();
});
after(async () => {
  await browser?.close();
});

/** The blocks of code of a chapter, in order: [{kind, text}]. */
function blocksOf(chapter) {
  const begin = GUIDE.indexOf(`\n## ${chapter}\n`);
  const text = GUIDE.slice(begin, GUIDE.indexOf('\n## ', begin + 1));
  return [...text.matchAll(/^```(.*)\n([^]*?)^```$/gm)].map(([, kind, code]) => ({ kind, code }));
}

/** Somebody who does what the guide says: an own folder, a shell, and d-back in another terminal. */
class Reader {
  static async begin() {
    const reader = new Reader();
    reader.home = await mkdtemp(join(tmpdir(), 'd-back-guide-'));
    reader.folder = reader.home;
    await mkdir(join(reader.home, 'run'), { mode: 0o700 });
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith('D_BACK_'));
    reader.env = {
      ...Object.fromEntries(own),
      PATH: `${dirname(BINARY)}:${process.env.PATH}`,
      PKG_CONFIG_PATH: join(dirname(BINARY), '../share/pkgconfig'),
      RUNTIME_DIRECTORY: join(reader.home, 'run'),
      D_BACK_PORT: '0',
    };
    return reader;
  }

  /** A `cd` in it counts for what follows. */
  async run(commands) {
    const script = `set -e\n${commands}\npwd >"$HOME_OF_READER/.at"\n`;
    await promisify(execFile)('bash', ['-c', script], { cwd: this.folder, env: { ...this.env, HOME_OF_READER: this.home } });
    this.folder = (await readFile(join(this.home, '.at'), 'utf8')).trim();
  }

  /** A command that stays in the foreground of another terminal. Answers the page's address. */
  async start(command) {
    const [program, ...args] = command.trim().split(/\s+/);
    this.daemon = spawn(program, args, { cwd: this.folder, env: this.env, stdio: ['ignore', 'ignore', 'pipe'] });
    let log = '';
    let over = false;
    this.daemon.stderr.setEncoding('utf8').on('data', (text) => { log += text; });
    this.ended = new Promise((done) => this.daemon.on('exit', done)).then(() => { over = true; });
    process.on('exit', () => this.daemon.kill('SIGKILL'));
    return until('d-back is ready', () => {
      if (over)
        throw new Error(`d-back has ended:\n${log}`);
      return / ready/.test(log) && log.match(/listening on (http:\/\/127\.0\.0\.1:\d+)/)?.[1];
    });
  }

  async end() {
    this.daemon?.kill('SIGTERM');
    await this.ended;
    await rm(this.home, { recursive: true, force: true });
  }
}

const said = (page, words) => page.locator('#chat-log li:has(.who)', { hasText: words }).first().waitFor();
const namesOf = async (page) => Object.keys(await peopleOf(page)).sort();

/** One viewer, who comes when d-back has started and stays until the project has been changed and built anew. */
test('ten minutes: from `plugin new` to a page that follows each build', { skip: NEEDS_DAEMON }, async () => {
  const reader = await Reader.begin();
  try {
    let page;
    let loads = 0;
    for (const { kind, code } of blocksOf('Ten minutes')) {
      if (kind === 'sh background') {
        const url = await reader.start(code);
        page = await newPage(browser);
        page.on('load', () => { loads++; });
        page.on('websocket', () => { loads++; });
        await visit(page, url, 3);
        assert.deepEqual(await peopleOf(page), { ghost: 'dnd', keeper: 'online', owl: 'idle' });
        assert.equal(await page.locator('.status').innerText(), 'Live on The Hall: 3 people');
        await said(page, 'and all is well.');
      } else if (kind === 'sh run') {
        await reader.run(code);
        if (page && code.includes('provider.c'))
          await until('the pelican', async () => (await namesOf(page)).join() === 'ghost,keeper,pelican');
      }
    }
    assert.equal(loads, 2, 'one page and one connection all the time');

    const cellar = page.getByRole('button', { name: /The Cellar.*needs a login/ });
    await cellar.press('Enter');
    const field = page.getByLabel('Password');
    await field.fill('a guess');
    await field.press('Enter');
    await until('the refusal', async () => (await page.locator('#door-answer').innerText()) !== '');
    await field.fill('sesame');
    await field.press('Enter');
    await peopled(page, 1);
    assert.deepEqual(await namesOf(page), ['ghost']);
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  } finally {
    await reader.end();
  }
});

test('the smallest one: one file, one command, two people', { skip: NEEDS_DAEMON }, async () => {
  const reader = await Reader.begin();
  try {
    for (const { kind, code } of blocksOf('The smallest one')) {
      if (kind === 'c complete')
        await writeFile(join(reader.folder, 'home.c'), code);
      else if (kind === 'sh run')
        await reader.run(code);
      else
        await writeFile(join(reader.folder, 'd-back.cfg'), code);
    }
    const page = await newPage(browser);
    await visit(page, await reader.start('d-back --config d-back.cfg'), 2);
    assert.deepEqual(await peopleOf(page), { Anna: 'online', Ben: 'idle' });
    await said(page, 'Hello from my own provider!');
    assert.deepEqual(page.complaints, []);
    await page.context().close();
  } finally {
    await reader.end();
  }
});
