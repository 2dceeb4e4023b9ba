/** asyncMap and lookup: order, bounds, failures and what a commit waits for. */
import fc from 'fast-check';
import { count, json, type Topology, topic, topology, tumbling, utf8 } from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import type { Scheduler } from '../../engine/base/scheduler.ts';

const words = topic<string, string>('words', { value: utf8 });
const out = topic<string, string>('out', { value: utf8 });

/** Sleeps at once and writes down how long; a sleep that is called off never ends. */
function hasty(slept: number[]): Scheduler {
  return {
    sleep: (ms, signal) =>
      signal === undefined
        ? Promise.resolve().then(() => void slept.push(ms))
        : new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
    yieldNow: () => Promise.resolve(),
  };
}

/** Calls that end when the test says so, in any order. */
class Desk {
  readonly #open: { name: string; resolve: (value: string) => void }[] = [];
  running = 0;
  most = 0;
  readonly begun: string[] = [];

  call(name: string): Promise<string> {
    this.running++;
    this.most = Math.max(this.most, this.running);
    this.begun.push(name);
    return new Promise((resolve) => this.#open.push({ name, resolve }));
  }

  /** Ends open calls, each time the one that `pick` names, until none is open. */
  async work(pick: (open: number) => number): Promise<void> {
    for (let quiet = 0; quiet < 50; ) {
      await new Promise((resolve) => setImmediate(resolve));
      const [next] = this.#open.splice(this.#open.length === 0 ? 0 : pick(this.#open.length), 1);
      if (next === undefined) quiet++;
      else {
        quiet = 0;
        this.running--;
        next.resolve(next.name.toUpperCase());
      }
    }
  }
}

function shouting(fn: (word: string) => string | Promise<string>, options = {}): Topology {
  return topology('shouting', (t) => {
    t.stream(words).asyncMap(fn, options).to(out);
  });
}

const fed = (values: readonly (readonly [string, string])[]) =>
  values.map(([key, value], i) => ({ key, value, timestamp: i }));

describe('asyncMap', () => {
  test('a call that rejects with a promise, which is rejected itself, is a dead letter', async () => {
    const driver = await testDriver(
      shouting(async () => {
        throw Promise.reject(new Error('later'));
      }),
    );
    await driver.pipe(words, 'k', 'w', 0);
    expect(await driver.deadLetters()).toHaveLength(1);
    await driver.close();
  });

  test("however the calls end: results in the records' order, few at a time, one a key", async () => {
    const record = fc.tuple(fc.constantFrom('', 'b', 'c', 'd'), fc.stringMatching(/^[a-z]{1,3}$/));
    const records = fc.array(record, { minLength: 1, maxLength: 12 });
    const picks = fc.infiniteStream(fc.nat({ max: 1000 }));
    await fc.assert(
      fc.asyncProperty(records, picks, async (values, chance) => {
        const desk = new Desk();
        const under = new Map<string, number>();
        const built = topology('desk', (t) => {
          t.stream(words)
            .asyncMap(
              async (word, { key }) => {
                expect(under.get(key) ?? 0).toBe(0);
                under.set(key, 1);
                const shouted = await desk.call(word);
                under.set(key, 0);
                return shouted;
              },
              { concurrency: 3 },
            )
            .to(out);
        });
        const driver = await testDriver(built);
        const piped = driver.pipeAll(words, fed(values));
        await desk.work((open) => (chance.next().value as number) % open);
        await piped;
        expect(desk.most).toBeLessThanOrEqual(3);
        const got = (await driver.read(out)).map(({ key, value, timestamp }) => [
          key,
          value,
          timestamp,
        ]);
        expect(got).toEqual(values.map(([key, value], i) => [key, value.toUpperCase(), i]));
        await driver.close();
      }),
      { numRuns: 25 },
    );
  });

  test("what follows has the record's key, headers and state", async () => {
    const built = topology('after', (t) => {
      const shouted = t.stream(words).asyncMap(async (word) => word.toUpperCase());
      shouted.to(out);
      const perMinute = shouted
        .window(tumbling({ size: 60_000, grace: 0 }))
        .aggregate('per-minute', count(), { emit: 'close' });
      return { perMinute };
    });
    const driver = await testDriver(built);
    await driver.pipeAll(words, [
      { key: 'a', value: 'x', timestamp: 1, headers: { trace: '1' } },
      { key: 'b', value: 'y', timestamp: 2, headers: { trace: '2' } },
      { key: 'a', value: 'z', timestamp: 3 },
    ]);
    const read = (await driver.read(out)).map(({ key, value, headers }) => [key, value, headers]);
    expect(read).toEqual([
      ['a', 'X', { trace: '1' }],
      ['b', 'Y', { trace: '2' }],
      ['a', 'Z', {}],
    ]);
    await driver.restart({ dropState: true });
    const rows = await driver.rows(built.exports.perMinute);
    expect(rows.map(({ key, value }) => [(key as { key?: unknown }).key ?? key, value])).toEqual([
      ['a', 2],
      ['b', 1],
    ]);
    await driver.close();
  });

  test('a failure is tried again with growing pauses, then a dead letter; counted once', async () => {
    const slept: number[] = [];
    const tries: Record<string, number> = {};
    const built = shouting((word) => {
      tries[word] = (tries[word] ?? 0) + 1;
      if (word === 'bad' || (word === 'shy' && tries[word] < 3)) throw new Error(`no ${word}`);
      return word;
    });
    const driver = await testDriver(built, { scheduler: hasty(slept) });
    await driver.pipeAll(
      words,
      fed([
        ['a', 'shy'],
        ['a', 'bad'],
        ['a', 'good'],
      ]),
    );
    expect((await driver.read(out)).map(({ value }) => value)).toEqual(['shy', 'good']);
    expect(tries).toEqual({ shy: 3, bad: 4, good: 1 });
    const [letter, ...more] = await driver.deadLetters();
    expect(more).toEqual([]);
    expect(letter?.value?.toString()).toBe('bad');
    expect(letter?.headers).toMatchObject({
      stage: 'process',
      step: 'async-map',
      reason: 'no bad (4 attempts)',
      offset: '1',
    });
    const { in: taken, processed, dropped, deadLettered } = driver.summary.counters;
    expect({ taken, processed, dropped, deadLettered }).toEqual({
      taken: 3,
      processed: 2,
      dropped: 0,
      deadLettered: 1,
    });
    expect(slept).toHaveLength(5);
    // Pauses of 100, 200, 400 ms, each between a half and the whole.
    const bounds = [100, 200, 100, 200, 400];
    slept.forEach((ms, i) => {
      expect(ms).toBeGreaterThanOrEqual((bounds[i] as number) / 2);
      expect(ms).toBeLessThanOrEqual(bounds[i] as number);
    });
    await driver.close();
  });

  test('a call without an answer is given up and told so', async () => {
    const signals: AbortSignal[] = [];
    const built = topology('hanging', (t) => {
      t.stream(words)
        .asyncMap(
          (_word, { signal }) => {
            signals.push(signal);
            return new Promise<string>(() => {});
          },
          { timeoutMs: 250, retries: 1 },
        )
        .to(out);
    });
    const scheduler: Scheduler = { sleep: async () => {}, yieldNow: async () => {} };
    const driver = await testDriver(built, { scheduler });
    await driver.pipe(words, 'a', 'x', 0);
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true]);
    const [letter] = await driver.deadLetters();
    expect(letter?.headers['reason']).toBe('no answer within 250 ms (2 attempts)');
    await driver.close();
  });

