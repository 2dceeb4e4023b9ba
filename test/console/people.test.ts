/** People and segments in the console, in a real browser: found, explained, tried, saved. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { faultsOf, fits, missing, openBrowser, type Serving, startServing } from './browser.ts';

const config = {
  segments: [
    {
      id: 'buyers',
      version: 1,
      when: {
        and: [
          { count: { event: 'purchase', op: 'ge', n: 2, within: '30d' } },
          { trait: { path: 'plan', op: 'eq', value: 'premium' } },
        ],
      },
    },
    {
      id: 'clicked',
      version: 1,
      description: 'Clicked in the last ten days.',
      when: { count: { event: 'email_click', op: 'ge', n: 1, within: '10d' } },
    },
  ],
};

/** Rows of the shipped mapping `sample`: ann buys twice and clicks, ben buys once. */
const rows = [
  ['a1', 'ann', 'purchase', 1],
  ['a2', 'ann', 'email_click', 3],
  ['a3', 'ann', 'purchase', 5],
  ['b1', 'ben', 'purchase', 6],
].map(([id, subject, kind, day]) =>
  JSON.stringify({
    ...{ id, subject, class: kind, plan: 'premium' },
    time: new Date(Date.UTC(2026, 0, Number(day))).toISOString(),
  }),
);

