/** The ready aggregates obey their laws, and the table's groups take back what leaves them. */
import fc from 'fast-check';
import {
  type Aggregate,
  average,
  combined,
  count,
  decayedSum,
  distinct,
  distinctCount,
  distinctCountOf,
  first,
  last,
  max,
  min,
  quantiles,
  reduce,
  sum,
  top,
  topic,
  topology,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test, vi } from 'vitest';
import { must } from '../../engine/base/assert.ts';
import { numberFormOf } from '../../operators/aggregates/number-form.ts';
import { withoutCode } from '../serde/no-code.ts';

const self = (n: number) => n;

const parts = { 'a "name"': count<number>(), mean: average(self), most: max(self) };
const partsOf = (all: number[]) => ({
  'a "name"': all.length,
  mean: { total: total(all), count: all.length },
  most: all.length === 0 ? null : Math.max(...all),
});

/** As where code must not be made at run time. */
function inALoop(): Aggregate<number, unknown> {
  const asked = withoutCode();
  try {
    const aggregate = combined(parts);
    expect(asked()).toBe(1);
    return aggregate;
  } finally {
    vi.unstubAllGlobals();
  }
}

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
  combined: { aggregate: combined(parts), of: partsOf },
  'combined without code': { aggregate: inALoop(), of: partsOf },
  'combined with one that is of values': {
    aggregate: combined({ n: count<number>(), firsts: first<number>() }),
    of: (all) => ({ n: all.length, firsts: all[0] ?? null }),
  },
  'top 3': { aggregate: top(3, self), of: (all) => [...all].sort((a, b) => b - a).slice(0, 3) },
};

function total(all: readonly number[]): number {
  return all.reduce((a, b) => a + b, 0);
}

const numbers = fc.array(fc.integer({ min: -50, max: 50 }), { maxLength: 12 });

describe('an aggregate that cannot work', () => {
  const noFunction = undefined as never;
  test.each([
    ['sum.of', () => sum(noFunction)],
    ['average.of', () => average(noFunction)],
    ['min.of', () => min(noFunction)],
    ['max.of', () => max(noFunction)],
    ['distinct.of', () => distinct(noFunction)],
    ['distinctCount.of', () => distinctCount(noFunction)],
    ['quantiles.of', () => quantiles(noFunction)],
    ['decayedSum.of', () => decayedSum(noFunction, { halfLife: 1 })],
    ['top.weightOf', () => top(1, noFunction)],
    ['reduce.fn', () => reduce(noFunction)],
  ])('is refused where it is made: %s', (field, make) => {
    expect(make).toThrow(expect.objectContaining({ code: 'CONFIG_INVALID' }));
    expect(make).toThrow(field);
  });

  test.each([
    ['a weight that is NaN', top(2, () => Number.NaN)],
    ['a weight that is a text', top(2, () => '5' as never)],
    ['a text that is none', distinct(() => undefined as never)],
    ['a text that is a number', distinct(() => 5 as never)],
  ])('of a record refuses the record: %s', (_, aggregate: Aggregate<number, unknown>) => {
    expect(() => aggregate.add(aggregate.init(), 1, 0)).toThrow(/expected a (number|text)/);
  });

  test('names that every object inherits are texts and values like any other', () => {
    const names = ['constructor', '__proto__', 'toString', 'hasOwnProperty', 'constructor'];
    const kept = distinct((name: string) => name);
    const fold = <A>(of: Aggregate<string, A>) =>
      names.reduce((known, name) => of.add(known, name, 0), of.init());
    expect(fold(kept)).toEqual(['__proto__', 'constructor', 'hasOwnProperty', 'toString']);
    expect(fold(top(2, (name: string) => name.length))).toEqual(['hasOwnProperty', 'constructor']);
    expect(distinctCountOf(fold(distinctCount((name: string) => name)))).toBe(4);
  });
});

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

const withForms = Object.entries(aggregates).filter(
  ([, { aggregate }]) => numberFormOf(aggregate) !== undefined,
);

test('the aggregates of numbers have a form of numbers', () => {
  expect(withForms.map(([name]) => name)).toEqual([
    'count',
    'sum',
    'average',
    'min',
    'max',
    'combined',
    'combined without code',
  ]);
});

test.each(withForms)('as numbers, %s is the same', (_, { aggregate, of }) => {
  const form = must(numberFormOf(aggregate), 'it has a form');
  const some = fc.array(fc.integer({ min: -50, max: 50 }), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(some, some, (a, b) => {
      const places = [2, 2 + form.width] as const;
      const array = new Array<number>(2 + 2 * form.width).fill(0.5);
      for (const [i, all] of [a, b].entries()) {
        const place = places[i] as number;
        form.begin(array, place, all[0] as number, 0);
        for (const n of all.slice(1)) form.add(array, place, n, 0);
        expect(form.result(array, place)).toEqual(of(all));
      }
      form.merge(array, places[0], array, places[1]);
      expect(form.result(array, places[0])).toEqual(of([...a, ...b]));
      expect(form.result(array, places[1])).toEqual(of(b));
    }),
    { seed: 4 },
  );
});

test('min and max pass over what is no number', () => {
  for (const aggregate of [min(self), max(self)]) {
    const fold = (all: number[]) => all.reduce((a, n) => aggregate.add(a, n, 0), aggregate.init());
    expect(fold([Number.NaN])).toBe(null);
    expect(fold([Number.NaN, 3, Number.NaN])).toBe(3);
    expect(aggregate.merge(fold([3]), fold([Number.NaN]))).toBe(3);
  }
});

test('combined says what it cannot be made of', () => {
  expect(() => combined({})).toThrow('combined: has no parts');
  expect(() => combined({ ['__proto__']: count() })).toThrow('cannot be named __proto__');
});

test('a copy of an aggregate with another `add` is of values', () => {
  expect(numberFormOf({ ...sum(self), add: (a: number) => a })).toBeUndefined();
});

test('groups of a table follow its rows, deletions too', async () => {
  const people = topic<string, { city: string; age: number }>('people');
  const built = topology('groups', (t) => {
    const byCity = t
      .table('people', people)
      .groupBy('by-city', (person) => [person.city, person.age]);
    const both = byCity.aggregate('both', combined({ n: count<number>(), sum: sum(self) }));
    const ages = byCity.aggregate('ages', average(self));
    const years = byCity.reduce(
      'years',
      (a, b) => a + b,
      (a, b) => a - b,
    );
    return { ages, both, numbers: byCity.count('numbers'), years };
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
  expect(await read(built.exports.both)).toEqual({
    Rome: { n: 1, sum: 51 },
    Oslo: { n: 0, sum: 0 },
  });
  expect(await read(built.exports.numbers)).toEqual({ Rome: 1, Oslo: 0 });
  expect(await read(built.exports.years)).toEqual({ Rome: 51, Oslo: 0 });
  await driver.close();
});
