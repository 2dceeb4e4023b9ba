/** process reads rows of tables: those of its key, at records and at timers, and writes none. */
import { topic, topology, utf8 } from 'millrace';
import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';

const orders = topic<string, string>('orders', { value: utf8 });
const rates = topic<string, string>('rates', { value: utf8, cleanup: 'compact' });
const other = topic<string, string>('other', { value: utf8, cleanup: 'compact' });
const out = topic<string, string>('out', { value: utf8 });

const shop = topology('shop', (t) => {
  const rate = t.table('rate-of', rates, { changelog: 'source' });
  const long = rate.filter((text) => text.length > 1).map((text) => text.length);
  t.stream(orders)
    .process<string, string>('order', {
      tables: [rate, long],
      record: (context, order, timestamp) => {
        context.state = order;
        context.emit(`${order} at ${context.row(rate) ?? 'no rate'}, ${context.row(long) ?? '-'}`);
        context.setTimer('later', timestamp + 10);
      },
      timer: (context) => context.emit(`${context.state} later at ${context.row(rate)}`),
    })
    .to(out);
  return { rate };
});

test('the rows of its key, also derived ones, and when a timer fires', async () => {
  const driver = await testDriver(shop, { cacheBytes: 0 });
  await driver.pipe(orders, 'a', 'o1', 100);
  await driver.pipe(rates, 'a', 'twelve', 105);
  await driver.pipe(rates, 'b', '7', 106);
  await driver.restart({ dropState: true });
  await driver.pipe(orders, 'b', 'o2', 112);
  await driver.pipe(rates, 'b', null, 113);
  await driver.advanceTo(1_000);
  expect((await driver.read(out)).map(({ key, value }) => `${key}: ${value}`)).toEqual([
    'a: o1 at no rate, -',
    'a: o1 later at twelve',
    'b: o2 at 7, -',
    'b: o2 later at undefined',
  ]);
  // A deletion is no record of the step's that was dropped.
  expect(driver.summary.counters.dropped).toBe(0);
  await driver.close();
});

test('a table that was not named is refused with the remedy', async () => {
  const built = topology('shop', (t) => {
    const table = t.table('other-of', other);
    t.stream(orders).process<string, string>('order', {
      record: (context) => void context.row(table),
    });
    return {};
  });
  const driver = await testDriver(built);
  await expect(driver.pipe(orders, 'a', 'o1', 100)).rejects.toThrow(
    /order.tables.*other-of: name it in 'tables'/,
  );
  await driver.close();
});
