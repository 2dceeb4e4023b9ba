/** The native helper of a restore against the code it stands in for, over random changelogs. */
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { BatchBuilder, type PackedBatch } from '../../engine/record/batch.ts';
import { type CellsHelper, PackedCells } from '../../engine/state/packed-cells.ts';
import { cellsHelper, putCells } from '../../engine/state/put-cells.ts';
import { mustRun } from '../kafka/questions.ts';
import { randomText } from '../random-text.ts';

const helper = cellsHelper() as CellsHelper;

/** A batch of cells, among them records that hold none. @param keys of cells */
function batchOf(random: SeededRandom, keys: readonly string[]): PackedBatch {
  const builder = new BatchBuilder(8, 64);
  // Runs of cells longer and shorter than those that are taken in together.
  const others = [2, 20, 500][randomBelow(random, 3)] as number;
  for (let count = randomBelow(random, 700); count >= 0; count--) {
    const value = randomBelow(random, 5) === 0 ? null : randomText(random, 90);
    const key =
      randomBelow(random, others) > 0
        ? `\x01${keys[randomBelow(random, keys.length)]}`
        : ['', '\x00', '\x02other', undefined][randomBelow(random, 4)];
    builder.append(
      key === undefined ? null : Buffer.from(key, 'latin1'),
      value === null ? null : Buffer.from(value, 'latin1'),
      0,
    );
  }
  return builder.finishAt(0);
}

function cellsOf(packed: PackedCells): (readonly [string, string | undefined])[] {
  return Array.from({ length: packed.count }, (_, row) => [
    packed.keys.keyTextOf(row),
    packed.cellOf(row)?.toString('latin1'),
  ]);
}

/** What the batch says, and the records that hold no cell, each where the taking in stopped. */
function read(packed: PackedCells, batch: PackedBatch, by: CellsHelper | undefined): number[] {
  const stops: number[] = [];
  for (let i = 0; ; i++) {
    i = putCells(packed, batch, i, by);
    if (i === batch.count) return stops;
    stops.push(i);
  }
}

// Where there is no compiler there is none.
describe.skipIf(helper === undefined && !mustRun())('the native helper of a restore', () => {
  test.each([1, 2, 3, 4, 5, 6])('does as is done without it, seed %d', (seed) => {
    const random = new SeededRandom(seed);
    const keyCount = seed % 2 === 0 ? 30 : 5_000;
    const keys = Array.from({ length: keyCount }, (_, i) =>
      i === 0 ? '' : `${i}${randomText(random, 9)}`,
    );
    const [native, plain] = [new PackedCells(), new PackedCells()];
    for (let round = 0; round < 30; round++) {
      const batch = batchOf(random, keys);
      // Either may be followed by the other.
      const by = round % 10 === 9 ? undefined : helper;
      expect(read(native, batch, by)).toEqual(read(plain, batch, undefined));
    }
    expect(cellsOf(native)).toEqual(cellsOf(plain));
    expect(native.byteLength).toBe(plain.byteLength);
    for (const key of [...keys, 'a key that never came'])
      expect(native.rowOf(key)).toBe(plain.rowOf(key));
  });

  test('a batch whose columns point beyond it is refused', () => {
    const batch = batchOf(new SeededRandom(1), ['a', 'b']);
    batch.starts[0] = 1 << 30;
    expect(() => putCells(new PackedCells(), batch, 0, helper)).toThrow(
      'does not lie in its batch',
    );
    batch.starts[0] = -1;
    expect(() => putCells(new PackedCells(), batch, 0, helper)).toThrow(
      'does not lie in its batch',
    );
    const [columns, bytes] = [() => new Int32Array(64), () => Buffer.alloc(64)];
    const put = (image: ArrayBuffer, numbers: Int32Array) =>
      helper.putCells(image, 0, numbers, columns(), columns(), bytes(), columns(), bytes());
    expect(() => put(batch.image.slice(0, 24), new Int32Array(5))).toThrow('are needed');
    expect(() => put(batch.image, new Int32Array(4))).toThrow('are needed');
  });

  test.each([
    ['slots', 2],
    ['places', 1],
    ['keys', 4],
    ['cells', 3],
    ['body', 4],
  ] as const)('too little room for %s is found, and nothing written beyond', (name, length) => {
    const builder = new BatchBuilder(1, 64);
    builder.append(Buffer.from('\x01a key of some length'), Buffer.from('its cell, so long'), 0);
    const { image } = builder.finishAt(0);
    const enough = 64;
    const bytes = new Uint8Array(5 * 4 * enough);
    const roomOf = (column: string) => (column === name ? length : enough);
    const at = (i: number) => 4 * enough * i;
    const columnOf = (column: string, i: number) =>
      new Int32Array(bytes.buffer, at(i), roomOf(column));
    const bytesOf = (column: string, i: number) => Buffer.from(bytes.buffer, at(i), roomOf(column));
    const put = () =>
      helper.putCells(
        image,
        0,
        Int32Array.of(0, 0, 0, 1, 1),
        columnOf('slots', 0),
        columnOf('places', 1),
        bytesOf('keys', 2),
        columnOf('cells', 3),
        bytesOf('body', 4),
      );
    expect(put).toThrow(`no room for a ${name === 'body' ? 'cell' : 'key'}`);
    const short = ['slots', 'places', 'keys', 'cells', 'body'].indexOf(name);
    const width = name === 'keys' || name === 'body' ? 1 : 4;
    const beyond = bytes.subarray(at(short) + width * length, at(short + 1));
    expect(beyond.every((byte) => byte === 0)).toBe(true);
  });
});
