/**
 * The console in a real browser, over processes that run: what is seen, by whom, and when one is
 * gone.
 */
import { createHash } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { emptyFolder } from '../process/millrace.ts';
import {
  complaintsOf,
  faultsOf,
  fits,
  missing,
  openBrowser,
  serving,
  startServing,
} from './browser.ts';

/** Rows of the shipped mapping `sample`; the last one cannot be read. */
function rows(): string {
  const day = (n: number) => new Date(Date.UTC(2026, 0, n)).toISOString();
  const row = (id: string, subject: string, kind: string, n: number) =>
    JSON.stringify({ id, subject, class: kind, time: day(n), plan: 'premium' });
  return [
    row('a1', 'ann', 'email_click', 1),
    row('a2', 'ann', 'purchase', 2),
    row('a2', 'ann', 'purchase', 2),
    row('b1', 'ben', 'email_open', 3),
    '{"id":"x1","subject":"eve"',
  ].join('\n');
}

async function rowsFile(): Promise<string> {
  const file = join(await emptyFolder(), 'rows.jsonl');
  await writeFile(file, `${rows()}\n`);
  return file;
}

describe.skipIf(missing !== undefined)('console', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  test('flow and data show what runs, what was lost and why; by keyboard, narrow and dark', async () => {
    const input = ['--input', await rowsFile(), '--mapping', 'sample'];
    const running = await startServing(input);
    const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
    const complaints = complaintsOf(page);
    await page.goto(running.url);
    expect(page.url()).toBe(`${running.url}/console/`);
    await page.getByText('Running').waitFor();
    const box = page.getByRole('button', { name: /^profiles/ });
    await expect.poll(() => box.textContent()).toContain('1 dropped');
    await box.focus();
    await page.keyboard.press('Enter');
    const details = page.getByRole('complementary', { name: 'About profiles' });
    await expect.poll(() => details.textContent()).toContain('dropped, twice');
    // The package's own steps have no place in the user's code.
    expect(await details.textContent()).not.toContain('unknown');
    await page.getByRole('button', { name: /^events/ }).click();
    await page.getByRole('button', { name: 'Newest records' }).click();
    await page.getByText('"purchase"').first().waitFor();
    expect(await faultsOf(page)).toEqual([]);

    await page.getByRole('link', { name: 'Data', exact: true }).click();
    await page.getByText('{"id":"x1","subject":"eve"').waitFor();
    await page.getByText(/is not JSON/).waitFor();
    expect(await faultsOf(page)).toEqual([]);

    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 360, height: 740 });
    for (const view of ['flow', 'data']) {
      await page.goto(`${running.url}/console/#/${view}`);
      await page.getByText('Running').waitFor();
      expect(await fits(page), view).toBe(true);
      expect(await faultsOf(page), view).toEqual([]);
    }
    expect(complaints).toEqual([]);
    await page.close();
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(0);
  });

  test('a process that ends while one looks is told, and found again when it is back', async () => {
    const data = await emptyFolder();
    const args = ['--data', data, '--threads', '0', '--top', '1'];
    const input = ['--input', await rowsFile(), '--mapping', 'sample'];
    const first = await serving(['start', '--serve', ...args, ...input, '--http', '0']);
    await first.says('It stays up');
    const page = await browser.newPage();
    await page.goto(`${first.url}/console/`);
    await page.getByText('Running').waitFor();
    // The graph is asked for apart from the live data.
    await page.getByRole('button', { name: /^profiles/ }).waitFor();
    first.child.kill('SIGKILL');
    await page.getByText('Millrace does not answer.').waitFor();
    await page.getByText('No answer').waitFor();
    // What was known stays.
    expect(await page.getByRole('button', { name: /^profiles/ }).count()).toBe(1);
    await first.ended;
    const again = await serving([
      'serve',
      '--data',
      data,
      '--threads',
      '0',
      '--http',
      new URL(first.url).port,
    ]);
    await page.getByText('Running').waitFor();
    expect(await page.getByText('Millrace does not answer.').count()).toBe(0);
    await page.close();
    again.child.kill('SIGTERM');
    await again.ended;
  });

  test('where accounts are set the page asks for a key, and shows nothing without', async () => {
    const folder = await emptyFolder();
    const sha256 = (key: string) => createHash('sha256').update(key).digest('hex');
    const gateway = join(folder, 'gateway.json');
    const writeKeys = [
      { name: 'looker', sha256: sha256('look-key'), roles: ['read'] },
      { name: 'sender', sha256: sha256('send-key') },
    ];
    await writeFile(gateway, JSON.stringify({ accounts: { writeKeys } }));
    const input = ['--input', await rowsFile(), '--mapping', 'sample'];
    const running = await startServing([...input, '--gateway', gateway]);
    for (const path of ['topology', 'flow', 'live', 'records?topic=events']) {
      const answer = await fetch(`${running.url}/console/api/${path}`);
      expect(answer.status, path).toBe(401);
    }
    const page = await browser.newPage();
    await page.goto(`${running.url}/console/`);
    const field = page.getByLabel('Key or token');
    await field.fill('wrong');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('This key or token is not accepted.').waitFor();
    await field.fill('look-key');
    await page.keyboard.press('Enter');
    await page.getByText('Running').waitFor();
    expect(page.url()).not.toContain('look-key');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await field.waitFor();
    expect(await faultsOf(page)).toEqual([]);
    await page.close();
    running.child.kill('SIGTERM');
    await running.ended;
  });

  test('`run --http` shows the flow of any topology', async () => {
    const data = await emptyFolder();
    const running = await serving([
      ...['run', 'topologies/examples/play-sessions.ts', '--data', data, '--threads', '0'],
      ...['--http', '0'],
    ]);
    const page = await browser.newPage();
    await page.goto(running.url);
    await page.getByRole('button', { name: /^plays-per-session/ }).click();
    const details = page.getByRole('complementary');
    // Durations are in words.
    await expect.poll(() => details.textContent()).toContain('30 minutes');
    await page.close();
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(0);
  });
});

