/** A row that is mapped to null is no row, in whatever order the sides change. */
import assert from 'node:assert/strict';
import { type Any, a, b, on, out, rowsOf } from './driver.ts';

const mail = (t: Any) => t.table('people', a).map((person: Any) => person.email ?? null);

for (const leftLast of [true, false]) {
  await on(
    (t) => {
      mail(t)
        .join(t.table('b', b), (l: Any, r: Any) => `${l}|${r}`)
        .to(out);
    },
    async (driver) => {
      const left = () => driver.pipe(a, 'u', { name: 1 }, 0);
      const right = () => driver.pipe(b, 'u', 'b', 1);
      await (leftLast ? right() : left());
      await (leftLast ? left() : right());
      assert.deepEqual(rowsOf(await driver.read(out)), [], `left last: ${leftLast}`);
    },
  );
}
await on(
  (t) => {
    t.stream(b)
      .joinTable(mail(t), (l: Any, r: Any) => `${l}:${r}`)
      .to(out);
  },
  async (driver) => {
    await driver.pipe(a, 'u', { name: 1 }, 0);
    await driver.pipe(b, 'u', 'event', 1);
    assert.deepEqual(rowsOf(await driver.read(out)), []);
  },
);
for (const nothing of [null, undefined]) {
  await on(
    (t) => ({
      groups: t
        .table('m', a)
        .groupBy('g', (row: Any) => [row.c, 1])
        .aggregate('n', {
          init: () => 0,
          add: (sum: number, n: number) => sum + n,
          subtract: (sum: number, n: number) => (sum === n ? nothing : sum - n),
        }),
    }),
    async (driver, { groups }) => {
      await driver.pipe(a, 'u', { c: 'fr' }, 0);
      await driver.pipe(a, 'u', { c: 'it' }, 1);
      assert.deepEqual(rowsOf(await driver.rows(groups)), [['it', 1]], `subtract: ${nothing}`);
      await driver.pipe(a, 'w', { c: 'fr' }, 2);
      const rows = rowsOf(await driver.rows(groups)).sort();
      assert.deepEqual(rows, [
        ['fr', 1],
        ['it', 1],
      ]);
    },
  );
}
await on(
  (t) => ({ shouted: t.table('ta', a).map((v: Any) => `${v}!`).filter((v: Any) => v !== 'B!') }),
  async (driver, { shouted }) => {
    await driver.pipe(a, 'k', 'A', 0);
    await driver.pipe(a, 'l', 'B', 0);
    assert.deepEqual(rowsOf(await driver.rows(shouted)), [['k', 'A!']]);
  },
);
console.log('as it must be');
