/** Tables whose rows have an end. */
import fc from 'fast-check';
import { topic, topology, utf8 } from 'millrace';
import { type TestDriver, testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';

const rows = topic<string, string>('rows', { value: utf8 });
const asks = topic<string, string>('asks', { value: utf8 });
const out = topic<string, string>('out', { value: utf8 });
const answers = topic<string, string>('answers', { value: utf8 });

const built = topology('ttl', (t) => {
  const table = t.table('rows', rows, { ttlMs: 100 });
  table.changes().to(out);
  t.stream(asks)
    .leftJoinTable(table, (ask, row) => `${ask} ${row ?? 'none'}`)
    .to(answers);
  return { table };
});

const changes = async (driver: TestDriver) =>
  (await driver.read(out)).map(({ key, value, timestamp }) => [key, value, timestamp]);

describe('ttl', () => {
  test('a row ends when its time is over, and a change says so', async () => {
    const driver = await testDriver(built);
    await driver.pipe(rows, 'a', 'x', 0);
    await driver.pipe(rows, 'b', 'y', 50);
    await driver.pipe(rows, 'a', 'z', 60);
    await driver.pipe(rows, 'c', 'w', 149);
    expect(await changes(driver)).toEqual([
      ['a', 'x', 0],
      ['b', 'y', 50],
      ['a', 'z', 60],
      ['c', 'w', 149],
    ]);
    await driver.pipe(rows, 'c', 'v', 160);
    expect(await changes(driver)).toEqual([
      ['b', null, 150],
      ['a', null, 160],
      ['c', 'v', 160],
    ]);
    await driver.restart({ dropState: true });
    expect((await driver.rows(built.exports.table)).map(({ key }) => key)).toEqual(['c']);
    await driver.advanceTo(260);
    expect(await changes(driver)).toEqual([['c', null, 260]]);
    expect(await driver.rows(built.exports.table)).toEqual([]);
    await driver.close();
  });

  test('a record whose row is over deletes the row and is counted', async () => {
    const driver = await testDriver(built);
    await driver.pipe(rows, 'a', 'x', 150);
    await driver.pipe(rows, 'a', 'old', 50);
    await driver.pipe(rows, 'b', 'old', 50);
    expect(await changes(driver)).toEqual([
      ['a', 'x', 150],
      ['a', null, 50],
    ]);
    expect(driver.summary.counters.drops).toEqual({ 'rows|expired': 2 });
    await driver.close();
  });

  test('a stream ahead of the table does not see what is over by its time', async () => {
    const driver = await testDriver(built);
    await driver.pipe(rows, 'a', 'x', 0);
    await driver.pipe(asks, 'a', 'early', 99);
    await driver.pipe(asks, 'a', 'late', 100);
    const said = (await driver.read(answers)).map(({ value }) => value);
    expect(said).toEqual(['early x', 'late none']);
    await driver.close();
  });

  test('at any time the table is what its definition says, restored or not', async () => {
    const record = fc.record({
      key: fc.constantFrom('a', 'b', 'c'),
      value: fc.option(fc.constantFrom('x', 'y'), { freq: 4 }),
      timestamp: fc.nat({ max: 600 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(record, { maxLength: 20 }), async (records) => {
        const driver = await testDriver(built, { cacheBytes: 0 });
        const last = new Map<string, { value: string; timestamp: number }>();
        let streamTime = 0;
        for (const { key, value, timestamp } of records) {
          await driver.pipe(rows, key, value, timestamp);
          streamTime = Math.max(streamTime, timestamp);
          if (value === null) last.delete(key);
          else last.set(key, { value, timestamp });
          for (const [k, row] of last) if (row.timestamp + 100 <= streamTime) last.delete(k);
        }
        const wanted = [...last].map(([key, { value }]) => [key, value]).sort();
        const shown = async () =>
          (await driver.rows(built.exports.table)).map(({ key, value }) => [key, value]);
        expect(await shown()).toEqual(wanted);
        await driver.restart({ dropState: true });
        expect(await shown()).toEqual(wanted);
        await driver.close();
      }),
      { numRuns: 50 },
    );
  });

  test('a ttl that makes no sense, or with a history, is refused', () => {
    const table = (options: object) => () =>
      topology('wrong', (t) => t.table('rows', rows, options));
    expect(table({ ttlMs: 0 })).toThrow('rows.ttlMs: must be a whole number');
    expect(table({ ttlMs: 1, historyMs: 1 })).toThrow('either a historyMs');
  });
});
