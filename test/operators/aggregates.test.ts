/** The ready aggregates obey their laws, and the table's groups take back what leaves them. */
import fc from 'fast-check';
import {
  type Aggregate,
  average,
  count,
  distinct,
  first,
  last,
  max,
  min,
  sum,
  top,
  topic,
  topology,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';

const self = (n: number) => n;

const aggregates: Record<
  string,
  { aggregate: Aggregate<number, unknown>; of: (all: number[]) => unknown }
> = {
  count: { aggregate: count<number>(), of: (all) => all.length },
  sum: { aggregate: sum(self), of: total },
  average: { aggregate: average(self), of: (all) => ({ total: total(all), count: all.length }) },
  min: { aggregate: min(self), of: (all) => (all.length === 0 ? null : Math.min(...all)) },
  max: { aggregate: max(self), of: (all) => (all.length === 0 ? null : Math.max(...all)) },
  distinct: {
    aggregate: distinct((n: number) => String(n)),
    of: (all) => [...new Set(all.map(String))].sort(),
  },
  first: { aggregate: first<number>(), of: (all) => all[0] ?? null },
  last: { aggregate: last<number>(), of: (all) => all.at(-1) ?? null },
  'top 3': { aggregate: top(3, self), of: (all) => [...all].sort((a, b) => b - a).slice(0, 3) },
};

function total(all: readonly number[]): number {
  return all.reduce((a, b) => a + b, 0);
}

const numbers = fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 12 });

describe.each(Object.entries(aggregates))('%s', (_, { aggregate, of }) => {
  const fold = (all: readonly number[]) =>
    all.reduce((accumulator, n) => aggregate.add(accumulator, n, 0), aggregate.init());

  test('is what its definition says', () => {
    fc.assert(
      fc.property(numbers, (all) => {
        expect(fold(all)).toEqual(of(all));
      }),
      { seed: 1 },
    );
  });

  test('merged parts are the whole, wherever it is cut', () => {
    const parts = fc.tuple(numbers, numbers, numbers);
    const { merge } = aggregate;
    if (merge === undefined) throw new Error('it has no merge');
    fc.assert(
      fc.property(parts, ([a, b, c]) => {
        const whole = of([...a, ...b, ...c]);
        expect(merge(merge(fold(a), fold(b)), fold(c))).toEqual(whole);
        expect(merge(fold(a), merge(fold(b), fold(c)))).toEqual(whole);
        expect(merge(aggregate.init(), fold(a))).toEqual(of(a));
      }),
      { seed: 2 },
    );
  });

  test.runIf(aggregate.subtract !== undefined)('takes back what was added', () => {
    fc.assert(
      fc.property(numbers, fc.integer({ min: -9, max: 9 }), (all, n) => {
        expect(aggregate.subtract?.(fold([n, ...all]), n)).toEqual(of(all));
      }),
      { seed: 3 },
    );
  });
});

test('groups of a table follow its rows, deletions too', async () => {
  const people = topic<string, { city: string; age: number }>('people');
  const built = topology('groups', (t) => {
    const byCity = t
      .table('people', people)
      .groupBy('by-city', (person) => [person.city, person.age]);
    const ages = byCity.aggregate('ages', average(self));
    const years = byCity.reduce(
      'years',
      (a, b) => a + b,
      (a, b) => a - b,
    );
    return { ages, numbers: byCity.count('numbers'), years };
  });
  const driver = await testDriver(built, { partitions: 2 });
  await driver.pipe(people, 'ann', { city: 'Rome', age: 30 }, 1);
  await driver.pipe(people, 'bob', { city: 'Rome', age: 50 }, 2);
  await driver.pipe(people, 'ann', { city: 'Oslo', age: 31 }, 3);
  await driver.restart({ dropState: true });
  await driver.pipe(people, 'bob', { city: 'Rome', age: 51 }, 4);
  await driver.pipe(people, 'ann', null, 5);
  const read = async (table: (typeof built.exports)[keyof typeof built.exports]) =>
    Object.fromEntries((await driver.rows(table)).map(({ key, value }) => [key, value]));
  expect(await read(built.exports.ages)).toEqual({
    Rome: { total: 51, count: 1 },
    Oslo: { total: 0, count: 0 },
  });
  expect(await read(built.exports.numbers)).toEqual({ Rome: 1, Oslo: 0 });
  expect(await read(built.exports.years)).toEqual({ Rome: 51, Oslo: 0 });
  await driver.close();
});
