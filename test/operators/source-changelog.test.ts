/**
 * Tables whose topic is their changelog: nothing is written twice, and a restore gives the same
 * rows.
 */
import { topic, topology, utf8 } from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { describeText } from '../../engine/graph/describe.ts';
import { utf8 as strict } from '../../engine/serde/utf8.ts';

const rates = topic<string, string>('rates', { value: utf8, cleanup: 'compact' });
const orders = topic<string, string>('orders', { value: utf8 });
const priced = topic<string, string>('priced', { value: utf8 });
/** Refuses values that begin with '!'. */
const picky = topic<string, string>('rates', {
  cleanup: 'compact',
  value: {
    ...strict,
    decode: (bytes, start, end) => {
      if (bytes[start] === 33) throw new Error('no rate');
      return strict.decode(bytes, start, end);
    },
  },
});

const shop = (source: typeof rates, changelog: 'own' | 'source') =>
  topology('shop', (t) => {
    const table = t.table('rate-of', source, { changelog });
    t.stream(orders)
      .leftJoinTable(table, (order, rate) => `${order}*${rate ?? '-'}`)
      .to(priced);
    return { table };
  });

describe('a table whose topic is its changelog', () => {
  test.each([
    ['its state kept', false],
    ['its state lost', true],
  ])('answers as one with a changelog of its own, %s', async (_, dropState) => {
    const random = new SeededRandom(dropState ? 11 : 12);
    const both = await Promise.all(
      (['own', 'source'] as const).map((changelog) => {
        return testDriver(shop(rates, changelog), { partitions: 2, cacheBytes: 0 });
      }),
    );
    for (let i = 0; i < 120; i++) {
      const key = `k${randomBelow(random, 6)}`;
      const [to, value] =
        randomBelow(random, 3) === 0
          ? [orders, `order${i}`]
          : [rates, randomBelow(random, 4) === 0 ? null : `rate${i}`];
      for (const driver of both) {
        await driver.pipe(to, key, value, i);
        if (i % 7 === 0) await driver.restart({ dropState });
      }
    }
    const [own, source] = await Promise.all(
      both.map(async (driver) => [
        await driver.read(priced),
        await driver.rows({ store: 'rate-of' }),
      ]),
    );
    expect(source).toEqual(own);
    expect(source?.[1]?.length).toBeGreaterThan(2);
    for (const driver of both) await driver.close();
  });

  test('no changelog is created', async () => {
    const driver = await testDriver(shop(rates, 'source'));
    await driver.pipe(rates, 'EUR', '1', 0);
    await expect(driver.read({ ...rates, name: 'test-rate-of-changelog' })).rejects.toMatchObject({
      code: 'TOPIC_UNKNOWN',
    });
    await driver.close();
  });

  test('what the task refused is not restored either', async () => {
    const driver = await testDriver(shop(picky, 'source'));
    const record = (key: string | null, value: string, timestamp: number) => ({
      key: key === null ? null : Buffer.from(key),
      value: Buffer.from(value),
      timestamp,
    });
    await driver.pipeBytes(picky, [
      record('EUR', '1', 5),
      record('EUR', '!', 6),
      record(null, '2', 7),
      record('USD', '3', -1),
    ]);
    const rows = await driver.rows({ store: 'rate-of' });
    expect(rows).toEqual([{ key: 'EUR', value: '1', timestamp: 5 }]);
    await driver.restart({ dropState: true });
    expect(await driver.rows({ store: 'rate-of' })).toEqual(rows);
    await driver.close();
  });

  test('is restored up to what was consumed, not to the end of the topic', async () => {
    // Two records a cycle: the order between two rates is to see the first of them only.
    const driver = await testDriver(shop(rates, 'source'), { recordsPerCycle: 2 });
    await driver.pipe(rates, 'EUR', '1', 10);
    await driver.restart({ dropState: true });
    await driver.pipe(orders, 'EUR', 'a', 11);
    await driver.pipe(rates, 'EUR', '2', 12);
    await driver.restart({ dropState: true });
    await driver.pipe(orders, 'EUR', 'b', 13);
    expect((await driver.read(priced)).map(({ value }) => value)).toEqual(['a*1', 'b*2']);
    await driver.close();
  });

  test('describe says so', () => {
    expect(describeText(shop(rates, 'source'))).toContain(
      'store rate-of (key-value), restored from topic rates',
    );
  });

  test('its topic must be compacted', () => {
    const kept = topic<string, string>('rates', { value: utf8 });
    expect(() => shop(kept, 'source')).toThrow(
      /'rates' cannot be its changelog: .*cleanup 'compact'/s,
    );
  });

  test('a topic that is there and is not compacted is refused at the start', async () => {
    const driver = await testDriver(
      topology('shop', (t) => {
        t.table('rate-of', topic<string, string>('rates', { value: utf8, retentionMs: 1 }));
        return {};
      }),
    );
    const next = driver.restart({ topology: shop(rates, 'source'), orphans: ['rate-of'] });
    await expect(next).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await driver.close().catch(() => {});
  });

  test('the changelog of a table that runs cannot be exchanged', async () => {
    const driver = await testDriver(shop(rates, 'own'));
    await driver.pipe(rates, 'EUR', '1', 0);
    const next = driver.restart({ topology: shop(rates, 'source') });
    await expect(next).rejects.toMatchObject({ code: 'STATE_INCOMPATIBLE' });
    await driver.close().catch(() => {});
  });

  test('a history or a time to live needs a changelog of its own', () => {
    expect(() =>
      topology('shop', (t) => t.table('rate-of', rates, { changelog: 'source', ttlMs: 5 })),
    ).toThrow(/has a changelog of its own/);
  });
});

test('one repartition topic serves every step behind a keyBy, and describe says so', () => {
  const built = topology('shared', (t) => {
    const byRate = t.stream(orders).keyBy('by-rate', (order) => order.slice(0, 1));
    byRate.count('orders-of-rate');
    byRate.filter((order) => order.length > 3).count('long-orders-of-rate');
    return {};
  });
  const text = describeText(built);
  expect(text.match(/one repartition topic, read by 2, 3/g)).toHaveLength(1);
});
