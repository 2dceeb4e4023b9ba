/** Tasks that read what they have written: what each step waits for, and when. */
import { count, hopping, joinWindow, last, topic, topology, tumbling, utf8 } from 'millrace';
import { testDriver } from 'millrace/testing';
import { expect, it } from 'vitest';
import { timePlan, timeStages } from '../../engine/graph/time-plan.ts';

const input = topic<string, string>('input', { value: utf8, partitions: 2 });
const out = topic<string, string>('out', { value: utf8 });
const all = { key: utf8, value: utf8 };
const row = (key: string, value: string, timestamp: number, partition: number) => ({
  ...{ key: Buffer.from(key), value: Buffer.from(value), timestamp, partition },
});

/** Each record counts by its key and, sent round once, by its value. */
const merged = topology('merged', (t) => {
  const read = t.stream(input);
  read
    .merge(read.keyBy('by-value', (v) => v))
    .window(tumbling({ size: 10, grace: 0 }))
    .aggregate('counts', count(), { emit: 'close' })
    .changes()
    .map((n, { key, start }) => `${key}@${start}=${n}`)
    .keyBy('out', () => 'all', all)
    .to(out);
});

const told = async (driver: Awaited<ReturnType<typeof testDriver>>) =>
  (await driver.read(out)).map(({ value }) => value ?? '').sort();

it('a step waits for the ways back that lead to it, and tells what it waits for', () => {
  const [plan] = timePlan(merged);
  expect(plan?.inputs.map(({ kind }) => kind)).toEqual(['source', 'told']);
  expect(plan?.levels.map(({ inputs, round }) => [inputs, round])).toEqual([
    [[0], 0],
    [[0, 1], 1],
  ]);
  expect(plan?.levels[0]?.tells).toHaveLength(1);
});

it('a part whose steps wait for the same has one level', () => {
  const plain = topology('plain', (t) => {
    const read = t.stream(input).keyBy('by-value', (v) => v);
    read
      .join('pairs', read.filter(Boolean), joinWindow({ before: 5, after: 5, grace: 0 }), (a) => a)
      .window(hopping({ size: 20, advance: 10, grace: 0 }))
      .aggregate('counts', count());
  });
  expect(timePlan(plain).map(({ levels }) => levels.length)).toEqual([1, 1]);
});

it('what is behind an outer join is later by what that waits for', () => {
  const outer = topology('outer', (t) => {
    const read = t.stream(input).keyBy('by-value', (v) => v);
    read
      .outerJoin(
        'pairs',
        read.filter(Boolean),
        joinWindow({ before: 7, after: 5, grace: 2 }),
        () => '',
      )
      .window(tumbling({ size: 10, grace: 0 }))
      .aggregate('counts', count(), { emit: 'close' })
      .changes()
      .map(String)
      .keyBy('out', () => 'all', all)
      .window(tumbling({ size: 10, grace: 0 }))
      .aggregate('again', count());
  });
  const plans = timePlan(outer);
  expect(
    plans.map(({ levels }) => levels.map(({ delayMs, behindMs }) => [delayMs, behindMs])),
  ).toEqual([
    [[0, 0]],
    [
      [0, 0],
      [9, 9],
    ],
    [[0, 9]],
  ]);
});

it('time passes for who writes a way back before it passes for who reads it', () => {
  const foreign = topology('foreign', (t) => {
    const read = t.stream(input);
    const rows = read.aggregate('rows', last<string>());
    const names = read.keyBy('by-value', (v) => v).aggregate('names', last<string>());
    rows
      .joinForeign(
        'joined',
        names,
        (v) => v,
        (v) => v,
      )
      .changes()
      .map(String)
      .window(tumbling({ size: 10, grace: 0 }))
      .aggregate('counts', count(), { emit: 'close' });
  });
  const plans = timePlan(foreign);
  const stages = timeStages(plans);
  const at = (part: number, round: number) =>
    stages.findIndex((one) => one.part === part && one.round === round);
  plans.forEach(({ inputs, levels }, part) => {
    for (const level of levels) {
      for (const i of level.inputs) {
        const from = inputs[i];
        if (from?.kind !== 'told') continue;
        const writer = plans[from.part]?.levels[from.level]?.round ?? -1;
        expect(at(from.part, writer)).toBeLessThan(at(part, level.round));
      }
    }
  });
  expect(stages).toHaveLength(plans.flatMap(({ levels }) => levels).length);
});