  test('with the policy stop nothing of the cycle is committed, and a restart asks again', async () => {
    let broken = true;
    const built = shouting(
      (word) => {
        if (broken && word === 'two') throw new Error('down');
        return word;
      },
      { retries: 0 },
    );
    const driver = await testDriver(built, { onError: { process: 'stop' } });
    const values = fed([
      ['a', 'one'],
      ['b', 'two'],
      ['c', 'three'],
    ]);
    await expect(driver.pipeAll(words, values)).rejects.toMatchObject({ code: 'RECORD_FAILED' });
    expect(await driver.read(out)).toEqual([]);
    broken = false;
    await driver.restart();
    await driver.advanceTo(10);
    expect((await driver.read(out)).map(({ value }) => value)).toEqual(['one', 'two', 'three']);
    await driver.close();
  });

  test('one after another, and behind a timer', async () => {
    const built = topology('chained', (t) => {
      t.stream(words)
        .process<null, string>('later', {
          record: (context, word, timestamp) => context.setTimer(word, timestamp + 10),
          timer: (context, name) => context.emit(name),
        })
        .asyncMap(async (word) => `${word}!`)
        .asyncMap(async (word) => `${word}?`)
        .to(out);
    });
    const driver = await testDriver(built);
    await driver.pipeAll(
      words,
      fed([
        ['a', 'x'],
        ['b', 'y'],
      ]),
    );
    await driver.advanceTo(100);
    const got = (await driver.read(out)).map(({ key, value, timestamp }) => [
      key,
      value,
      timestamp,
    ]);
    expect(got).toEqual([
      ['a', 'x!?', 10],
      ['b', 'y!?', 11],
    ]);
    await driver.close();
  });

