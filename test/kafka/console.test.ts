/**
 * The console of an application that two processes share: it says who holds which tasks, what is
 * not known while one is gone, and is right for all partitions.
 */
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { complaintsOf, faultsOf, fits, missing, openBrowser } from '../console/browser.ts';
import { emptyFolder, launch, type Running } from '../process/millrace.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const partitions = 6;
const name = 'looked-at';
/** Parts of the topology: what is heard, and what is counted by word. */
const tasks = 2 * partitions;

interface Member extends Running {
  readonly url: string;
}

const leftOut = missing !== undefined || !(await kafkaAvailable());

describe.skipIf(leftOut)('the console over two processes', () => {
  let browser: Browser;
  let log: KafkaLog;
  let brokers: string;
  beforeAll(async () => {
    brokers = (await sharedBroker()).address;
    const settings = { ...defaultKafkaSettings, brokers };
    log = await openKafkaLog({ settings, application: `${name}-witness` });
    browser = await openBrowser();
  }, 300_000);
  afterAll(async () => {
    await browser?.close();
    await log?.close();
  });

  /** Some words to each partition. */
  async function feed(perPartition: number): Promise<void> {
    const topic = `${name}-words`;
    const writer = await log.openWriter(`${topic}-feeder`);
    const appends = Array.from({ length: partitions }, (_, partition) => {
      const builder = new BatchBuilder();
      for (let i = 0; i < perPartition; i++) {
        builder.append(null, Buffer.from(`w${partition}-${i}`), Date.now());
      }
      return { topic, partition, batch: builder.finishAt(0) };
    });
    await writer.commit({ appends, offsets: [], commitId: 1 });
    await writer.close();
  }

  test('who holds what is seen; what is gone is said; all partitions are counted', {
    timeout: 400_000,
  }, async () => {
    await log.createTopics([{ name: `${name}-words`, partitions, settings: {} }]);
    const folder = await emptyFolder();
    const member = async (own: string, port = '0'): Promise<Member> => {
      const running = launch(
        'topologies/app/main.ts',
        [
          ...['run', 'test/kafka/fault-job.ts', '--brokers', brokers, '--data', join(folder, own)],
          ...['--application', name, '--partitions', String(partitions), '--threads', '0'],
          ...['--http', port, '--log-level', 'info'],
        ],
        { MILLRACE_TEST_JOB: name },
      );
      onTestFinished(() => void running.child.kill('SIGKILL'));
      await running.says('questions, metrics and health on');
      const [, url = ''] = /(http:\/\/127\.0\.0\.1:\d+)/.exec(running.said()) ?? [];
      return { ...running, url };
    };
    const [first, second] = await Promise.all([member('a'), member('b')]);
    await feed(10);
    const page = await browser.newPage({ viewport: { width: 1280, height: 1000 } });
    const complaints = complaintsOf(page);
    await page.goto(`${first.url}/console/`);
    const card = page.locator('section.card', { hasText: 'Processes' }).last();
    const other = card.getByRole('row', { name: new URL(second.url).host });
    const patience = { timeout: 60_000 };
    const countsOf = () => taskCounts(card);
    await expect.poll(countsOf, patience).toHaveLength(2);
    await expect.poll(async () => sum(await countsOf()), patience).toBe(tasks);
    expect(
      (await countsOf()).every((count) => count > 0),
      'both have some',
    ).toBe(true);
    await expect.poll(() => other.textContent(), patience).toContain('answers');
    await expect.poll(() => figure(page, 'Waiting'), patience).toContain('none');
    expect(await faultsOf(page)).toEqual([]);

    second.child.kill('SIGKILL');
    await second.ended;
    const gone = page.getByRole('alert').filter({ hasText: new URL(second.url).host });
    await gone.waitFor(patience);
    expect(await gone.textContent()).toMatch(/does not answer\. It had \d+ of 12 tasks/);
    // What waits there is not zero: nobody can say it.
    expect(await figure(page, 'Waiting')).toContain('unknown');
    expect(await faultsOf(page)).toEqual([]);
    await page.setViewportSize({ width: 360, height: 740 });
    expect(await fits(page)).toBe(true);
    await page.setViewportSize({ width: 1280, height: 1000 });
    await feed(10);
    // Its session is over: the one that is left has all of it.
    await gone.waitFor({ ...patience, state: 'detached' });
    await expect.poll(countsOf, patience).toEqual([tasks]);
    await expect.poll(() => figure(page, 'Waiting'), patience).toContain('none');
    for (const partition of [0, 1, 2, 3, 4, 5]) {
      const answer = await fetch(`${first.url}/v1/stores/words/rows/w${partition}-9`);
      expect(await answer.json(), `partition ${partition}`).toMatchObject({ rows: [{ value: 2 }] });
    }

    // The one that serves the page ends, and another comes: the page stays, and goes on.
    const third = await member('c');
    await expect.poll(countsOf, patience).toHaveLength(2);
    first.child.kill('SIGKILL');
    await first.ended;
    await page.getByText('Millrace does not answer.').waitFor(patience);
    expect(await page.getByRole('button', { name: /^words/ }).count()).toBe(1);
    const again = await member('a', new URL(first.url).port);
    await page.getByText('Running').waitFor(patience);
    await expect.poll(async () => sum(await countsOf()), patience).toBe(tasks);
    await expect.poll(() => figure(page, 'Waiting'), patience).toContain('none');
    expect(await page.getByRole('alert').count()).toBe(0);
    // That a process was gone is no fault of the page.
    expect(complaints.filter((one) => !/ERR_|Failed to load/.test(one))).toEqual([]);
    await page.close();
    for (const one of [third, again]) one.child.kill('SIGTERM');
    for (const one of [third, again]) expect((await one.ended).code).toBe(0);
  });
});

async function taskCounts(card: ReturnType<Page['locator']>): Promise<number[]> {
  const cells = await card.locator('tbody td.number').allTextContents();
  return cells.map(Number);
}

function sum(counts: readonly number[]): number {
  return counts.reduce((all, count) => all + count, 0);
}

/** What one of the figures at the top says. */
async function figure(page: Page, label: string): Promise<string> {
  const box = page.locator('dl.figures .figure', { hasText: label });
  return (await box.first().textContent()) ?? '';
}