test('the page is served with a policy of its own: nothing from elsewhere, no script in the markup', async () => {
  const running = await startServing(['--input', await rowsFile(), '--mapping', 'sample']);
  const page = await fetch(`${running.url}/console/`);
  const policy = page.headers.get('content-security-policy') ?? '';
  expect(policy).toContain("script-src 'self'");
  expect(policy).not.toContain('unsafe');
  const text = await page.text();
  expect(text).not.toMatch(/<script(?![^>]* src=)|<style|https?:\/\//);
  const [, script = ''] = /src="(app-\w+\.js)"/.exec(text) ?? [];
  const bundle = await fetch(`${running.url}/console/${script}`);
  expect(bundle.headers.get('cache-control')).toContain('immutable');
  // Small enough to be there at once: it was 100 000 when this was written.
  expect((await bundle.arrayBuffer()).byteLength).toBeLessThan(220_000);
  // The API keeps its own, stricter policy.
  const health = await fetch(`${running.url}/health`);
  expect(health.headers.get('content-security-policy')).toContain("default-src 'none'");
  for (const [path, status] of [
    ['/console/nothing.js', 404],
    ['/console/api/nothing', 404],
    ['/console/..%2f..%2fpackage.json', 404],
    ['/console/api/records?topic=nothing', 404],
    ['/console/api/records?topic=events&limit=0', 400],
    ['/console/api/records?topic=events&before=x', 400],
  ] as const) {
    expect((await fetch(`${running.url}${path}`)).status, path).toBe(status);
  }
  running.child.kill('SIGTERM');
  await running.ended;
});

test('records are read page by page, from the newest to the first, none twice', async () => {
  const running = await startServing(['--input', await rowsFile(), '--mapping', 'sample']);
  const found: string[] = [];
  for (let before = ''; ; ) {
    const query = `topic=events&limit=2${before === '' ? '' : `&before=${before}`}`;
    const answer = await fetch(`${running.url}/console/api/records?${query}`);
    const page = (await answer.json()) as {
      records: { partition: number; offset: number }[];
      before: Record<string, number>;
    };
    found.push(...page.records.map(({ partition, offset }) => `${partition}/${offset}`));
    before = Object.entries(page.before)
      .map(([partition, offset]) => `${partition}:${offset}`)
      .join();
    if (before === '') break;
    expect(found.length).toBeLessThan(50);
  }
  expect(found).toHaveLength(4);
  expect(new Set(found).size).toBe(4);
  running.child.kill('SIGTERM');
  await running.ended;
});

test('without a terminal `start` ends after its report', async () => {
  const { millrace } = await import('../process/millrace.ts');
  const input = ['--input', await rowsFile(), '--mapping', 'sample'];
  const ended = await millrace('start', '--data', await emptyFolder(), '--threads', '0', ...input);
  expect(ended.code).toBe(0);
  expect(ended.stderr).not.toContain('console on');
});
