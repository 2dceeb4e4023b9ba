/** Packed cells against a plain map, over random changes. */
import { expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { PackedCells } from '../../engine/state/packed-cells.ts';
import { randomText } from '../random-text.ts';

const viewOf = (bytes: Buffer) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);

test.each([1, 2, 3, 4, 5, 6])('as a plain map, seed %d', (seed) => {
  const random = new SeededRandom(seed);
  const packed = new PackedCells();
  const plain = new Map<string, string | undefined>();
  // Few keys change again and again; many make it grow.
  const keyCount = seed % 2 === 0 ? 20 : 2_000;
  const keys = Array.from(
    { length: keyCount },
    (_, i) => `${i % 7 === 0 ? '' : randomText(random, 9)}`,
  );
  for (let i = 0; i < 6_000; i++) {
    const key = keys[randomBelow(random, keyCount)] as string;
    const cell = randomBelow(random, 5) === 0 ? undefined : randomText(random, 400);
    // The cell lies anywhere in other bytes.
    const bytes = viewOf(Buffer.from(`..${cell ?? ''}.`, 'latin1'));
    packed.put(packed.keys.add(key), bytes, 2, cell === undefined ? -1 : cell.length);
    plain.set(key, cell);
  }
  expect(packed.count).toBe(plain.size);
  const taken = new Set<string>();
  for (const [key, cell] of plain) {
    const row = packed.rowOf(key) as number;
    expect(packed.keys.keyTextOf(row)).toBe(key);
    expect(packed.cellOf(row)?.toString('latin1')).toBe(cell);
    if (randomBelow(random, 2) === 0) continue;
    packed.take(row);
    taken.add(key);
  }
  for (const key of plain.keys()) expect(packed.rowOf(key) === undefined).toBe(taken.has(key));
  expect(packed.rowOf('a key that never came')).toBeUndefined();
  // What is taken is still there to be saved.
  const rows = Array.from({ length: packed.count }, (_, row) => row);
  const kept = new Map(
    rows.map((row) => [
      packed.keys.keyOf(row).toString('latin1'),
      packed.cellOf(row)?.toString('latin1'),
    ]),
  );
  expect(kept).toEqual(plain);
});

test('a cell that grows again and again leaves no more behind than it is long', () => {
  const packed = new PackedCells();
  const without = packed.byteLength;
  const row = packed.keys.add('k');
  for (let length = 1; length <= 10_000; length++)
    packed.put(row, viewOf(Buffer.alloc(length)), 0, length);
  expect(packed.byteLength - without).toBeLessThan(6 * 10_000);
  expect(packed.cellOf(0)?.byteLength).toBe(10_000);
});

test('a key whose cell never came has none, also when it is the last', () => {
  const packed = new PackedCells();
  packed.keys.add('first');
  packed.put(packed.keys.add('second'), viewOf(Buffer.from('cell')), 0, 4);
  packed.keys.add('last');
  const cells = ['first', 'second', 'last'].map((key) => {
    const row = packed.rowOf(key);
    return row === undefined ? undefined : packed.cellOf(row)?.toString();
  });
  expect(cells).toEqual([undefined, 'cell', undefined]);
});
