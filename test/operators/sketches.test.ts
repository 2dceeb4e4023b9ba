/**
 * Aggregates that estimate, and the decayed sum: their error, and that neither order nor cuts
 * matter.
 */
import fc from 'fast-check';
import {
  decayedAt,
  decayedSum,
  distinctCount,
  distinctCountOf,
  hopping,
  type MergeableAggregate,
  quantileOf,
  quantiles,
  type StoreRow,
  topic,
  topology,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';

interface Timed {
  readonly value: number;
  readonly at: number;
}

const self = ({ value }: Timed) => value;

function fold<A>(aggregate: MergeableAggregate<Timed, A>, records: readonly Timed[]): A {
  return records.reduce((a, record) => aggregate.add(a, record, record.at), aggregate.init());
}

/** Records, and a way to cut, order and merge them again. */
const cuts = fc
  .array(fc.record({ value: fc.integer({ min: -40, max: 40 }), at: fc.nat(1_000) }), {
    maxLength: 30,
  })
  .chain((records) =>
    fc.record({
      records: fc.constant(records),
      shuffled: fc.shuffledSubarray([...records], { minLength: records.length }),
      at: fc.nat(records.length),
    }),
  );

function lawsOf<A>(aggregate: MergeableAggregate<Timed, A>, same: (a: A, b: A) => void): void {
  fc.assert(
    fc.property(cuts, ({ records, shuffled, at }) => {
      const whole = fold(aggregate, records);
      const [left, right] = [shuffled.slice(0, at), shuffled.slice(at)];
      const [a, b] = [fold(aggregate, left), fold(aggregate, right)];
      same(aggregate.merge(a, b), whole);
      same(aggregate.merge(b, a), whole);
      same(aggregate.merge(aggregate.init(), whole), whole);
      // A new accumulator each time: what was answered before stays what it was.
      same(fold(aggregate, left), a);
    }),
    { seed: 5 },
  );
}

describe('distinctCount', () => {
  test.each([4, 12])('is the same whatever the order and the cuts, precision %i', (precision) => {
    // Few registers: the dense form is reached as well as the sparse one.
    const aggregate = distinctCount(({ value }: Timed) => String(value), { precision });
    lawsOf(aggregate, (a, b) => expect(a).toEqual(b));
  });

  test.each([
    [12, 5_000],
    [14, 40_000],
    [8, 20_000],
  ])('is right within four standard errors, precision %i', (precision, most) => {
    const aggregate = distinctCount((text: string) => text, { precision });
    let known = aggregate.init();
    const error = (4 * 1.04) / Math.sqrt(2 ** precision);
    for (let n = 1; n <= most; n++) {
      known = aggregate.add(known, `user-${n}`, 0);
      known = n % 3 === 0 ? aggregate.add(known, `user-${n}`, 0) : known;
      if (n > 20 && n % 97 !== 0) continue;
      const off = Math.abs(distinctCountOf(known, precision) - n);
      expect(off, `of ${n}`).toBeLessThanOrEqual(Math.max(1, error * n));
    }
  });

  test('none is none, and a precision out of range is refused', () => {
    expect(distinctCountOf([])).toBe(0);
    expect(() => distinctCount(String, { precision: 3 })).toThrow('distinctCount.precision');
  });
});

describe('quantiles', () => {
  test('are the same whatever the order and the cuts', () => {
    lawsOf(quantiles(self), (a, b) => expect(a).toEqual(b));
  });

  test('are within the accuracy of the ranked value, of both signs', () => {
    const shares = [0, 0.01, 0.25, 0.5, 0.9, 0.99, 1];
    // Thousandths, of magnitudes up to 10^9: within the range of a sketch.
    const thousandths = fc.oneof(
      fc.integer({ min: -9_999, max: 9_999 }),
      fc.integer({ min: -1e12, max: 1e12 }),
    );
    const values = fc.array(
      thousandths.map((n) => n / 1_000),
      { minLength: 1 },
    );
    fc.assert(
      fc.property(values, fc.constantFrom(0.01, 0.05), (all, accuracy) => {
        const aggregate = quantiles((value: number) => value, { accuracy });
        const sketch = all.reduce((a, value) => aggregate.add(a, value, 0), aggregate.init());
        const ranked = [...all].sort((a, b) => a - b);
        for (const share of shares) {
          const rank = share * (all.length - 1);
          const [low, high] = [Math.floor(rank), Math.ceil(rank)].map((i) => ranked[i] as number);
          const near = (value: number) => accuracy * 1.000001 * Math.abs(value) + 1e-300;
          const found = quantileOf(sketch, share) as number;
          expect(found).toBeGreaterThanOrEqual((low as number) - near(low as number));
          expect(found).toBeLessThanOrEqual((high as number) + near(high as number));
        }
      }),
      { seed: 6, numRuns: 300 },
    );
  });

  test('values next to zero share a bin when the range grows too wide', () => {
    const aggregate = quantiles((value: number) => value);
    const values = Array.from({ length: 600 }, (_, i) => 10 ** (i - 300));
    const sketch = values.reduce((a, value) => aggregate.add(a, value, 0), aggregate.init());
    expect(sketch.positive.keys.length).toBeLessThanOrEqual(2_048);
    expect(sketch.positive.counts.reduce((a, b) => a + b, 0)).toBe(600);
    expect(quantileOf(sketch, 1)).toBeCloseTo(1e299, -297);
    expect(quantileOf(aggregate.init(), 0.5)).toBeUndefined();
  });

  test('a number that is none is a dead letter', async () => {
    const input = topic<string, number | string>('input');
    const built = topology('latencies', (t) => {
      const table = t.stream(input).aggregate(
        'latencies',
        quantiles((value: number | string) => Number(value)),
      );
      return { table };
    });
    const driver = await testDriver(built);
    for (const value of [3, 'much', 5]) await driver.pipe(input, 'k', value, 1);
    await driver.restart({ dropState: true });
    const [letter] = await driver.deadLetters();
    expect(letter?.headers['reason']).toBe('NaN has no quantile');
    const [row] = await driver.rows(built.exports.table);
    expect(row?.value).toMatchObject({ min: 3, max: 5 });
    await driver.close();
  });
});

describe('decayedSum', () => {
  const halfLife = 100;
  const aggregate = decayedSum(self, { halfLife });

  test('does not depend on the order but for the last bits', () => {
    lawsOf(aggregate, (a, b) => {
      expect(a.at).toBe(b.at);
      expect(a.sum).toBeCloseTo(b.sum, 9);
    });
  });

  test('is what its definition says, read at any later time', () => {
    fc.assert(
      fc.property(cuts, fc.nat(500), ({ records }, later) => {
        const at = Math.max(0, ...records.map((record) => record.at)) + later;
        const expected = records.reduce(
          (sum, record) => sum + record.value * 2 ** (-(at - record.at) / halfLife),
          0,
        );
        expect(decayedAt(fold(aggregate, records), at, halfLife)).toBeCloseTo(expected, 9);
      }),
      { seed: 7 },
    );
    expect(() => decayedSum(self, { halfLife: 0 })).toThrow('decayedSum.halfLife');
  });
});

test('in hopping windows slices give what plain windows give', async () => {
  const input = topic<string, Timed>('input');
  const spec = hopping({ size: 60, advance: 20, grace: 500 });
  const random = new SeededRandom(8);
  const records = Array.from({ length: 150 }, (_, i) => ({
    key: `k${randomBelow(random, 2)}`,
    value: { value: randomBelow(random, 30), at: i },
    timestamp: randomBelow(random, 300),
  }));
  const plain = <A>({ merge: _, ...aggregate }: MergeableAggregate<Timed, A>) => aggregate;
  const all = {
    distinct: distinctCount(({ value }: Timed) => String(value), { precision: 5 }),
    quantiles: quantiles(self),
    decayed: decayedSum(self, { halfLife: 50 }),
  };
  const built = topology('sketches', (t) => {
    const windows = t.stream(input).window(spec);
    return {
      sliced: [
        windows.aggregate('a', all.distinct),
        windows.aggregate('b', all.quantiles),
        windows.aggregate('c', all.decayed),
      ],
      plain: [
        windows.aggregate('d', plain(all.distinct)),
        windows.aggregate('e', plain(all.quantiles)),
        windows.aggregate('f', plain(all.decayed)),
      ],
    };
  });
  const driver = await testDriver(built, { cacheBytes: 0 });
  await driver.pipeAll(input, records);
  await driver.restart({ dropState: true });
  const rounded = ({ key, value, window }: StoreRow) =>
    JSON.stringify(
      [key, window?.start, value instanceof Uint8Array ? [...value] : value],
      (_, v: unknown) => (typeof v === 'number' ? Number(v.toPrecision(12)) : v),
    );
  for (const [i, sliced] of built.exports.sliced.entries()) {
    const [left, right] = [sliced, built.exports.plain[i] as { store: string }];
    const rows = (await driver.rows(left)).map(rounded);
    expect(rows.length).toBeGreaterThan(10);
    expect(rows).toEqual((await driver.rows(right)).map(rounded));
  }
  await driver.close();
});
