import { randomBelow, type SeededRandom } from '../engine/base/random.ts';

/** Up to `most` bytes of any kind, as text of a letter a byte. */
export function randomText(random: SeededRandom, most: number): string {
  const length = randomBelow(random, most + 1);
  return String.fromCharCode(...Array.from({ length }, () => randomBelow(random, 256)));
}
