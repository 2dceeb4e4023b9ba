/**
 * Files, day by day, by the command line: the end of the first closes what is open, the next one
 * goes on.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { emptyFolder, millrace } from '../process/millrace.ts';

const order = (id: string, at: string, customer: string, paid = false) =>
  JSON.stringify({ id, at: Date.parse(`${at}Z`), customer, paid });
/** Its clock is wrong; nothing may come of it. */
const wrong = (id: string, at: string) => order(id, at, 'wrong');

const firstDay = [
  wrong('w1', '2098-01-01T00:00'),
  order('a1', '2024-03-01T10:00', 'ann'),
  order('a2', '2024-03-01T10:20', 'ann', true),
  wrong('w2', '2098-01-01T00:00'),
  order('c1', '2024-03-01T12:00', 'cid'),
  // So far ahead of the others, but not of the clock: nobody confirms it.
  wrong('a1', '2025-06-01T00:00'),
  order('b1', '2024-03-01T23:50', 'bob'),
  wrong('w4', '2098-01-01T00:00'),
];
// Three weeks later; the first one comes just after midnight of its day.
const nextDay = [
  order('b2', '2024-03-22T00:05', 'bob'),
  order('a3', '2024-03-22T09:00', 'ann'),
  order('a4', '2024-03-22T09:10', 'ann', true),
];

const ofFirstDay = [
  'gone ann 03-01T12:20',
  'gone bob 03-02T01:50',
  'gone cid 03-01T14:00',
  'order a1: a2',
  'order b1: not paid',
  'order c1: not paid',
  'session ann 03-01T10:00..03-01T10:20: 2',
  'session bob 03-01T23:50..03-01T23:50: 1',
  'session cid 03-01T12:00..03-01T12:00: 1',
  'window ann 03-01T10:00: 2',
  'window bob 03-01T23:00: 1',
  'window cid 03-01T12:00: 1',
];
const ofNextDay = [
  'gone ann 03-22T11:10',
  'gone bob 03-22T02:05',
  'order a3: a4',
  'order b2: not paid',
  'session ann 03-22T09:00..03-22T09:10: 2',
  'session bob 03-22T00:05..03-22T00:05: 1',
  'window ann 03-22T09:00: 2',
  'window bob 03-22T00:00: 1',
];

it('what is open closes at the end of a file, the next day goes on without loss', async () => {
  const data = await emptyFolder();
  const runs = async (name: string, rows: readonly string[], ...flags: string[]) => {
    const input = join(data, name);
    await writeFile(input, `${rows.join('\n')}\n`);
    const args = ['run', 'test/time/day-module.ts', '--data', data, '--threads', '0', '--json'];
    args.push('--input', input, '--topic', 'orders', '--key', 'id', '--time', 'at');
    args.push('--time-format', 'epoch-ms', '--until-caught-up', ...flags);
    const { code, stdout, stderr } = await millrace(...args);
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    return JSON.parse(stdout) as { counters: { drops: object; failures: object } };
  };
  const told = async () => {
    const { stdout } = await millrace('topics', 'read', 'out', '--data', data, '--json');
    return (JSON.parse(stdout) as { value: string }[]).map(({ value }) => value).sort();
  };
  const first = await runs('1.jsonl', firstDay, '--at-end', 'close');
  expect(first.counters).toMatchObject({ drops: {}, failures: { 'orders|future': 4 } });
  expect(await told()).toEqual(ofFirstDay);
  const second = await runs('2.jsonl', nextDay);
  expect(second.counters).toMatchObject({ drops: {}, failures: {} });
  // What is kept open at the end of the second file is told when a run closes it.
  const kept = (await told()).filter((one) => !ofFirstDay.includes(one));
  expect(kept).not.toContain('window ann 03-22T09:00: 2');
  const last = await runs('3.jsonl', [order('d1', '2024-03-22T09:20', 'dan')], '--at-end', 'close');
  expect(last.counters).toMatchObject({ drops: {}, failures: {} });
  const ofLast = [
    'gone dan 03-22T11:20',
    'order d1: not paid',
    'session dan 03-22T09:20..03-22T09:20: 1',
    'window dan 03-22T09:00: 1',
  ];
  expect(await told()).toEqual([...ofFirstDay, ...ofNextDay, ...ofLast].sort());
});
