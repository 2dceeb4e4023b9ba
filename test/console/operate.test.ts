/** What an operator presses in the console: replay of dead letters, with roles and confirmation. */
import { createHash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { emptyFolder } from '../process/millrace.ts';
import { complaintsOf, faultsOf, fits, missing, openBrowser, startServing } from './browser.ts';

const shipped = resolve('topologies/ingest/mappings/sample.json');
const hashOf = (key: string) => createHash('sha256').update(key).digest('hex');

describe.skipIf(missing !== undefined)('operating in the console', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await openBrowser();
  });
  afterAll(() => browser?.close());

  test('dead letters are replayed once the mapping is mended, when that is confirmed', async () => {
    const folder = await emptyFolder();
    const mapping = JSON.parse(await readFile(shipped, 'utf8'));
    const [file, input, gateway] = ['map.json', 'rows.jsonl', 'gateway.json'].map((name) =>
      join(folder, name),
    ) as [string, string, string];
    await writeFile(file, JSON.stringify({ ...mapping, subject: 'who' }));
    const event = { class: 'page_view', time: '2026-03-01T12:00:00Z' };
    const rows = [
      { ...event, id: 'a', who: 'ann' },
      { ...event, id: 'b', subject: 'bob' },
      { ...event, id: 'c', subject: 'cid' },
      { ...event, id: 'd', time: 'never', who: 'dan' },
    ];
    await writeFile(input, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
    const writeKeys = [
      { name: 'looker', sha256: hashOf('look-key'), roles: ['read'] },
      { name: 'operator', sha256: hashOf('operate-key'), roles: ['operate'] },
    ];
    await writeFile(gateway, JSON.stringify({ accounts: { writeKeys } }));
    const given = ['--input', input, '--mapping', file, '--gateway', gateway];
    const running = await startServing(given);
    await writeFile(file, JSON.stringify(mapping));

    const page = await browser.newPage({ viewport: { width: 360, height: 740 } });
    const complaints = complaintsOf(page);
    await page.goto(`${running.url}/console/#/data`);
    const signIn = async (key: string) => {
      await page.getByLabel('Key or token').fill(key);
      await page.keyboard.press('Enter');
      await page.getByText('there is no subject in who').first().waitFor();
    };
    await signIn('look-key');
    expect(await page.getByRole('button', { name: 'Preview a replay' }).count()).toBe(0);
    const refused = await fetch(`${running.url}/v1/dead-letters/replay`, {
      method: 'POST',
      headers: { authorization: 'Bearer look-key', 'content-type': 'application/json' },
      body: '{}',
    });
    expect(refused.status).toBe(403);
    await page.getByRole('button', { name: /sign out/i }).click();
    await signIn('operate-key');
    const look = page.getByRole('button', { name: 'Preview a replay' });
    await look.click();
    await page.getByText('2 of 3 dead letters would be written back').waitFor();
    await page.getByText('Stay as they are: refused again 1').waitFor();
    expect(await fits(page)).toBe(true);
    expect(await faultsOf(page)).toEqual([]);
    await page.getByRole('button', { name: 'Leave them' }).click();
    await page.getByLabel('Reason contains').fill('no subject');
    await look.click();
    await page.getByRole('button', { name: 'Replay 2 dead letters now' }).click();
    await page.getByText('2 of 3 dead letters were written back, as 2 records').waitFor();
    await look.click();
    await page.getByText(/replayed before 2/).waitFor();
    const answer = await fetch(`${running.url}/v1/subjects/bob`, {
      headers: { authorization: 'Bearer look-key' },
    });
    expect(answer.status).toBe(200);
    // A wrong key of the test is a 401, of which browsers complain themselves.
    expect(complaints.filter((text) => !text.includes('401'))).toEqual([]);
    await page.close();
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(0);
  });

  test('the application and a topic are paused and resumed, when that is confirmed', async () => {
    const folder = await emptyFolder();
    const gateway = join(folder, 'gateway.json');
    const writeKeys = [
      { name: 'looker', sha256: hashOf('look-key'), roles: ['read'] },
      { name: 'operator', sha256: hashOf('operate-key'), roles: ['operate'] },
      { name: 'sender', sha256: hashOf('send-key') },
    ];
    await writeFile(gateway, JSON.stringify({ accounts: { writeKeys } }));
    const input = join(folder, 'rows.jsonl');
    const row = { id: 'a', subject: 'ann', class: 'page_view', time: '2026-03-01T12:00:00Z' };
    await writeFile(input, `${JSON.stringify(row)}\n`);
    const given = ['--input', input, '--mapping', 'sample', '--gateway', gateway];
    const running = await startServing(given);
    const page = await browser.newPage({ viewport: { width: 360, height: 740 } });
    const complaints = complaintsOf(page);
    await page.goto(`${running.url}/console/`);
    const signIn = async (key: string) => {
      await page.getByLabel('Key or token').fill(key);
      await page.keyboard.press('Enter');
      await page.getByText('Running').waitFor();
    };
    const button = (name: string) => page.getByRole('button', { name, exact: true });
    await signIn('look-key');
    expect(await button('Pause the application').count(), 'who may only read').toBe(0);
    await button('Sign out').click();
    await signIn('operate-key');
    await button('Pause the application').click();
    expect(await faultsOf(page)).toEqual([]);
    expect(await fits(page)).toBe(true);
    await button('Cancel').click();
    await page.getByText('Running').waitFor();
    await button('Pause the application').click();
    await button('Pause the application now').click();
    await page.getByText('Paused: the application').waitFor();
    // Nothing is read, and nothing is lost.
    const sent = await fetch(`${running.url}/v1/events?mapping=sample`, {
      method: 'POST',
      headers: { authorization: 'Bearer send-key', 'content-type': 'application/json' },
      body: JSON.stringify([{ ...row, id: 'b', subject: 'ben' }]),
    });
    expect(sent.status).toBe(202);
    const ben = () =>
      fetch(`${running.url}/v1/subjects/ben`, { headers: { authorization: 'Bearer look-key' } });
    await page.locator('dl.figures').getByText('records waiting').waitFor();
    expect((await ben()).status).toBe(404);
    await button('Resume the application').click();
    await button('Resume the application now').click();
    await page.getByText('Running').waitFor();
    await expect.poll(async () => (await ben()).status).toBe(200);

    await page.getByRole('button', { name: /^events/ }).click();
    await button('Pause events').click();
    await button('Pause events now').click();
    await page.getByText('Paused: topic events').waitFor();
    await button('Resume events').click();
    await button('Resume events now').click();
    await page.getByText('Paused: topic events').waitFor({ state: 'detached' });
    // Before the first key the page is refused.
    expect(complaints.filter((text) => !text.includes('401'))).toEqual([]);
    await page.close();
    running.child.kill('SIGTERM');
    expect((await running.ended).code).toBe(0);
  });
});