  test('settings that make no sense are refused where they are given', () => {
    expect(() => shouting((word) => word, { concurrency: 0 })).toThrow(
      'asyncMap.concurrency: must',
    );
    expect(() => shouting((word) => word, { timeoutMs: Number.NaN })).toThrow(
      'asyncMap.timeoutMs: must',
    );
    expect(() => shouting((word) => word, { retries: 1.5 })).toThrow('asyncMap.retries: must');
  });
});

describe('lookup', () => {
  const rows = topic<string, string | null>('rows', { value: json() });
  const looking = (asked: string[], kind: 'lookup' | 'leftLookup', options = {}) =>
    topology('looking', (t) => {
      const fetch = async (key: string) => {
        asked.push(key);
        return key === 'none' ? undefined : `<${key}>`;
      };
      const keyOf = (word: string) => (word === 'null' ? null : word);
      const joiner = (word: string, answer: string | undefined) => `${word}${answer ?? ''}`;
      t.stream(words)[kind](keyOf, fetch, joiner, options).to(rows);
    });

  test('answers join, none is no result, and what is asked already is not asked twice', async () => {
    const asked: string[] = [];
    const driver = await testDriver(looking(asked, 'lookup'));
    const values = ['x', 'none', 'x', 'null', 'y', 'none'];
    await driver.pipeAll(words, fed(values.map((value, i) => [`k${i}`, value])));
    expect((await driver.read(rows)).map(({ value }) => value)).toEqual(['x<x>', 'x<x>', 'y<y>']);
    expect(asked).toEqual(['x', 'none', 'y']);
    await driver.close();
  });

  test('left: without an answer the record goes on alone, in its place', async () => {
    const driver = await testDriver(looking([], 'leftLookup'));
    const values = ['x', 'none', 'null'];
    await driver.pipeAll(words, fed(values.map((value) => ['k', value])));
    expect((await driver.read(rows)).map(({ value }) => value)).toEqual(['x<x>', 'none', 'null']);
    await driver.close();
  });

  test('answers are kept for their time, the longest unused goes first', async () => {
    const asked: string[] = [];
    const driver = await testDriver(looking(asked, 'lookup', { cacheSize: 2, cacheTtlMs: 1000 }));
    for (const word of ['x', 'y', 'x', 'z', 'x', 'y']) await driver.pipe(words, 'k', word, 0);
    expect(asked).toEqual(['x', 'y', 'z', 'y']);
    await driver.advanceWallClock(1000);
    await driver.pipe(words, 'k', 'y', 0);
    expect(asked).toEqual(['x', 'y', 'z', 'y', 'y']);
    await driver.close();
  });

  test('an answer that did not come is asked for anew', async () => {
    let calls = 0;
    const built = topology('slow', (t) => {
      const fetch = () => (++calls === 1 ? new Promise<string>(() => {}) : 'late');
      t.stream(words)
        .lookup(
          (word) => word,
          fetch,
          (word, answer) => `${word} ${answer}`,
          { timeoutMs: 5 },
        )
        .to(rows);
    });
    const driver = await testDriver(built);
    await driver.pipe(words, 'k', 'x', 0);
    expect((await driver.read(rows)).map(({ value }) => value)).toEqual(['x late']);
    expect(calls).toBe(2);
    await driver.close();
  });
});
