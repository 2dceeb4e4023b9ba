/**
 * suppress: early results, bounded buffers, the wall clock; what goes on agrees with what it held.
 */
import {
  calendar,
  collect,
  count,
  hopping,
  reduce,
  type SuppressOptions,
  session,
  sliding,
  sum,
  topic,
  topology,
  tumbling,
  utf8,
  type Windowed,
  type WindowSpec,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';

const words = topic<string, string>('words', { value: utf8 });
const numbers = topic<string, number>('numbers');
const out = topic<string, string>('out', { value: utf8 });

/** What a suppressed count of windows says, as 'start..end value', withdrawn: 'start..end -'. */
function counted(spec: WindowSpec, options: SuppressOptions<number>) {
  return topology('counted', (t) => {
    const held = t.stream(words).window(spec).count('counts').suppress('held', options);
    const text = ({ start, end }: Windowed<string>, n: number | null) =>
      `${start}..${end} ${n ?? '-'}`;
    held
      .changes()
      .process<string, string>('said', {
        record: (context, n) => context.emit(text(context.key, n)),
      })
      .keyBy('out', () => 'all')
      .to(out);
    return { held };
  });
}

async function said(
  built: ReturnType<typeof counted>,
  times: readonly number[],
  options: { restart?: boolean; end?: number } = {},
) {
  const driver = await testDriver(built, { cacheBytes: 0 });
  const results: string[] = [];
  for (const at of times) {
    await driver.pipe(words, 'k', 'w', at);
    if (options.restart === true) await driver.restart({ dropState: at % 2 === 0 });
    results.push((await driver.read(out)).map(({ value }) => value).join(', '));
  }
  if (options.end !== undefined) {
    await driver.advanceTo(options.end);
    results.push((await driver.read(out)).map(({ value }) => value).join(', '));
  }
  await driver.close();
  return results;
}

describe('early results', () => {
  const ten = tumbling({ size: 10, grace: 5 });

  test.each([false, true])('every so many records; restarted: %s', async (restart) => {
    const built = counted(ten, { untilClosed: true, early: { everyRecords: 2 } });
    expect(await said(built, [1, 2, 3, 12, 4, 15], { restart, end: 100 })).toEqual([
      '',
      '0..10 2',
      '',
      '',
      '0..10 4',
      '0..10 4, 10..20 2',
      '10..20 2',
    ]);
  });

  test.each([false, true])('every so many ms of stream time; restarted: %s', async (restart) => {
    const built = counted(tumbling({ size: 100, grace: 0 }), {
      untilClosed: true,
      early: { everyMs: 20 },
    });
    // A change is told 20 ms after the first that has not been told; without a change nothing is.
    expect(await said(built, [0, 10, 20, 21, 80, 99, 100], { restart })).toEqual([
      '',
      '',
      '0..100 3',
      '',
      '0..100 5',
      '',
      '0..100 6',
    ]);
  });

  test('when a predicate says so, which sees what was told last', async () => {
    const when = (n: number, told: number | undefined) => n >= (told ?? 1) * 2;
    const built = counted(ten, { untilClosed: true, early: { when } });
    const times = [0, 1, 2, 3, 4, 5, 6, 7];
    expect(await said(built, times, { end: 15 })).toEqual([
      '',
      '0..10 2',
      '',
      '0..10 4',
      '',
      '',
      '',
      '0..10 8',
      '0..10 8',
    ]);
  });

  test.each([false, true])(
    'a session takes back what was told of it; restarted: %s',
    async (restart) => {
      const spec = session({ gap: 5, grace: 0 });
      const built = counted(spec, { untilClosed: true, early: { everyRecords: 2 } });
      // The records of the sessions that grow together count on.
      expect(await said(built, [0, 3, 4, 7, 20], { restart })).toEqual([
        '',
        '0..3 2',
        '0..3 -',
        '0..7 4',
        '0..7 4',
      ]);
    },
  );

  test.each<[string, WindowSpec]>([
    ['tumbling', tumbling({ size: 20, grace: 10 })],
    ['hopping', hopping({ size: 30, advance: 10, grace: 10 })],
    // With less grace, changes that are told may lack records (aggregate-sliding-final.ts).
    ['sliding', sliding({ size: 15, grace: 30 })],
    ['session', session({ gap: 4, grace: 10 })],
  ])('%s: finals are those of emission on close, and what is told adds up', async (_, spec) => {
    const finals = topic<string, string>('finals', { value: utf8 });
    const values = sum((value: number) => value);
    const built = topology('adds-up', (t) => {
      const windows = t.stream(numbers).window(spec);
      const held = windows.aggregate('held', values).suppress('early', {
        untilClosed: true,
        early: { everyRecords: 3, everyMs: 7, when: (n) => n % 5 === 0 },
      });
      const closed = windows.aggregate('closed', values, { emit: 'close' });
      const name = ({ key, start, end }: Windowed<string>) => `${key} ${start}..${end}`;
      const last = held
        .changes()
        .process<string, string>('name', {
          record: (context, value) => context.emit(`${name(context.key)}|${value}`),
        })
        .keyBy('by-window', (text) => text.split('|')[0] ?? '')
        .map((text) => text.split('|')[1] ?? '')
        .reduce('last', (_, text) => text);
      closed
        .changes()
        .map((value, window) => `${name(window)}|${value}`)
        .keyBy('by-closed', (text) => text)
        .to(finals);
      const total = held
        .groupBy('all', (value) => ['all', value])
        .aggregate(
          'total',
          sum((n: number) => n),
        );
      return { last, total };
    });
    const driver = await testDriver(built, { partitions: 2 });
    const random = new SeededRandom(4);
    let now = 0;
    for (let i = 0; i < 250; i++) {
      now += randomBelow(random, 4);
      const at = Math.max(0, now - randomBelow(random, 15));
      await driver.pipe(numbers, `k${randomBelow(random, 3)}`, randomBelow(random, 9), at);
      if (i % 60 === 59) await driver.restart({ dropState: i % 120 === 59 });
    }
    await driver.advanceTo(now + 1_000);
    const told = new Map(
      (await driver.rows(built.exports.last)).map(({ key, value }) => [key, value]),
    );
    const expected = (await driver.read(finals)).map(({ value }) => value?.split('|') ?? []);
    expect(expected.length).toBeGreaterThan(20);
    for (const [window, value] of expected)
      expect([window, told.get(window as string)]).toEqual([window, value]);
    const withdrawn = [...told.values()].filter((value) => value === 'null');
    expect(told.size).toBe(expected.length + withdrawn.length);
    expect(withdrawn.length > 0).toBe(spec.type === 'session');
    const total = expected.reduce((n, [, value]) => n + Number(value), 0);
    expect((await driver.rows(built.exports.total))[0]?.value).toBe(total);
    await driver.close();
  });
});

describe('a bounded buffer', () => {
  const last = (options: SuppressOptions<string>) =>
    topology('bounded', (t) => {
      t.stream(words)
        .reduce('last', (_, word) => word)
        .suppress('held', options)
        .to(out);
      return {};
    });

  const fill = async (built: ReturnType<typeof last>, values: readonly [string, string][]) => {
    const driver = await testDriver(built, { cacheBytes: 0 });
    try {
      for (const [i, [key, value]] of values.entries()) {
        await driver.pipe(words, key, value, i);
        if (i % 2 === 0) await driver.restart();
      }
      return (await driver.read(out)).map(({ value }) => value);
    } finally {
      await driver.close();
    }
  };

  test('of bytes lets the oldest go, as many as it takes', async () => {
    const built = last({ timeLimitMs: 1_000, maxBytes: 20 });
    // A key takes one byte, a text its own: 6, 6, 6, then 13.
    const values: [string, string][] = [
      ['a', 'aaaaa'],
      ['b', 'bbbbb'],
      ['c', 'ccccc'],
      ['d', 'dddddddddddd'],
    ];
    expect(await fill(built, values)).toEqual(['aaaaa', 'bbbbb']);
    // A newer value takes the place of the older, with its bytes.
    const again: [string, string][] = [...values.slice(0, 3), ['a', 'a'], ['a', 'aaaaaaa']];
    expect(await fill(built, again)).toEqual([]);
  });

  test('of bytes stops with the remedy when it may not let go', async () => {
    const built = last({ timeLimitMs: 1_000, maxBytes: 5, whenFull: 'stop' });
    await expect(fill(built, [['a', 'aaaaa']])).rejects.toMatchObject({
      code: 'SUPPRESS_FULL',
      message: 'the buffer of suppress held is full: 5 bytes',
      remedy: expect.stringContaining('raise maxRecords or maxBytes'),
    });
  });

  test('of final results stops: none may go on early', async () => {
    const built = counted(tumbling({ size: 10, grace: 0 }), { untilClosed: true, maxRecords: 2 });
    expect(await said(built, [1, 5, 12, 25])).toEqual(['', '', '0..10 2', '10..20 1']);
    await expect(
      said(
        counted(tumbling({ size: 10, grace: 50 }), { untilClosed: true, maxRecords: 2 }),
        [1, 11, 21],
      ),
    ).rejects.toThrow('the buffer of suppress held is full: 2 records');
  });
});

describe('the wall clock', () => {
  const lastOf = (ms: number) =>
    topology('wall', (t) => {
      t.stream(words)
        .reduce('last', (_, word) => word)
        .suppress('held', { wallIntervalMs: ms })
        .to(out);
      return {};
    });

  test('at each multiple of the interval the newest change of each row goes on', async () => {
    const driver = await testDriver(lastOf(100), { partitions: 2, cacheBytes: 0 });
    const read = async () =>
      (await driver.read(out)).map(({ key, value, timestamp }) => `${key}=${value}@${timestamp}`);
    await driver.pipe(words, 'a', 'one', 5_000);
    await driver.pipe(words, 'b', 'two', 1);
    await driver.pipe(words, 'a', 'three', 9_000);
    await driver.advanceWallClock(99);
    expect(await read()).toEqual([]);
    await driver.advanceWallClock(1);
    expect((await read()).sort()).toEqual(['a=three@9000', 'b=two@1']);
    await driver.advanceWallClock(500);
    expect(await read()).toEqual([]);
    await driver.pipe(words, 'b', 'four', 2);
    await driver.restart({ dropState: true });
    // Event time has no say in it.
    await driver.advanceTo(1_000_000);
    expect(await read()).toEqual([]);
    await driver.advanceWallClock(1_000);
    expect(await read()).toEqual(['b=four@2']);
    await driver.close();
  });

  test('steps of different intervals each have their own', async () => {
    const others = topic<string, string>('others', { value: utf8 });
    const built = topology('two', (t) => {
      const last = t.stream(words).reduce('last', (_, word) => word);
      last.suppress('often', { wallIntervalMs: 10 }).to(out);
      last.suppress('seldom', { wallIntervalMs: 25 }).to(others);
      return {};
    });
    const driver = await testDriver(built);
    const counts: string[] = [];
    for (let i = 0; i < 6; i++) {
      await driver.pipe(words, 'k', `w${i}`, i);
      await driver.advanceWallClock(10);
      const values = [await driver.read(out), await driver.read(others)].map((records) =>
        records.map(({ value }) => value).join(),
      );
      counts.push(values.join('/'));
    }
    expect(counts).toEqual(['w0/', 'w1/', 'w2/w2', 'w3/', 'w4/w4', 'w5/']);
    await driver.close();
  });

  test('a buffer that is full lets the oldest go before', async () => {
    const built = topology('wall', (t) => {
      t.stream(words)
        .reduce('last', (_, word) => word)
        .suppress('held', { wallIntervalMs: 100, maxRecords: 2 })
        .to(out);
      return {};
    });
    const driver = await testDriver(built, { cacheBytes: 0 });
    for (const [i, key] of ['b', 'a', 'c'].entries()) await driver.pipe(words, key, key, i);
    expect((await driver.read(out)).map(({ value }) => value)).toEqual(['b']);
    await driver.advanceWallClock(100);
    expect((await driver.read(out)).map(({ value }) => value)).toEqual(['a', 'c']);
    await driver.close();
  });
});

test.each<[SuppressOptions<never>, string]>([
  [{ timeLimitMs: -1 }, 'held.timeLimitMs: must be a whole number of milliseconds from 0'],
  [{ timeLimitMs: 1, maxRecords: 0 }, 'held.maxRecords: must be a whole number from 1'],
  [{ timeLimitMs: 1, maxBytes: 1.5 }, 'held.maxBytes: must be a whole number from 1'],
  [{ wallIntervalMs: 0 }, 'held.wallIntervalMs: must be a whole number of milliseconds from 1'],
  [{ untilClosed: true }, 'held.untilClosed: only the table of a window aggregate'],
])('%j on a table without windows is refused', (options, message) => {
  expect(() =>
    topology('refused', (t) => {
      t.stream(words)
        .aggregate(
          'all',
          reduce<string>((_, b) => b),
        )
        .suppress('held', options as never);
      return {};
    }),
  ).toThrow(message);
});

test.each<[object, string]>([
  [
    { untilClosed: true, whenFull: 'emit' },
    "held.whenFull: must be left out, or 'stop': a final result cannot go on early",
  ],
  [{ untilClosed: true, early: { everyRecords: 0 } }, 'held.early.everyRecords'],
  [{ untilClosed: true, early: { everyMs: -5 } }, 'held.early.everyMs'],
])('%j is refused', (options, message) => {
  const spec = calendar({ unit: 'day', timeZone: 'UTC', grace: 0 });
  expect(() =>
    topology('refused', (t) => {
      const days = t.stream(words).window(spec);
      days.aggregate('all', count()).suppress('held', options as never);
      days.aggregate('more', collect<string>());
      return {};
    }),
  ).toThrow(message);
});
