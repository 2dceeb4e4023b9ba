/**
 * Lists and maps as state of `process`: against plain arrays and Maps, through restarts and
 * restores.
 */
import { keyedList, keyedMap, topic, topology, utf8 } from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';

interface Ask {
  readonly do: 'add' | 'before' | 'set' | 'delete' | 'clear' | 'forget' | 'range';
  readonly at: number;
  readonly name: string;
  readonly value: string;
}

const asks = topic<string, Ask>('asks');
const out = topic<string, unknown>('out');

const built = topology('collections', (t) => {
  t.stream(asks)
    .process('p', {
      collections: { visits: keyedList<string>(utf8), totals: keyedMap<{ text: string }>() },
      record(context, ask) {
        const { visits, totals } = context.collections;
        if (ask.do === 'add') visits.add(ask.value, ask.at);
        else if (ask.do === 'before') visits.removeBefore(ask.at);
        else if (ask.do === 'set') totals.set(ask.name, { text: ask.value });
        else if (ask.do === 'delete') totals.delete(ask.name);
        else if (ask.do === 'range') {
          visits.remove(ask.at, ask.at + 3, ({ value }) => value.length % 2 === 0);
        } else if (ask.do === 'clear') visits.clear();
        else {
          visits.clear();
          totals.clear();
          return;
        }
        if (ask.do !== 'range') return;
        const list = [...visits.range(ask.at, ask.at + 20)].map(({ at, value }) => [at, value]);
        const map = [...totals.range(ask.name)].map(([name, { text }]) => [name, text]);
        const one = totals.get(ask.name)?.text ?? null;
        context.emit({ list, map, one, sizes: [visits.size, totals.size] } as never);
      },
    })
    .to(out as never);
});

describe('keyed list and keyed map', () => {
  test.each([1, 2, 3, 4])('as plain arrays and Maps, seed %i', async (seed) => {
    const random = new SeededRandom(seed);
    const driver = await testDriver(built, { cacheBytes: seed % 2 === 0 ? 0 : 1_000_000 });
    const plain = new Map<string, { list: [number, string][]; map: Map<string, string> }>();
    for (let round = 0; round < 12; round++) {
      const records = Array.from({ length: 60 }, (_, i) => {
        const kinds = [
          'add',
          'add',
          'add',
          'add',
          'set',
          'set',
          'set',
          'delete',
          'before',
          'range',
        ];
        const rare = randomBelow(random, 300);
        const ask: Ask = {
          do: (rare === 0
            ? 'clear'
            : rare === 1
              ? 'forget'
              : kinds[randomBelow(random, kinds.length)]) as Ask['do'],
          at: 10 * round + randomBelow(random, 30),
          name: `n${randomBelow(random, 50)}`,
          value: 'v'.repeat(randomBelow(random, 400)),
        };
        return {
          key: randomBelow(random, 8) === 0 ? 'b' : 'a',
          value: ask,
          timestamp: 60 * round + i,
        };
      });
      const expected: unknown[] = [];
      for (const { key, value: ask } of records) {
        const mine = plain.get(key) ?? { list: [], map: new Map<string, string>() };
        plain.set(key, mine);
        if (ask.do === 'add') {
          mine.list.push([ask.at, ask.value]);
          mine.list.sort((a, b) => a[0] - b[0]);
        } else if (ask.do === 'before') mine.list = mine.list.filter(([at]) => at >= ask.at);
        else if (ask.do === 'set') mine.map.set(ask.name, ask.value);
        else if (ask.do === 'delete') mine.map.delete(ask.name);
        else if (ask.do === 'clear') mine.list = [];
        else if (ask.do === 'forget') plain.delete(key);
        else {
          mine.list = mine.list.filter(
            ([at, value]) => at < ask.at || at > ask.at + 3 || value.length % 2 === 1,
          );
          expected.push({
            list: mine.list.filter(([at]) => at >= ask.at && at <= ask.at + 20),
            map: [...mine.map].filter(([name]) => name >= ask.name).sort(),
            one: mine.map.get(ask.name) ?? null,
            sizes: [mine.list.length, mine.map.size],
          });
        }
      }
      await driver.pipeAll(asks, records);
      const got = (await driver.read(out)).map(({ value }) => value);
      expect(got, `round ${round}`).toEqual(expected);
      if (randomBelow(random, 2) === 0) {
        await driver.restart({ dropState: randomBelow(random, 2) === 0 });
      }
    }
    expect(await driver.deadLetters()).toEqual([]);
    await driver.close();
  });

  test('what cannot be written, and times that are none, are dead letters of their record', async () => {
    const driver = await testDriver(built);
    await driver.pipe(asks, 'a', { do: 'add', at: -1, name: '', value: 'x' } as Ask, 0);
    await driver.pipe(asks, 'a', { do: 'add', at: 0.5, name: '', value: 'x' } as Ask, 1);
    await driver.pipe(asks, 'a', { do: 'add', at: 5, name: '', value: null as never } as Ask, 2);
    expect((await driver.deadLetters()).length).toBe(3);
    await driver.close();
  });

  test('a key without entries, state and timers has no cell, and the changelog a tombstone', async () => {
    const driver = await testDriver(built);
    await driver.pipe(asks, 'a', { do: 'add', at: 1, name: '', value: 'x' } as Ask, 0);
    await driver.pipe(asks, 'a', { do: 'forget', at: 1, name: '', value: '' } as Ask, 1);
    const raw = {
      format: 'bytes',
      encode: (b: Buffer) => b,
      decode: (b: Buffer, s: number, e: number) => Buffer.from(b.subarray(s, e)),
    };
    const log = await driver.read(topic('test-p-changelog', { key: raw, value: raw }));
    expect(log.filter(({ key }) => key?.[0] === 1).at(-1)?.value).toBeNull();
    await driver.close();
  });
});
