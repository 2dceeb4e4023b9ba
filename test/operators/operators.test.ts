/** Operators as a topology's author meets them: through the public API and the test driver. */
import {
  count,
  hopping,
  json,
  reduce,
  session,
  sum,
  topic,
  topology,
  tumbling,
  utf8,
  type Windowed,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';

const words = topic<string, string>('words', { value: utf8 });
const out = topic<string, string>('out', { value: utf8 });
const others = topic<string, string>('others', { value: utf8 });

describe('without state', () => {
  test('filter, map, flatMap, peek, split and merge', async () => {
    const seen: string[] = [];
    const built = topology('stateless', (t) => {
      const { short, otherwise } = t
        .stream(words)
        .filter((word) => word !== 'skip')
        .peek((word, key, timestamp) => seen.push(`${key} ${word} ${timestamp}`))
        .split({ short: (word) => word.length < 4 });
      short
        .map((word) => word.toUpperCase())
        .merge(otherwise.flatMap((word) => word.split(' ')))
        .to(out);
      otherwise.to(others);
      return {};
    });
    const driver = await testDriver(built);
    await driver.pipeAll(words, [
      { key: 'a', value: 'one', timestamp: 1 },
      { key: 'a', value: 'skip', timestamp: 2 },
      { key: 'b', value: 'two three', timestamp: 3, headers: { trace: '7' } },
      { key: 'b', value: null, timestamp: 4 },
    ]);
    const rows = (await driver.read(out)).map((r) => [r.key, r.value, r.timestamp, r.headers]);
    expect(rows).toEqual([
      ['a', 'ONE', 1, {}],
      ['b', 'two', 3, { trace: '7' }],
      ['b', 'three', 3, { trace: '7' }],
    ]);
    expect((await driver.read(others)).map(({ value }) => value)).toEqual(['two three']);
    expect(seen).toEqual(['a one 1', 'b two three 3']);
    const { in: taken, processed, dropped, drops } = driver.summary.counters;
    expect({ taken, processed, dropped, drops }).toEqual({
      taken: 4,
      processed: 3,
      dropped: 1,
      drops: { 'words|null_value': 1 },
    });
    await driver.close();
  });

  test('keyBy sends each record to the partition of its new key', async () => {
    const built = topology('rekey', (t) => {
      const totals = t
        .stream(words)
        .keyBy('by-word', (word) => (word === 'none' ? null : word))
        .count('totals');
      return { totals };
    });
    const driver = await testDriver(built, { partitions: 3 });
    const values = ['x', 'y', 'x', 'none', 'z', 'x'];
    await driver.pipeAll(
      words,
      values.map((value, i) => ({ key: `k${i}`, value, timestamp: i })),
    );
    const rows = await driver.rows(built.exports.totals);
    const counts = Object.fromEntries(rows.map((row) => [row.key, row.value]));
    expect(counts).toEqual({ x: 3, y: 1, z: 1 });
    expect(rows).toHaveLength(3);
    expect(driver.summary.counters.drops).toEqual({ 'by-word|null_key': 1 });
    await driver.close();
  });
});

describe('tables', () => {
  test('a table from a topic deletes on null; its changes can be filtered and mapped', async () => {
    const built = topology('table', (t) => {
      const all = t.table('all', words);
      all
        .filter((word) => word.startsWith('g'))
        .map((word) => word.toUpperCase())
        .to(out);
      return { all };
    });
    const driver = await testDriver(built);
    const values = ['good', 'bad', null, 'great'];
    await driver.pipeAll(
      words,
      values.map((value, timestamp) => ({ key: 'k', value, timestamp })),
    );
    expect((await driver.read(out)).map(({ value }) => value)).toEqual(['GOOD', null, 'GREAT']);
    expect((await driver.rows(built.exports.all)).map(({ value }) => value)).toEqual(['great']);
    await driver.close();
  });

  test('reduce and an aggregate with an own accumulator', async () => {
    const built = topology('totals', (t) => {
      const stream = t.stream(words);
      const joined = stream.reduce('joined', (all, word) => `${all}+${word}`);
      const lengths = stream.aggregate(
        'lengths',
        sum((word: string) => word.length),
      );
      return { joined, lengths };
    });
    const driver = await testDriver(built);
    await driver.pipe(words, 'k', 'ab', 1);
    await driver.restart();
    await driver.pipe(words, 'k', 'cde', 2);
    await driver.restart({ dropState: true });
    expect((await driver.rows(built.exports.joined))[0]?.value).toBe('ab+cde');
    expect((await driver.rows(built.exports.lengths))[0]?.value).toBe(5);
    await driver.close();
  });
});

describe('keys', () => {
  test.each([0, 1_000_000])('an empty key is a key; with %d bytes of cache', async (cacheBytes) => {
    const totals = topic<string, number>('totals');
    const windows = topic<Windowed<string>, number>('windows', { key: json(), value: json() });
    const built = topology('empty-keys', (t) => {
      const stream = t.stream(words);
      stream.count('total').to(totals);
      stream
        .keyBy('initial', (word) => word.slice(0, 1))
        .window(tumbling({ size: 10, grace: 0 }))
        .aggregate('per-initial', count(), { emit: 'close' })
        .to(windows);
      return {};
    });
    const driver = await testDriver(built, { cacheBytes });
    const say = (key: string, value: string, timestamp: number) =>
      driver.pipeAll(words, [{ key, value, timestamp }]);
    await say('', 'x', 1);
    await say('a', '', 2);
    await driver.restart();
    await say('', '', 3);
    await driver.restart({ dropState: true });
    await say('', 'end', 20);
    expect((await driver.read(totals)).map(({ key, value }) => [key, value])).toEqual([
      ['', 1],
      ['a', 1],
      ['', 2],
      ['', 3],
    ]);
    expect((await driver.read(windows)).map(({ key, value }) => [key?.key, value])).toEqual([
      ['', 2],
      ['x', 1],
    ]);
    await driver.close();
  });
});

describe('time', () => {
  const windows = topic<Windowed<string>, number>('windows', { key: json(), value: json() });

  test('late records go to an output of their own; the last record inside the grace does not', async () => {
    const late = topic<string, string>('late', { value: utf8 });
    const built = topology('late', (t) => {
      const counts = t
        .stream(words)
        .window(tumbling({ size: 10, grace: 5 }))
        .aggregate('counts', count(), { late });
      return { counts };
    });
    const driver = await testDriver(built);
    for (const timestamp of [0, 14, 9, 15, 9, 10]) await driver.pipe(words, 'k', 'w', timestamp);
    expect((await driver.read(late)).map(({ timestamp }) => timestamp)).toEqual([9]);
    const rows = await driver.rows(built.exports.counts);
    // The closed window is forgotten; 0, 9 and 14 were in time.
    expect(rows.map(({ window, value }) => [window?.start, value])).toEqual([[10, 3]]);
    expect(driver.summary.counters).toMatchObject({ processed: 5, dropped: 1 });
    await driver.close();
  });

  test('the idle clock closes windows, held results and sessions, and persists', async () => {
    const built = topology('idle', (t) => {
      const stream = t.stream(words);
      stream
        .window(hopping({ size: 10, advance: 5, grace: 2 }))
        .aggregate('hops', count(), { emit: 'close' })
        .to(windows);
      stream
        .window(session({ gap: 4, grace: 2 }))
        .aggregate('sessions', count())
        .suppress('final', { untilClosed: true })
        .to(windows);
      return {};
    });
    const driver = await testDriver(built);
    await driver.pipe(words, 'k', 'w', 7);
    expect(await driver.read(windows)).toEqual([]);
    await driver.advanceTo(1_000);
    const closed = (await driver.read(windows)).map(({ key }) => [key?.start, key?.end]);
    expect(closed.sort()).toEqual([
      [0, 10],
      [5, 15],
      [7, 7],
    ]);
    await driver.restart();
    await driver.pipe(words, 'k', 'w', 900);
    expect(driver.summary.counters.drops).toEqual({ 'hops|late': 2, 'sessions|late': 1 });
    await driver.close();
  });

  test('an own time is read from the value; one far in the future is a dead letter', async () => {
    const timed = topic<string, { readonly at: number }>('timed', { value: json() });
    const built = topology('own-time', (t) => {
      t.stream(timed, { time: (value) => value.at, maxFutureSkewMs: 1_000 })
        .map(({ at }) => String(at))
        .to(out);
      return {};
    });
    const driver = await testDriver(built);
    const pipe = (at: unknown) => driver.pipe(timed, 'k', { at: at as number }, 5_000);
    for (const at of [4_000, 6_000, 6_001, 'noon', -1]) await pipe(at);
    expect((await driver.read(out)).map(({ timestamp }) => timestamp)).toEqual([4_000, 6_000]);
    const letters = await driver.deadLetters();
    expect(letters.map(({ headers }) => [headers['stage'], headers['reason']])).toEqual([
      ['future', 'its time, 6001 ms UTC, lies too far in the future'],
      ['deserialise', 'its time is noon, not a number of milliseconds'],
      ['deserialise', 'its time is -1, not whole milliseconds from 0 to 8.64e15'],
    ]);
    const { in: taken, processed, deadLettered, dropped } = driver.summary.counters;
    expect([taken, processed, deadLettered, dropped]).toEqual([5, 2, 3, 0]);
    await driver.close();
  });
});

describe('process', () => {
  test('timers fire at their exact time, in order, after all records of that instant', async () => {
    const built = topology('timers', (t) => {
      t.stream(words)
        .process<number, string>('timers', {
          record: (context, word, timestamp) => {
            context.state = (context.state ?? 0) + 1;
            context.emit(`${word} ${context.state}`);
            if (word === 'cancel') context.cancelTimer('late');
            else {
              context.setTimer('late', timestamp + 20);
              context.setTimer('early', timestamp + 10);
            }
          },
          timer: (context, name, at) => context.emit(`${name} ${at} of ${context.key}`),
        })
        .to(out);
      return {};
    });
    const driver = await testDriver(built);
    await driver.pipe(words, 'a', 'one', 0);
    await driver.pipe(words, 'b', 'cancel', 10);
    await driver.restart({ dropState: true });
    await driver.pipe(words, 'a', 'two', 10);
    await driver.pipe(words, 'b', 'three', 11);
    await driver.advanceTo(30);
    const rows = (await driver.read(out)).map(({ value, timestamp }) => `${timestamp}: ${value}`);
    expect(rows).toEqual([
      '0: one 1',
      '10: cancel 1',
      '10: two 2',
      '11: three 2',
      '20: early 20 of a',
      '21: early 21 of b',
      '30: late 30 of a',
    ]);
    await driver.close();
  });
});

test('what one part closes when time passes is in time for the next part', async () => {
  const built = topology('parts', (t) => {
    // The part that counts the closed windows is declared first, and comes last.
    const all = t.stream(others);
    const closed = t
      .stream(words)
      .window(tumbling({ size: 10, grace: 0 }))
      .aggregate('per-ten', count(), { emit: 'close' })
      .changes()
      .map((n) => String(n))
      .keyBy('by-count', (n) => n, { key: utf8 });
    const finals = all
      .merge(closed)
      .window(tumbling({ size: 10, grace: 0 }))
      .aggregate('counts', count(), { emit: 'close' });
    finals
      .changes()
      .map((n) => `${n} windows`)
      .keyBy('out', () => 'all')
      .to(out);
    return {};
  });
  const driver = await testDriver(built);
  for (const [i, key] of ['a', 'b', 'b', 'c'].entries()) await driver.pipe(words, key, 'w', i);
  await driver.advanceTo(1_000);
  expect((await driver.read(out)).map(({ value }) => value)).toEqual(['2 windows', '1 windows']);
  await driver.close();
});

describe('errors', () => {
  test('a timer that throws is a dead letter of its key; the record at hand goes on', async () => {
    const built = topology('timer-error', (t) => {
      t.stream(words)
        .process<string, string>('waiting', {
          record: (context, word, timestamp) => {
            context.emit(word);
            context.setTimer('t', timestamp + 5);
          },
          timer: (context) => {
            if (context.key === 'bad') throw new Error('timer failed');
            context.emit('fired');
          },
        })
        .to(out);
      return {};
    });
    const driver = await testDriver(built);
    await driver.pipe(words, 'bad', 'one', 0);
    await driver.pipe(words, 'good', 'two', 10);
    await driver.advanceTo(20);
    await driver.restart();
    expect((await driver.read(out)).map(({ value }) => value)).toEqual(['one', 'two', 'fired']);
    const [letter, ...more] = await driver.deadLetters();
    expect(more).toEqual([]);
    expect(letter?.headers).toMatchObject({
      stage: 'process',
      reason: 'timer failed',
      offset: '-1',
    });
    expect(letter?.key?.toString()).toBe('bad');
    await driver.close();
  });

  const failing = (calls: string[] = []) =>
    topology('failing', (t) => {
      t.stream(words)
        .map((word) => {
          calls.push(word);
          if (word === 'bad') throw new Error('no such word');
          return word;
        })
        .to(out);
      return {};
    });

  test('a dead letter holds the source bytes, the reason and the line of the code', async () => {
    const driver = await testDriver(failing());
    await driver.pipe(words, 'k', 'good', 1);
    await driver.pipe(words, 'k', 'bad', 2);
    const [letter] = await driver.deadLetters();
    expect([letter?.key?.toString(), letter?.value?.toString()]).toEqual(['k', 'bad']);
    expect(letter?.headers).toMatchObject({
      stage: 'process',
      reason: 'no such word',
      topic: 'words',
      partition: '0',
      offset: '1',
      timestamp: '2',
      callSite: expect.stringContaining('operators.test.ts'),
    });
    expect(driver.summary.counters).toMatchObject({ in: 2, processed: 1, deadLettered: 1, out: 1 });
    await driver.close();
  });

  test('a value of the wrong type is a dead letter with its bytes', async () => {
    const numbers = topic<string, number>('numbers', { value: json() });
    const built = topology('typed', (t) => {
      t.stream(numbers)
        .map((n) => n.toFixed(1))
        .to(out);
      return {};
    });
    const driver = await testDriver(built);
    const record = (value: string) => ({
      key: Buffer.from('k'),
      value: Buffer.from(value),
      timestamp: 1,
    });
    await driver.pipeBytes(numbers, ['2', '{broken', '"text"'].map(record));
    expect((await driver.read(out)).map(({ value }) => value)).toEqual(['2.0']);
    const letters = await driver.deadLetters();
    expect(letters.map(({ value, headers }) => [value?.toString(), headers['stage']])).toEqual([
      ['{broken', 'deserialise'],
      ['"text"', 'process'],
    ]);
    await driver.close();
  });

  test('retry tries again at once, then stops with place and cause', async () => {
    const calls: string[] = [];
    const onError = { process: { retry: 2, otherwise: 'stop' } } as const;
    const driver = await testDriver(failing(calls), { onError });
    await expect(driver.pipe(words, 'k', 'bad', 1)).rejects.toMatchObject({
      code: 'RECORD_FAILED',
      message: expect.stringContaining('no such word (topic words partition 0 offset 0)'),
    });
    expect(calls).toEqual(['bad', 'bad', 'bad']);
    await driver.close();
  });

  test('suppress that is full emits the oldest, or stops', async () => {
    const built = (whenFull: 'emit' | 'stop') =>
      topology('full', (t) => {
        t.stream(words)
          .reduce('last', (_, word) => word)
          .suppress('held', { timeLimitMs: 100, maxRecords: 2, whenFull })
          .to(out);
        return {};
      });
    const fill = async (whenFull: 'emit' | 'stop') => {
      const driver = await testDriver(built(whenFull));
      for (const [i, key] of ['a', 'b', 'c'].entries())
        await driver.pipe(words, key, `of ${key}`, i);
      const values = (await driver.read(out)).map(({ value }) => value);
      await driver.close();
      return values;
    };
    expect(await fill('emit')).toEqual(['of a']);
    await expect(fill('stop')).rejects.toThrow('the buffer of suppress held is full: 2 records');
  });
});

test('a session aggregate without merge is refused when the topology is built', () => {
  const { merge: _, ...unmerged } = reduce((a: string) => a);
  expect(() =>
    topology('sessions', (t) => {
      t.stream(words)
        .window(session({ gap: 1, grace: 0 }))
        .aggregate('s', unmerged);
      return {};
    }),
  ).toThrow('needs an aggregate with merge');
});
