/** The start of a slice or window against the remainder. */
import { expect, test } from 'vitest';
import { SeededRandom } from '../../engine/base/random.ts';
import { floorTo } from '../../engine/time/floor-to.ts';

test.each([1, 2, 3])('as the remainder says, seed %i', (seed) => {
  const random = new SeededRandom(seed);
  const below = (most: number) => Math.floor(random.next() * most);
  for (let i = 0; i < 5_000; i++) {
    const step = 1 + below(10 ** (1 + below(9)));
    const time = below(10 ** (1 + below(15)));
    // At, just before and just after a multiple is where a quotient may be rounded.
    const multiple = time - (time % step);
    for (const at of [time, multiple, multiple + 1, multiple + step - 1, multiple + 0.999]) {
      expect(floorTo(at, step), `${at} by ${step}`).toBe(Math.trunc(at) - (Math.trunc(at) % step));
    }
    // As near below as numbers come.
    const next = multiple + step;
    expect(floorTo(next * (1 - 2 ** -53), step), `below ${next} by ${step}`).toBe(multiple);
  }
});