it('time that passes without records comes late to nothing that is under way', async () => {
  const late = topology('late', (t) => {
    const read = t.stream(input);
    const counts = read
      .window(tumbling({ size: 10, grace: 0 }))
      .aggregate('first', count(), { emit: 'close' })
      .changes()
      .map((n, { key }) => `${key}=${n}`);
    read
      .map((v) => v)
      .keyBy('same', (_, key) => key, { value: utf8 })
      .merge(counts.keyBy('round', ({ length }) => `n${length}`, all))
      .window(tumbling({ size: 10, grace: 0 }))
      .aggregate('second', count(), { emit: 'close' })
      .changes()
      .map((n, { key, start }) => `${key}@${start}=${n}`)
      .keyBy('out', () => 'all', all)
      .to(out);
  });
  const driver = await testDriver(late, { partitions: 2 });
  await driver.pipeBytes(input, [row('a', 'x', 3, 0), row('b', 'y', 4, 1)]);
  await driver.advanceTo(1_000);
  expect(driver.summary.counters.drops).toEqual({});
  expect(await told(driver)).toEqual(['a@0=1', 'b@0=1', 'n3@0=2']);
  await driver.close();
});

/** The level that writes `b` waits for as many inputs as the one that reads it, and is delayed. */
const delayed = topology('delayed', (t) => {
  const read = t.stream(input);
  const pair = (l: string, r: string | undefined) => `${l}${r ?? ''}`;
  const windows = read
    .leftJoin(
      'alone',
      read.filter((v) => v === 'none'),
      joinWindow({ before: 3, after: 4, grace: 0 }),
      pair,
    )
    .merge(read.keyBy('a', (v) => v))
    .window(tumbling({ size: 10, grace: 0 }))
    .aggregate('first', count(), { emit: 'close' })
    .changes()
    .map((n) => `n${n}`);
  read
    .merge(windows.keyBy('b', (v) => v, all))
    .window(tumbling({ size: 10, grace: 0 }))
    .aggregate('second', count(), { emit: 'close' })
    .changes()
    .map((n, { key, start }) => `${key}@${start}=${n}`)
    .keyBy('out', () => 'all', all)
    .to(out);
});

it('levels are numbered upstream first, whatever they wait for', async () => {
  const [plan] = timePlan(delayed);
  const rounds = plan?.levels.flatMap(({ tells, round }) => tells.map((name) => [name, round]));
  expect(rounds).toEqual([
    ['a-repartition', 0],
    ['b-repartition', 1],
  ]);
  const driver = await testDriver(delayed, { partitions: 2 });
  await driver.pipeBytes(input, [row('k', 'x', 3, 0), row('l', 'y', 4, 1)]);
  await driver.advanceTo(1_000);
  expect(driver.summary.counters.drops).toEqual({});
  expect(await told(driver)).toEqual(['k@0=1', 'l@0=1', 'n1@0=4']);
  await driver.close();
});

it('the end of the input closes all of it, the next day goes on', async () => {
  const driver = await testDriver(merged, { partitions: 2 });
  await driver.pipeBytes(input, [row('a', 'x', 3, 0), row('b', 'x', 4, 1)]);
  await driver.endInput();
  expect(await told(driver)).toEqual(['a@0=1', 'b@0=1', 'x@0=2']);
  await driver.pipeBytes(input, [row('a', 'x', 13, 0), row('b', 'x', 14, 1)]);
  await driver.restart();
  await driver.endInput();
  expect(await told(driver)).toEqual(['a@10=1', 'b@10=1', 'x@10=2']);
  expect(driver.summary.counters.drops).toEqual({});
  await driver.close();
});

it('whoever holds a way back is the source partition behind it', async () => {
  const driver = await testDriver(merged, { partitions: 2 });
  await driver.pipeBytes(input, [row('a', 'x', 90, 0), row('b', 'x', 30, 1)]);
  const { tasks } = await driver.time();
  const held = { kind: 'source', topic: 'input', partition: 1, state: 'silent', promise: 30 };
  for (const { part, watermark, heldBackBy, steps } of tasks.filter(({ part }) => part === 0)) {
    expect([part, watermark, heldBackBy]).toEqual([0, 30, [held]]);
    expect(steps).toMatchObject([{ step: 'counts', time: 30 }]);
  }
  await driver.restart();
  expect((await driver.time()).tasks.map(({ watermark }) => watermark)).toEqual(
    tasks.map(({ watermark }) => watermark),
  );
  await driver.close();
});
