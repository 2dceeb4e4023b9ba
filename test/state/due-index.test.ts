/** The due index against a plain map, over random operations. */
import { expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { DueIndex, type DueOwner } from '../../engine/state/due-index.ts';

const keys = Array.from({ length: 40 }, (_, i) => `k${i}`);

/** Of a plain map: keys due up to an instant, by (instant, key). */
function dueUntil(plain: ReadonlyMap<string, number>, until: number): string[] {
  const byKey = (a: string, b: string) => (a < b ? -1 : 1);
  return [...plain]
    .filter(([, due]) => due <= until)
    .sort(([a, x], [b, y]) => x - y || byKey(a, b))
    .map(([key]) => key);
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])('as a plain map, seed %i', (seed) => {
  const random = new SeededRandom(seed);
  const index = new DueIndex<DueOwner>();
  const plain = new Map<string, number>();
  // Evicted keys stay, as those do that were asked for.
  index.asked = Number.POSITIVE_INFINITY;
  // Who has the key's cell; also when the key has gone, but not of evicted keys.
  const owners = new Map<string, DueOwner>();
  const ownerOf = (key: string) => {
    const owner = owners.get(key) ?? { keyText: key, dueSlot: -1 };
    owners.set(key, owner);
    return owner;
  };
  const set = (key: string, due: number) => {
    // Of a key that is on disk alone nobody owns the slot.
    if (!owners.has(key) && randomBelow(random, 3) === 0) index.setStored(key, due);
    else index.set(ownerOf(key), due);
    plain.set(key, due);
  };
  // Few instants make ties; mostly a key becomes due later, as a session does.
  for (let step = 0; step < 4_000; step++) {
    const key = keys[randomBelow(random, keys.length)] as string;
    const until = randomBelow(random, 60);
    switch (randomBelow(random, 9)) {
      case 0:
        index.release(ownerOf(key));
        plain.delete(key);
        break;
      case 1:
        index.set(ownerOf(key), Number.POSITIVE_INFINITY);
        expect(ownerOf(key).dueSlot).toBe(-1);
        plain.delete(key);
        break;
      case 4:
        index.evicted(ownerOf(key), plain.get(key) ?? Number.POSITIVE_INFINITY);
        owners.delete(key);
        break;
      case 2: {
        const { keyTexts: given, owners: due } = index.dueKeys(until);
        expect(given, `step ${step}`).toEqual(dueUntil(plain, until));
        // Who has a cell but has not set it since is not known to the index.
        expect(
          due.map((owner, i) => owner === owners.get(given[i] as string) || owner === undefined),
        ).not.toContain(false);
        // Some of what was given out is set anew, some is not.
        for (const one of given) {
          const due = until + 1 + randomBelow(random, 20) - (randomBelow(random, 5) === 0 ? 15 : 0);
          if (randomBelow(random, 3) === 0) continue;
          set(one, due);
        }
        break;
      }
      case 3: {
        const visited = new Set<string>();
        index.eachDue(until, (one) => visited.add(one));
        expect([...visited].sort(), `step ${step}`).toEqual(dueUntil(plain, until).sort());
        break;
      }
      default: {
        const due = Math.max(0, (plain.get(key) ?? 20) + randomBelow(random, 12) - 4);
        set(key, due);
      }
    }
    expect(index.nextDue(), `step ${step}`).toBe(
      Math.min(Number.POSITIVE_INFINITY, ...plain.values()),
    );
    expect(index.size).toBe(plain.size);
  }
});
