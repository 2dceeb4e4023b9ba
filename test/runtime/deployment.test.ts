/**
 * What becomes of the state when the topology changes: told before, refused where it would be lost.
 */
import { writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  count,
  hopping,
  json,
  msgpack,
  type Serde,
  sum,
  type TopologyBuilder,
  topic,
  topology,
  tumbling,
  versioned,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { compareDeployments, deploymentOf, nextDeployment } from '../../engine/graph/deployment.ts';
import { emptyFolder, millrace } from '../process/millrace.ts';

interface Order {
  readonly amount: number;
}
const orders = topic<string, Order>('orders');
const others = topic<string, Order>('others');

const built = (define: (t: TopologyBuilder) => unknown) => topology('orders', define);
const plain = built((t) => {
  t.stream(orders).count('counts');
});

const verdicts = (before: typeof plain, after: typeof plain, partitions = [4, 4, 4]) =>
  Object.fromEntries(
    compareDeployments(deploymentOf(before, [4, 4, 4]), deploymentOf(after, partitions)).map(
      ({ name, verdict }) => [name, verdict],
    ),
  );

describe('store by store', () => {
  test('steps without state may come and go anywhere', () => {
    const after = built((t) => {
      t.stream(orders)
        .filter(({ amount }) => amount > 0)
        .map((order) => order)
        .peek(() => {})
        .count('counts');
    });
    expect(verdicts(plain, after)).toEqual({ counts: 'keep' });
    expect(verdicts(after, plain)).toEqual({ counts: 'keep' });
  });

  test('another store beside it begins empty; one renamed is an orphan; one behind a new part moves', () => {
    const more = built((t) => {
      t.stream(orders)
        .keyBy('by-amount', ({ amount }) => String(amount))
        .count('amounts');
      t.stream(others).count('counts');
    });
    expect(verdicts(plain, more)).toEqual({
      amounts: 'new',
      'by-amount': 'new',
      counts: 'rebuild',
    });
    const renamed = built((t) => {
      t.stream(orders).count('totals');
    });
    expect(verdicts(plain, renamed)).toEqual({ counts: 'orphan', totals: 'new' });
  });

  test('what would be read wrongly is refused', () => {
    const window = (size: number) =>
      built((t) => {
        t.stream(orders)
          .window(tumbling({ size, grace: 0 }))
          .aggregate('counts', count());
      });
    const asJson = built((t) => {
      t.stream(orders).aggregate('counts', count(), { value: json<number>() });
    });
    expect(verdicts(plain, asJson)).toEqual({ counts: 'refuse' });
    expect(verdicts(plain, window(1000))).toEqual({ counts: 'refuse' });
    expect(verdicts(window(1000), window(2000))).toEqual({ counts: 'refuse' });
    expect(verdicts(plain, plain, [8])).toEqual({ counts: 'refuse' });
    const summed = built((t) => {
      t.stream(orders).aggregate(
        'counts',
        sum(({ amount }: Order) => amount),
      );
    });
    expect(verdicts(plain, summed)).toEqual({ counts: 'refuse' });
    const wider = built((t) => {
      t.stream(orders)
        .window(hopping({ size: 1000, advance: 500, grace: 0 }))
        .aggregate('counts', count());
    });
    expect(verdicts(window(1000), wider)).toEqual({ counts: 'refuse' });
  });

  test('a store that was left and comes back is refused: it has missed records', () => {
    const renamed = built((t) => {
      t.stream(orders).count('totals');
    });
    const first = deploymentOf(plain, [4]);
    const second = nextDeployment(first, deploymentOf(renamed, [4]));
    expect(second['counts']).toMatchObject({ orphaned: true });
    // Left once, it is not asked about again.
    const same = compareDeployments(second, deploymentOf(renamed, [4]));
    expect(same.map(({ name, verdict }) => [name, verdict])).toEqual([['totals', 'keep']]);
    const back = compareDeployments(second, first);
    expect(back.find(({ name }) => name === 'counts')?.verdict).toBe('refuse');
  });

  test('values with versions are brought up, never down', () => {
    const of = (serde: Serde<number>) =>
      built((t) => {
        t.stream(orders).aggregate('counts', count(), { value: serde });
      });
    const [one, two] = [1, 2].map((n) =>
      of(versioned<number>(n, { 0: (old: number) => old }, msgpack())),
    ) as [typeof plain, typeof plain];
    expect(verdicts(plain, one)).toEqual({ counts: 'migrate' });
    expect(verdicts(one, two)).toEqual({ counts: 'migrate' });
    expect(verdicts(one, one)).toEqual({ counts: 'keep' });
    expect(verdicts(two, one)).toEqual({ counts: 'refuse' });
    expect(verdicts(one, plain)).toEqual({ counts: 'refuse' });
    const other = of(versioned<number>(1, {}, json()));
    expect(verdicts(plain, other)).toEqual({ counts: 'refuse' });
  });
});

describe('running', () => {
  test('a filter is added, then a store and a part: the counts go on, restored or not', async () => {
    const filtered = built((t) => ({
      counts: t
        .stream(orders)
        .filter(({ amount }) => amount > 0)
        .count('counts'),
    }));
    const wider = built((t) => {
      t.stream(others).count('other-counts');
      const stream = t.stream(orders);
      const big = stream.aggregate(
        'amounts',
        sum(({ amount }: Order) => amount),
      );
      stream.keyBy('by-amount', ({ amount }) => String(amount)).count('by-amount-counts');
      return { counts: stream.count('counts'), big };
    });
    const driver = await testDriver(plain, { partitions: 2 });
    for (const key of ['a', 'b', 'a']) await driver.pipe(orders, key, { amount: 1 }, 0);
    await driver.restart({ topology: filtered });
    await driver.pipe(orders, 'a', { amount: 0 }, 0);
    await driver.pipe(orders, 'a', { amount: 7 }, 0);
    await driver.restart({ topology: wider });
    await driver.pipe(orders, 'b', { amount: 5 }, 0);
    const counts = async () =>
      Object.fromEntries((await driver.rows({ store: 'counts' })).map((r) => [r.key, r.value]));
    expect(await counts()).toEqual({ a: 3, b: 2 });
    const amounts = await driver.rows({ store: 'amounts' });
    expect(amounts.map(({ key, value }) => [key, value])).toEqual([['b', 5]]);
    await driver.restart({ topology: wider, dropState: true });
    expect(await counts()).toEqual({ a: 3, b: 2 });
    await driver.close();
  });

  test('a store that would be left is refused, all at once, unless it is named', async () => {
    const other = built((t) => {
      t.stream(orders).count('totals');
    });
    const driver = await testDriver(plain);
    await driver.pipe(orders, 'a', { amount: 1 }, 0);
    await expect(driver.restart({ topology: other })).rejects.toMatchObject({
      code: 'STATE_INCOMPATIBLE',
      message: expect.stringContaining('store counts: orphan'),
    });
    await driver.restart({ topology: other, orphans: ['counts'] });
    await driver.pipe(orders, 'a', { amount: 1 }, 0);
    await driver.restart({ topology: other });
    const rows = await driver.rows({ store: 'totals' });
    expect(rows.map(({ value }) => value)).toEqual([1]);
    await expect(driver.restart({ topology: plain, orphans: ['totals'] })).rejects.toMatchObject({
      message: expect.stringContaining('has missed records since'),
    });
    await driver.close();
  });

  test('values of three generations in one store', async () => {
    interface Balance {
      readonly cents: number;
      readonly currency: string;
    }
    const first = built((t) => {
      t.stream(orders).aggregate('balance', {
        init: () => 0,
        add: (total: number, { amount }: Order) => total + amount,
      });
    });
    const fold = {
      init: () => ({ cents: 0, currency: 'EUR' }),
      add: (total: Balance, { amount }: Order) => ({ ...total, cents: total.cents + amount * 100 }),
    };
    const upcasters = {
      0: (euros: number) => ({ cents: euros * 100 }),
      1: (old: { cents: number }) => ({ ...old, currency: 'EUR' }),
    };
    const second = built((t) => {
      const value = versioned(1, { 0: upcasters[0] }, msgpack<{ cents: number }>());
      t.stream(orders).aggregate('balance', fold as never, { value });
    });
    const third = built((t) => {
      const value = versioned<Balance>(2, upcasters, msgpack());
      t.stream(orders).aggregate('balance', fold, { value });
    });
    const driver = await testDriver(first);
    for (const key of ['old', 'middle', 'new']) await driver.pipe(orders, key, { amount: 1 }, 0);
    await driver.restart({ topology: second });
    await driver.pipe(orders, 'middle', { amount: 2 }, 0);
    await driver.restart({ topology: third, dropState: true });
    await driver.pipe(orders, 'new', { amount: 3 }, 0);
    const rows = await driver.rows({ store: 'balance' });
    expect(rows.map(({ key, value }) => [key, value])).toEqual([
      ['middle', { cents: 300, currency: 'EUR' }],
      ['new', { cents: 400, currency: 'EUR' }],
      ['old', { cents: 100, currency: 'EUR' }],
    ]);
    await driver.close();
  });
});

test('`plan` says it from outside, and `run` refuses what it refuses', async () => {
  const folder = await emptyFolder();
  const index = JSON.stringify(resolve(import.meta.dirname, '../../operators/index.ts'));
  const moduleOf = async (name: string, body: string) => {
    const file = join(folder, `${name}.mts`);
    const text = `import { topic, topology } from ${index};
const orders = topic('orders');
export default topology('orders', (t) => { t.stream(orders)${body}; });
`;
    await writeFile(file, text);
    return file;
  };
  const first = await moduleOf('first', `.count('counts')`);
  const renamed = await moduleOf('renamed', `.count('totals')`);
  const data = ['--data', join(folder, 'data')];
  const fresh = await millrace('plan', first, ...data);
  expect(fresh).toMatchObject({ code: 0, stdout: expect.stringMatching(/new +store +counts/) });
  const ran = await millrace('run', first, '--until-caught-up', '--threads', '0', ...data);
  expect(ran).toMatchObject({ code: 0 });
  const lost = await millrace('plan', renamed, ...data);
  expect(lost).toMatchObject({ code: 2, stdout: expect.stringMatching(/orphan +store +counts/) });
  const refused = await millrace('run', renamed, '--until-caught-up', '--threads', '0', ...data);
  expect(refused).toMatchObject({ code: 2, stderr: expect.stringContaining('counts: orphan') });
});
