/** Appends from outside: together or not at all, in order, and one commit for all that wait. */
import { json, topic } from 'millrace';
import { expect, test } from 'vitest';
import { MemoryLog } from '../../engine/log/memory-log.ts';
import { decodeHeaders } from '../../engine/record/headers.ts';
import { Appender, type OutsideRecord, recordFor } from '../../engine/runtime/appender.ts';

const events = topic<string, unknown>('events', { value: json() });
const partitions = 3;

async function opened(more: { waitingMax?: number } = {}) {
  const log = new MemoryLog();
  const partitionsOf = { events: partitions, letters: 1 };
  await log.createTopics(
    Object.entries(partitionsOf).map(([name, count]) => ({
      ...{ name, partitions: count, settings: {} },
    })),
  );
  let commits = 0;
  let failure: Error | undefined;
  const openWriter = log.openWriter.bind(log);
  log.openWriter = async (id) => {
    const writer = await openWriter(id);
    return {
      ...writer,
      commit: async (commit) => {
        commits++;
        if (failure === undefined) return writer.commit(commit);
        const error = failure;
        failure = undefined;
        throw error;
      },
    };
  };
  const appender = new Appender({ log, id: 'door', partitionsOf, ...more });
  const values = async (name: string): Promise<unknown[]> => {
    const found: unknown[] = [];
    const count = name === 'events' ? partitions : 1;
    for (let partition = 0; partition < count; partition++) {
      const batch = await log.read({ topic: name, partition }, 0, { records: 1_000 });
      for (let i = 0; i < (batch?.count ?? 0); i++) {
        found.push(JSON.parse(batch?.value(i)?.toString() ?? 'null'));
      }
    }
    return found;
  };
  const failNext = (error: Error) => {
    failure = error;
  };
  return { log, appender, values, commits: () => commits, failNext };
}

const record = (value: unknown, key = 'ann'): OutsideRecord => recordFor(events, key, value, 1_000);
/** JSON cannot hold it: the encoder refuses it. */
const unwritable = Number.NaN;

test('records of one call are there together or not at all, whoever waits beside', async () => {
  const { appender, values, commits } = await opened();
  const keys = Array.from({ length: 20 }, (_, i) => `k${i}`);
  const all = (n: number) => keys.map((key) => record(n, key));
  const asked = [
    appender.append(all(1)),
    appender.append([...all(2), record(unwritable)]),
    appender.append(all(3)),
    appender.append([record(unwritable), ...all(4)]),
    appender.append(all(5)),
  ];
  const ends = (await Promise.allSettled(asked)).map(({ status }) => status);
  expect(ends).toEqual(['fulfilled', 'rejected', 'fulfilled', 'rejected', 'fulfilled']);
  expect(commits()).toBe(1);
  const expected = [1, 3, 5].flatMap((n) => keys.map(() => n));
  expect((await values('events')).sort()).toEqual(expected);
  // What was refused has left nothing behind for the next.
  await appender.append([record('next')]);
  expect(await values('events')).toHaveLength(3 * keys.length + 1);
});

test('letters that cannot be written take the records of their call with them', async () => {
  const { appender, values, log } = await opened();
  const letter = { topic: 'letters', value: Buffer.from('1'), timestamp: 5 };
  await appender.append([record(1)], [{ ...letter, headers: { reason: 'first' } }]);
  const headers = { reason: 5 as never };
  const wrong = appender.append([record(2)], [{ ...letter, headers }]);
  await expect(wrong).rejects.toThrow();
  await appender.append([record(3)], [{ ...letter, headers: { reason: 'third' } }]);
  expect(await values('events')).toEqual([1, 3]);
  const batch = await log.read({ topic: 'letters', partition: 0 }, 0, { records: 9 });
  const reasons = [0, 1].map((i) => String(decodeHeaders(batch?.headerBytes(i) as Buffer).reason));
  expect([batch?.count, reasons]).toEqual([2, ['first', 'third']]);
});

test('to ask whether a record can be written writes nothing', async () => {
  const { appender, values } = await opened();
  const waiting = appender.append([record('a')]);
  expect(appender.problemOf(record('b'))).toBeUndefined();
  expect(appender.problemOf(record(unwritable))).toEqual(expect.any(String));
  await Promise.all([waiting, appender.append([record('c')])]);
  expect(await values('events')).toEqual(['a', 'c']);
});

test('calls during a commit are in the next one, also when that one fails', async () => {
  const { appender, values, commits, failNext } = await opened();
  failNext(new Error('the disk is full'));
  const first = appender.append([record(1)]);
  // The commit is under way once the turn is over.
  await Promise.resolve();
  await Promise.resolve();
  const second = appender.append([record(2)]);
  const third = appender.append([record(3)]);
  await expect(first).rejects.toThrow('the disk is full');
  await Promise.all([second, third]);
  expect(commits()).toBe(2);
  expect(await values('events')).toEqual([2, 3]);
  expect(appender.waiting).toBe(0);
});

test('too many that wait are refused, and a large commit is written whole', async () => {
  const { appender, values } = await opened({ waitingMax: 5 });
  const long = 'x'.repeat(1_000_000);
  const asked = Array.from({ length: 7 }, (_, i) => appender.append([record(`${i}${long}`)]));
  const ends = await Promise.allSettled(asked);
  expect(ends.map(({ status }) => status)).toEqual([
    ...Array(5).fill('fulfilled'),
    ...Array(2).fill('rejected'),
  ]);
  expect(ends[6]).toMatchObject({ reason: { code: 'APPEND_FULL' } });
  await appender.append([record('after')]);
  expect(await values('events')).toHaveLength(6);
});
