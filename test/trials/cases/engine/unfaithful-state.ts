/** State that its serde would change is refused when it is written, or comes back as it was. */
import assert from 'node:assert/strict';
import { json, tumbling } from 'millrace';
import { type Any, a, on } from './driver.ts';

const values: Record<string, () => unknown> = {
  Map: () => new Map([['k', 1]]),
  Set: () => new Set([1]),
  Date: () => new Date(5),
  NaN: () => Number.NaN,
  Infinity: () => [Number.POSITIVE_INFINITY],
  bigint: () => 5n,
  'undefined in a list': () => [undefined],
  'a nested Map': () => ({ inner: new Map() }),
};

for (const [name, make] of Object.entries(values)) {
  for (const windowed of [false, true]) {
    await on(
      (t) => {
        const own = { init: () => null, add: make } as Any;
        const stream = t.stream(a);
        const windows = stream.window(tumbling({ size: 1000, grace: 0 }));
        return { n: (windowed ? windows : stream).aggregate('n', own, { value: json() }) };
      },
      async (driver, { n }) => {
        await driver.pipe(a, 'u', 1, 0);
        const before = await driver.rows(n);
        const refused = await driver.deadLetters();
        await driver.restart({ dropState: true });
        assert.deepEqual(await driver.rows(n), before, `${name}, windowed: ${windowed}`);
        assert.equal(refused.length, before.length === 0 ? 1 : 0, name);
      },
    );
  }
}
console.log('as it must be');
