/** Operators from outside: what `millrace/steps` promises to who writes one. */
import { int64, json, msgpack, topic, topology, utf8 } from 'millrace';
import {
  cellStore,
  checkSettings,
  count,
  defineStep,
  ms,
  type StepOf,
  type StoreHandle,
  type StoreSpec,
} from 'millrace/steps';
import { type TestDriver, testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';

/** Every n-th record of a key. */
function everyNth<K, V>(name: string, n: number): StepOf<K, V, V> {
  checkSettings(name, { n }, { n: count(1) });
  return defineStep<K, V, V, { readonly seen: StoreSpec<K, number> }>({
    kind: 'every-nth',
    name,
    detail: { n },
    stores: ({ key }) => ({ seen: cellStore({ name, key, cell: int64 }) }),
    value: ({ value }) => value,
    build: ({ stores: { seen }, forward }) => ({
      record: (key, value, timestamp) => {
        const many = (seen.get() ?? 0) + 1;
        seen.put(many % n);
        if (many % n === 0) forward(key, value, timestamp);
      },
    }),
  });
}

interface HeldBack<V> {
  readonly at: number;
  readonly value: V;
  readonly headers: Uint8Array;
}

/** Holds each record back for so many ms of the step's time. */
function delayed<K, V>(name: string, delayMs: number, atEnd?: 'keep'): StepOf<K, V, V> {
  checkSettings(name, { delayMs }, { delayMs: ms(1) });
  return defineStep<K, V, V, { readonly held: StoreSpec<K, HeldBack<V>[]> }>({
    kind: 'delayed',
    name,
    stores: ({ key }) => ({
      held: cellStore({
        name,
        key,
        cell: msgpack<HeldBack<V>[]>(),
        due: (cell) => Math.min(...cell.map(({ at }) => at + delayMs)),
      }),
    }),
    value: ({ value }) => value,
    build: ({ stores: { held }, task, forward }) => ({
      record: (_, value, at) => {
        held.put([...(held.get() ?? []), { at, value, headers: task.headerBytes() }]);
      },
      due: {
        store: held,
        take: (until) => {
          const cell = held.get() ?? [];
          const left = cell.filter(({ at }) => at + delayMs > until);
          if (left.length === 0) held.remove();
          else held.put(left);
          return cell.filter(({ at }) => at + delayMs <= until);
        },
        dueAt: ({ at }: HeldBack<V>) => at + delayMs,
        headersOf: ({ headers }: HeldBack<V>) => headers,
        forward: (key: K, { at, value }: HeldBack<V>) => forward(key, value, at),
        ...(atEnd === undefined ? {} : { atEnd }),
      },
    }),
  });
}

const input = topic<string, string>('in', { value: utf8 });
const output = topic<string, string>('out', { value: utf8 });

const results = async (driver: TestDriver) =>
  (await driver.read(output)).map(({ key, value, timestamp }) => `${key}=${value}@${timestamp}`);

describe('a step from outside', () => {
  const thirds = topology('thirds', (t) => {
    t.stream(input).apply(everyNth('third', 3)).to(output);
    return { third: { store: 'third' } as StoreHandle<string, number> };
  });

  test('keeps its state by key, over a restart and a loss of its files', async () => {
    const driver = await testDriver(thirds);
    for (let i = 1; i <= 4; i++) await driver.pipe(input, 'a', `a${i}`, i);
    await driver.pipe(input, 'b', 'b1', 5);
    await driver.restart();
    await driver.pipe(input, 'b', 'b2', 6);
    await driver.restart({ dropState: true });
    await driver.pipe(input, 'b', 'b3', 7);
    expect(await results(driver)).toEqual(['a=a3@3', 'b=b3@7']);
    expect((await driver.rows(thirds.exports.third)).map(({ key, value }) => [key, value])).toEqual(
      [
        ['a', 1],
        ['b', 0],
      ],
    );
    await driver.close();
  });

  test('never sees a null key or a null value; both are counted', async () => {
    const driver = await testDriver(thirds);
    await driver.pipe(input, null, 'x', 1);
    await driver.pipe(input, 'a', null, 2);
    expect(driver.summary.counters.drops).toEqual({ 'third|null_key': 1, 'in|null_value': 1 });
    expect(await driver.deadLetters()).toEqual([]);
    await driver.close();
  });

  test('never sees a null that a step before has made', async () => {
    const driver = await testDriver(
      topology('made', (t) => {
        t.stream(input)
          .map((value): string | null => (value === '' ? null : value))
          .apply(everyNth<string, string | null>('each', 1))
          .filter((value) => value !== null)
          .to(topic<string, string>('made', { value: json() }));
      }),
    );
    await driver.pipe(input, 'a', '', 1);
    expect(driver.summary.counters.drops).toEqual({ 'each|null_value': 1 });
    await driver.close();
  });

  test('a record that fails is a dead letter, and its change of state is taken back', async () => {
    const failing = defineStep<
      string,
      string,
      string,
      { readonly seen: StoreSpec<string, number> }
    >({
      kind: 'failing',
      name: 'failing',
      stores: ({ key }) => ({ seen: cellStore({ name: 'failing', key, cell: int64 }) }),
      build: ({ stores: { seen }, forward }) => ({
        record: (key, value, timestamp) => {
          const many = (seen.get() ?? 0) + 1;
          seen.put(many);
          if (value === 'bad') throw new Error('no');
          forward(key, `${value}${many}`, timestamp);
        },
      }),
    });
    const driver = await testDriver(
      topology('failing', (t) => t.stream(input).apply(failing).to(output)),
    );
    for (const value of ['x', 'bad', 'y']) await driver.pipe(input, 'a', value, 1);
    expect(await results(driver)).toEqual(['a=x1@1', 'a=y2@1']);
    expect((await driver.deadLetters()).length).toBe(1);
    await driver.close();
  });
});

describe('what a step from outside holds back', () => {
  const late = topology('late', (t) => {
    t.stream(input).apply(delayed('late', 100)).to(output);
  });

  test('goes on by time, then key, with its headers, before the record that makes time pass', async () => {
    const driver = await testDriver(late);
    await driver.pipe(input, 'b', 'b0', 0, { of: 'b0' });
    await driver.pipe(input, 'a', 'a0', 0, { of: 'a0' });
    await driver.pipe(input, 'a', 'a-', 5, { of: 'a-' });
    await driver.restart({ dropState: true });
    expect(await results(driver)).toEqual([]);
    await driver.pipe(input, 'c', 'c', 105, { of: 'c' });
    const found = await driver.read(output);
    expect(found.map(({ key, value, headers }) => [key, value, headers['of']])).toEqual([
      ['a', 'a0', 'a0'],
      ['b', 'b0', 'b0'],
      ['a', 'a-', 'a-'],
    ]);
    await driver.advanceTo(205);
    expect(await results(driver)).toEqual(['c=c@105']);
    await driver.close();
  });

  test('goes on when the input ends, or stays, as the step says', async () => {
    const ends = [];
    for (const atEnd of [undefined, 'keep'] as const) {
      const driver = await testDriver(
        topology('end', (t) =>
          t
            .stream(input)
            .apply(delayed('end', 100, atEnd))
            .to(output),
        ),
      );
      await driver.pipe(input, 'a', 'x', 0);
      await driver.endInput();
      ends.push(await results(driver));
      await driver.close();
    }
    expect(ends).toEqual([['a=x@0'], []]);
  });

  test('behind a keyBy it goes by the watermark of its sources', async () => {
    const driver = await testDriver(
      topology('keyed', (t) => {
        t.stream(input)
          .keyBy('by', (value) => value.slice(0, 1))
          .apply(delayed('keyed', 100))
          .to(output);
      }),
      { partitions: 2 },
    );
    await driver.pipe(input, 'p', 'x1', 0);
    await driver.pipe(input, 'q', 'x2', 50);
    await driver.endInput();
    expect((await results(driver)).sort()).toEqual(['x=x1@0', 'x=x2@50']);
    await driver.close();
  });
});

describe('a step on a table', () => {
  test('gets the old row with the new one, and deletions as null', async () => {
    const changes: unknown[] = [];
    const noted = defineStep<string, string | null, string | null>({
      kind: 'noted',
      name: 'noted',
      nulls: true,
      value: ({ value }) => value,
      build: ({ forward }) => ({
        record: (key, value, timestamp, _, old) => {
          changes.push([key, value, old]);
          forward(key, value, timestamp, old);
        },
      }),
    });
    const driver = await testDriver(
      topology('table', (t) => t.table('rows', input).apply(noted).to(output)),
    );
    await driver.pipe(input, 'a', 'x', 1);
    await driver.pipe(input, 'a', 'y', 2);
    await driver.pipe(input, 'a', null, 3);
    expect(changes).toEqual([
      ['a', 'x', undefined],
      ['a', 'y', 'x'],
      ['a', null, 'y'],
    ]);
    expect(await results(driver)).toEqual(['a=x@1', 'a=y@2', 'a=null@3']);
    await driver.close();
  });
});

describe('a step that makes no sense is refused', () => {
  const build = () => ({ record: () => {} });
  const refused = (run: () => unknown) => {
    try {
      run();
    } catch (error) {
      return (error as Error).message;
    }
    return 'accepted';
  };

  test.each([
    ['without a name', { kind: 'x', name: '', build }, 'step.name'],
    ['without build', { kind: 'x', name: 'x' }, 'step.build'],
    ['with a misspelt field', { kind: 'x', name: 'x', build, store: () => ({}) }, 'step.store'],
    ['with a wall clock of NaN', { kind: 'x', name: 'x', build, wallClockMs: Number.NaN }, 'Ms'],
  ])('%s', (_, definition, field) => {
    expect(refused(() => defineStep(definition as never))).toContain(field);
  });

  test('its own settings, with the line of the call', () => {
    expect(refused(() => everyNth('third', 0))).toMatch(/third\.n.*from 1.*steps\.test\.ts/s);
  });

  test('apply takes nothing else', () => {
    const wrong = (step: unknown) =>
      refused(() => topology('wrong', (t) => t.stream(input).apply(step as never)));
    for (const step of [undefined, {}, () => {}, { kind: 'x', name: 'x', stores: [] }]) {
      expect(wrong(step)).toContain('apply.step');
    }
  });

  test('a tick without an interval, and what is due without an order', async () => {
    const bodies = [
      { record: () => {}, tick: () => {} },
      { record: () => {}, due: { store: {}, take: () => [], forward: () => {} } },
    ];
    for (const body of bodies) {
      const step = defineStep<string, string, string>({
        kind: 'x',
        name: 'x',
        build: () => body as never,
      });
      const built = topology('wrong', (t) => t.stream(input).apply(step).to(output));
      await expect(testDriver(built)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    }
  });

  test('an asynchronous record is an error of the record', async () => {
    const step = defineStep<string, string, string>({
      kind: 'async',
      name: 'async',
      build: () => ({ record: (async () => {}) as () => void }),
    });
    const driver = await testDriver(
      topology('async', (t) => t.stream(input).apply(step).to(output)),
    );
    await driver.pipe(input, 'a', 'x', 1);
    expect((await driver.deadLetters()).length).toBe(1);
    await driver.close();
  });
});
