/** Headers of records that state holds back go on with them, also after a restore. */
import { joinWindow, type Stream, topic, topology, tumbling, utf8 } from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';

const lefts = topic<string, string>('lefts', { value: utf8 });
const rights = topic<string, string>('rights', { value: utf8 });
const out = topic<string, string>('out', { value: utf8 });
const aside = topic<string, string>('aside', { value: utf8 });

type Build = Parameters<typeof topology>[1];

const window = joinWindow({ before: 5, after: 5, grace: 0 });
const glue = (l: string | undefined, r: string | undefined) => `${l ?? '-'}+${r ?? '-'}`;

const holding: Record<string, (t: Parameters<Build>[0]) => Stream<string, string>> = {
  'a left join whose partner does not come': (t) =>
    t.stream(lefts).leftJoin('join', t.stream(rights), window, glue),
  'an outer join': (t) => t.stream(lefts).outerJoin('join', t.stream(rights), window, glue),
  'a join that waits for the table': (t) =>
    t.stream(lefts).leftJoinTable(t.table('rows', rights, { historyMs: 100 }), glue, {
      wait: { name: 'wait', graceMs: 5 },
    }),
  'a suppressed table': (t) =>
    t.table('rows', lefts).suppress('held', { timeLimitMs: 5 }).changes().map(String),
};

describe.each(Object.entries(holding))('%s', (_, build) => {
  test.each([
    ['goes on with them', false],
    ['goes on with them after a restore', true],
  ])('%s', async (_name, restored) => {
    const built = topology('headers', (t) => {
      build(t).to(out);
      return {};
    });
    const driver = await testDriver(built);
    await driver.pipe(lefts, 'a', 'A', 100, { trace: '1', user: 'ann' });
    await driver.pipe(lefts, 'b', 'B', 101);
    if (restored) await driver.restart({ dropState: true });
    await driver.pipe(lefts, 'c', 'C', 150, { trace: '3' });
    const said = (await driver.read(out)).map(({ key, headers }) => [key, headers]);
    expect(said).toEqual([
      ['a', { trace: '1', user: 'ann' }],
      ['b', {}],
    ]);
    await driver.close();
  });
});

test('a released record meets a step that waits for the world with its own headers', async () => {
  const built = topology('headers', (t) => {
    t.table('rows', lefts)
      .suppress('held', { timeLimitMs: 5 })
      .changes()
      .asyncMap(async (value) => `${value}!`)
      .to(out);
    return {};
  });
  const driver = await testDriver(built);
  await driver.pipe(lefts, 'a', 'A', 100, { trace: '1' });
  await driver.pipe(lefts, 'b', 'B', 150, { trace: '2' });
  await driver.pipe(lefts, 'c', 'C', 200, { trace: '3' });
  expect((await driver.read(out)).map(({ value, headers }) => [value, headers])).toEqual([
    ['A!', { trace: '1' }],
    ['B!', { trace: '2' }],
  ]);
  await driver.close();
});

test('a window that others close has no headers: it is of many records', async () => {
  const built = topology('headers', (t) => {
    t.stream(lefts)
      .window(tumbling({ size: 10, grace: 0 }))
      .count('n', { emit: 'close' })
      .changes()
      .process<never, string>('texts', { record: (context, n) => context.emit(String(n)) })
      .keyBy('by-key', (_, key) => key.key, { value: utf8 })
      .to(out);
    return {};
  });
  const driver = await testDriver(built);
  await driver.pipe(lefts, 'a', 'A', 100, { trace: '1' });
  await driver.pipe(lefts, 'b', 'B', 150, { trace: '2' });
  expect((await driver.read(out)).map(({ headers }) => headers)).toEqual([{}]);
  await driver.close();
});

test("process sees a record's headers and may send others", async () => {
  const built = topology('headers', (t) => {
    t.stream(lefts)
      .process<string, string>('step', {
        topics: [aside],
        record: (context, value) => {
          const { trace = '-' } = context.headers();
          context.emit(`${value}${trace}`);
          context.emitTo(aside, 'x', value, undefined, { from: trace });
          context.emitTo(aside, 'y', value);
        },
      })
      .to(out);
    return {};
  });
  const driver = await testDriver(built);
  await driver.pipe(lefts, 'a', 'A', 100, { trace: '1' });
  const [first] = await driver.read(out);
  expect(first).toMatchObject({ value: 'A1', headers: { trace: '1' } });
  expect((await driver.read(aside)).map(({ headers }) => headers)).toEqual([
    { from: '1' },
    { trace: '1' },
  ]);
  await driver.close();
});
