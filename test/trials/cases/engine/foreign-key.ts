/** A row whose foreign key changes, several changes under way at once. */
import assert from 'node:assert/strict';
import { a, b, on } from './driver.ts';

for (const partitions of [1, 3]) {
  for (const changes of [
    [null, { fk: 'S', v: 2 }],
    [{ fk: null, v: 5 }, { fk: 'S', v: 2 }],
    [{ fk: 'S', v: 2 }],
  ]) {
    await on(
      (t) => {
        const [left, right] = [t.table('left', a), t.table('right', b)];
        const joined = (l: { v: number }, r: string) => `${l.v}+${r}`;
        return { joined: left.joinForeign('j', right, (l: { fk: string }) => l.fk, joined) };
      },
      async (driver, { joined }) => {
        await driver.pipe(b, 'R', 'r', 0);
        await driver.pipe(a, 'k', { fk: 'R', v: 1 }, 1);
        assert.equal((await driver.rows(joined)).length, 1);
        const list = changes.map((value, i) => ({ key: 'k', value, timestamp: 10 + i }));
        await driver.pipeAll(a, list);
        assert.deepEqual(await driver.rows(joined), [], JSON.stringify(changes));
      },
      { partitions },
    );
  }
}
console.log('as it must be');
