/** The comparison counts what an engine lost, and takes nothing for a loss that is wrong. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { timeWindowed, utf8 } from 'millrace';
import { afterAll, expect, test } from 'vitest';
import { check } from '../../bench/compare/check.ts';
import type { Line } from '../../bench/compare/compare.ts';
import { type Events, eventsOf, partitions } from '../../bench/compare/events.ts';
import { type Totals, totalsSerde, windows } from '../../bench/compare/jobs.ts';
import { type Expected, expectedOf } from '../../bench/compare/oracle.ts';
import { linesTable, ratios, ratiosSvg } from '../../bench/compare/report.ts';
import { summaryTable } from '../../bench/compare/summary.ts';
import { createTopics, fill } from '../../bench/compare/topics.ts';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';

const folder = mkdtempSync(join(tmpdir(), 'bench-loss-'));
afterAll(() => rmSync(folder, { recursive: true }));
const spec = { events: 3_000, keys: 100, skew: 0, perMs: 0.01, ordered: true };
const made = await eventsOf(spec, folder);
const expected = expectedOf('rekey', made);
const windowed = timeWindowed(utf8, windows.rekey.sizeMs);
const peer = { isOurs: false, slackMs: 0, timeIsLeast: false };

/** Writes results and asks what the comparison says of them. */
async function verdictOf(totals: ReadonlyMap<string, Totals>, facts = peer) {
  const log = new MemoryLog();
  await createTopics(log, ['out']);
  const builder = new BatchBuilder();
  for (const [id, value] of totals) {
    const [key = '', start, end] = id.split('|');
    const window = { key, start: Number(start), end: Number(end) };
    builder.append(Buffer.from(windowed.encode(window)), totalsSerde.encode(value), 0);
  }
  await fill(log, 'out', [{ partition: 0, batch: builder.finishAt(0) }]);
  return check('rekey', expected, log, 'out', facts);
}

const results = (): Map<string, Totals> => {
  const copy = new Map<string, Totals>();
  for (const [id, { count, sum, max }] of expected.totals) copy.set(id, { count, sum, max });
  return copy;
};

const ofCount = (least: number): [string, Totals] =>
  [...results()].find(([, { count }]) => count >= least) as [string, Totals];

test('each partition comes in order, and every record of a window that is due is counted', () => {
  const counted = [...expected.totals.values()].reduce((sum, { count }) => sum + count, 0);
  expect(counted).toBe(recordsDue(made, expected));
  expect(expected.totals.size).toBeGreaterThan(100);
});

test('all results: nothing is lost', async () => {
  const verdict = await verdictOf(results());
  expect(verdict).toEqual({ green: true, results: expected.totals.size, missing: 0, lost: 0 });
});

test('a window that is missing, and one that lacks a record, are losses, which ours may not have', async () => {
  const totals = results();
  const [gone, { count }] = ofCount(1);
  totals.delete(gone);
  const [id, whole] = [...totals].find(([, one]) => one.count >= 2) as [string, Totals];
  totals.set(id, { count: whole.count - 1, sum: whole.sum / 2, max: whole.max });
  expect(await verdictOf(totals)).toMatchObject({ green: true, missing: 1, lost: count + 1 });
  const ours = await verdictOf(totals, { ...peer, isOurs: true });
  expect(ours).toMatchObject({ green: false, problem: `${count + 1} records are lost` });
});

test.each([
  ['counts a record twice', ({ count, ...rest }: Totals) => ({ ...rest, count: count + 1 })],
  ['adds up something else', ({ sum, ...rest }: Totals) => ({ ...rest, sum: sum + 1 })],
  [
    'has a greater maximum',
    ({ count, max, ...rest }: Totals) => ({ ...rest, count: count - 1, max: (max ?? 0) + 1 }),
  ],
])('a result that %s is wrong', async (_, wrong) => {
  const totals = results();
  const [id, whole] = ofCount(2);
  totals.set(id, wrong(whole));
  const { green, problem } = await verdictOf(totals);
  expect([green, problem?.startsWith(id)]).toEqual([false, true]);
});

test('tables and plot say what each engine lost beside its rate', () => {
  const line = (peer: string, eventsPerSecond: number, lost: number): Line => ({
    ...{ job: 'rekey', peer, round: 0, events: 1_000, changelogs: { records: 0, bytes: 0 } },
    drained: { events: 1_000, eventsPerSecond, totalSeconds: 1, cpuSeconds: 1, rssMiB: 100 },
    verdict: { green: true, results: 1, missing: 0, lost },
  });
  const lines = [line('millrace', 400, 0), line('kafka-streams', 200, 425), line('flink', 100, 0)];
  const rows = summaryTable(lines).split('\n');
  const cells = rows.map((row) => row.split('|').map((cell) => cell.trim()));
  const under = (head: string) => cells[2]?.[cells[0]?.indexOf(head) ?? -1];
  expect(under('Flink 2.2, events/s')).toBe('100');
  expect(under('records lost: ours, Kafka Streams, Flink 2.2')).toBe('0.00 %, 42.50 %, 0.00 %');
  expect(linesTable(lines)).toContain('425 (42.5 %)');
  const plot = ratiosSvg(ratios(lines));
  expect(plot).toContain('2.0x, 42.5 % lost<');
  expect(plot).toContain('4.0x<');
  expect(plot).toContain('over Flink');
});

/**
 * By the definition alone: the least of the partitions' times has passed the window's end and the
 * grace.
 */
function recordsDue({ batches }: Events, { streamTimes }: Expected): number {
  const latest = Array.from({ length: partitions }, () => 0);
  const times: number[] = [];
  for (const { partition, batch } of batches) {
    for (let i = 0; i < batch.count; i++) {
      const time = batch.timestamps[i] as number;
      expect(time).toBeGreaterThanOrEqual(latest[partition] as number);
      latest[partition] = time;
      times.push(time);
    }
  }
  const least = Math.min(...latest);
  expect(streamTimes).toEqual(latest.map(() => least));
  const { sizeMs, graceMs } = windows.rekey;
  return times.filter((at) => (Math.floor(at / sizeMs) + 1) * sizeMs + graceMs <= least).length;
}