describe.skipIf(missing !== undefined)('people and segments', () => {
  let browser: Browser;
  let running: Serving;
  let folder: string;
  let page: Page;
  beforeAll(async () => {
    browser = await openBrowser();
    folder = await mkdtemp(join(tmpdir(), 'millrace-console-'));
    const [input, file] = [join(folder, 'rows.jsonl'), join(folder, 'config.json')];
    await writeFile(input, `${rows.join('\n')}\n`);
    await writeFile(file, JSON.stringify(config));
    const data = join(folder, 'data');
    const given = ['--input', input, '--mapping', 'sample', '--config', file];
    running = await startServing(given, data);
    page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  });
  afterAll(async () => {
    await browser?.close();
    running?.child.kill('SIGTERM');
    await running?.ended;
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  test('a person is found by name; score, segments and what comes are told in words', async () => {
    await page.goto(`${running.url}/console/#/people`);
    // Of whom something changed: without a name one finds somebody.
    await page.getByRole('link', { name: 'ann' }).first().waitFor();
    await page.getByLabel('Person').fill('ann');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'ann', level: 1 }).waitFor();
    await page.getByText('2 of 2').waitFor();
    await page.getByText('leaves clicked').first().waitFor();
    // She was last seen on the 6th of January; her click counts for ten days.
    expect(await page.getByRole('button', { name: /^in clicked/ }).textContent()).toContain(
      'Jan 13',
    );
    expect(await page.getByRole('img', { name: /^Score over time: \d+/ }).count()).toBe(1);
    expect(await faultsOf(page)).toEqual([]);
  });

  test('why: the conditions with true and false, in words, and the events they are owed to', async () => {
    await page.goto(`${running.url}/console/#/people/ben`);
    await page.getByRole('button', { name: /^not in buyers/ }).click();
    const why = page.getByRole('list', { name: 'Conditions' });
    await why.getByText('bought something at least 2 times in the last 30 days').waitFor();
    const lines = await why.locator('.condition').allTextContents();
    expect(lines.map((line) => /^(true|false)/.exec(line)?.[0])).toEqual([
      'false',
      'false',
      'true',
    ]);
    await page.goto(`${running.url}/console/#/people/ann`);
    await page.getByRole('button', { name: /^in buyers/ }).click();
    await page
      .getByText(/because of a[13]/)
      .first()
      .waitFor();
    expect(await faultsOf(page)).toEqual([]);
  });

  test('who is not known is said, and no name stands in an address that is asked', async () => {
    const asked: string[] = [];
    page.on('request', (request) => asked.push(request.url().replace(/#.*/, '')));
    await page.goto(`${running.url}/console/#/people/nobody-here`);
    await page.getByText('No person is known as').waitFor();
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.filter((url) => url.includes('nobody-here'))).toEqual([]);
  });

  test('segments: sizes, members, a file of them', async () => {
    await page.goto(`${running.url}/console/#/segments`);
    await page.getByRole('link', { name: /^buyers/ }).click();
    await page.getByText('Size: 1 person').waitFor();
    await page.getByRole('list').getByRole('link', { name: 'ann' }).waitFor();
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('button', { name: 'Save as CSV' }).click(),
    ]);
    expect(await readFile(await download.path(), 'utf8')).toBe('subject\nann\n');
    expect(await faultsOf(page)).toEqual([]);
  });

  test('a draft: mistakes as one types, then who would enter and leave', async () => {
    await page.goto(`${running.url}/console/#/segments/draft`);
    const field = page.getByLabel('Segments');
    await page.getByText('no mistakes').waitFor();
    const text = await field.inputValue();
    await field.fill(text.replace('"purchase"', '"purchase'));
    await page.getByText('This is not JSON yet').waitFor();
    await field.fill(text.replace('"op": "ge"', '"op": "gee"'));
    await page.getByText('1 mistake').waitFor();
    expect(await page.getByRole('button', { name: 'Who would move?' }).isDisabled()).toBe(true);
    await page.getByRole('button', { name: /segments\.0\.when/ }).click();
    expect(await page.locator('textarea:focus').count()).toBe(1);
    await field.fill(text.replace('"n": 2', '"n": 1').replace('"version": 1', '"version": 2'));
    await page.getByText('no mistakes').waitFor();
    await page.getByRole('button', { name: 'Who would move?' }).click();
    const row = page.getByRole('row', { name: /buyers/ });
    await row.getByText('+1').click();
    await row.getByRole('link', { name: 'ben' }).waitFor();
    expect(await faultsOf(page)).toEqual([]);
  });

  test('a new version: completed by keyboard, looked at, kept for the next start', async () => {
    await page.goto(`${running.url}/console/#/segments/draft`);
    // The draft of the test before is forgotten.
    await page.reload();
    const field = page.getByLabel('Segments', { exact: true });
    await page.getByText('no mistakes').waitFor();
    const text = await field.inputValue();
    await field.fill(text.replace('"n": 2', '"n": 1, "wher'));
    await field.evaluate((element) => {
      const area = element as unknown as {
        value: string;
        setSelectionRange(from: number, to: number): void;
      };
      const end = area.value.indexOf('"wher') + '"wher'.length;
      area.setSelectionRange(end, end);
    });
    await field.press('Control+Space');
    await page.getByRole('option', { name: 'where' }).waitFor();
    expect(await faultsOf(page), 'while something is offered').toEqual([]);
    await field.press('Enter');
    expect(await field.inputValue()).toContain('"n": 1, "where": {');
    await field.fill(text.replace('"n": 2', '"n": 1'));
    await page.getByText('no mistakes').waitFor();
    await page.getByRole('button', { name: 'Save as a new version' }).click();
    expect(await field.inputValue(), 'the version is counted up').toContain('"version": 2');
    await page.getByRole('button', { name: 'Plan and what-if' }).click();
    await page
      .getByRole('row', { name: /buyers/ })
      .getByText('+1')
      .waitFor();
    await page.getByRole('columnheader', { name: 'Bytes a person' }).waitFor();
    await page.getByRole('button', { name: 'Save it for the next start' }).click();
    const command = await page.getByText(/^millrace start --data/).textContent();
    const [, file = ''] = /--config (.*)$/.exec(command ?? '') ?? [];
    const kept = JSON.parse(await readFile(file, 'utf8')) as { segments: { version: number }[] };
    expect(kept.segments[0]?.version).toBe(2);
    expect(await faultsOf(page)).toEqual([]);
  });

  test('each view fits 360 pixels and has no serious fault in the dark', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.setViewportSize({ width: 360, height: 740 });
    for (const [view, sign] of [
      ['people/ann', 'What makes the score'],
      ['people', 'Of whom something changed last'],
      ['segments', 'Who is in two segments'],
      ['segments/of/clicked', 'Who belongs to it'],
      ['segments/draft', 'no mistakes'],
    ] as const) {
      await page.goto(`${running.url}/console/#/${view}`);
      await page.getByText(sign).waitFor();
      expect(await fits(page), view).toBe(true);
      expect(await faultsOf(page), view).toEqual([]);
    }
  });

  test('of many segments those are shown that say something, the others on request', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-many-'));
    onTestFinished(() => rm(folder, { recursive: true, force: true }));
    const [input, file] = [join(folder, 'rows.jsonl'), join(folder, 'segments.json')];
    await writeFile(input, `${rows.join('\n')}\n`);
    // The first asks for one click, each other one for more than there are.
    const segments = Array.from({ length: 40 }, (_, i) => ({
      id: `clicks-${i}`,
      version: 1,
      when: { count: { event: 'email_click', op: 'ge', n: 1 + 10 * i, within: '300d' } },
    }));
    await writeFile(file, JSON.stringify({ segments }));
    const given = ['--input', input, '--mapping', 'sample', '--config', file];
    const many = await startServing(given, join(folder, 'data'));
    await page.goto(`${many.url}/console/#/people/ann`);
    await page.getByRole('button', { name: /^in clicks-0/ }).waitFor();
    expect(await page.getByRole('button', { name: /clicks-/ }).count()).toBe(1);
    await page.getByRole('button', { name: 'Show 39 segments' }).click();
    expect(await page.getByRole('button', { name: /clicks-/ }).count()).toBe(40);
    await page.goto(`${many.url}/console/#/segments`);
    const entries = page.locator('.segment-list li');
    await expect.poll(() => entries.count()).toBe(24);
    await page.getByText('1 person').first().waitFor();
    expect(await faultsOf(page)).toEqual([]);
    await page.getByRole('button', { name: 'Show all 40 segments' }).click();
    expect(await entries.count()).toBe(40);
    many.child.kill('SIGTERM');
    await many.ended;
  });
});
