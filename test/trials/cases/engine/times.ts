/** A time that user code gives and that is none is an error of its record and harms no other. */
import assert from 'node:assert/strict';
import { count, tumbling } from 'millrace';
import { type Any, a, on, out, rowsOf } from './driver.ts';

for (const time of [Number.NaN, Number.POSITIVE_INFINITY, -1, 0.5, 1.7e18]) {
  await on(
    (t) => {
      const record = (c: Any, v: Any, ts: number) => c.emit(v, v === 'bad' ? time : ts);
      const stream = t.stream(a).process('p', { record });
      const windows = stream.window(tumbling({ size: 10, grace: 0 }));
      return { n: windows.aggregate('n', count()) };
    },
    async (driver, { n }) => {
      const piped = [['ok', 1], ['bad', 2], ['ok', 3], ['ok', 25], ['ok', 26]] as const;
      for (const [value, at] of piped) await driver.pipe(a, 'u', value, at);
      const rows = (await driver.rows(n)).map((row: Any) => [row.window.start, row.value]);
      assert.deepEqual(rows.at(-1), [20, 2], String(time));
      assert.equal((await driver.deadLetters()).length, 1, String(time));
    },
  );
  await on(
    (t) => {
      const record = (c: Any, v: Any, ts: number) => {
        c.setTimer('end', ts + 10);
        if (v === 'bad') c.setTimer('other', time);
      };
      const timer = (c: Any, name: string) => c.emit(name);
      t.stream(a).process('p', { record, timer }).to(out);
    },
    async (driver) => {
      await driver.pipe(a, 'u', 'ok', 0);
      await driver.pipe(a, 'u', 'bad', 1);
      await driver.pipe(a, 'z', 'ok', 100);
      assert.deepEqual(rowsOf(await driver.read(out)), [['u', 'end']], String(time));
      assert.equal((await driver.deadLetters()).length, 1, String(time));
    },
  );
}
console.log('as it must be');
