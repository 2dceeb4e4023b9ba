/** A record that fails half way leaves what was before it as it was. */
import assert from 'node:assert/strict';
import { type Any, a, on, rowsOf } from './driver.ts';

await on(
  (t) => ({ n: t.table('r', a).groupBy('g', (row: Any) => [row.c.code, 1]).count('n') }),
  async (driver, { n }) => {
    await driver.pipe(a, 'a', { c: { code: 'fr' } }, 0);
    await driver.pipe(a, 'b', { c: { code: 'fr' } }, 1);
    await driver.pipe(a, 'a', { c: null }, 2);
    assert.deepEqual(rowsOf(await driver.rows(n)), [['fr', 2]]);
    assert.equal((await driver.deadLetters()).length, 1);
    await driver.pipe(a, 'a', { c: { code: 'it' } }, 3);
    assert.deepEqual(rowsOf(await driver.rows(n)).sort(), [
      ['fr', 1],
      ['it', 1],
    ]);
  },
);
console.log('as it must be');
