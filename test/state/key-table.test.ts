/** Keys and their rows against a plain map, over random changes. */
import { expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { BatchBuilder, type PackedBatch } from '../../engine/record/batch.ts';
import { addKeys, KeyTable } from '../../engine/state/key-table.ts';

/** Bytes of any kind, as text of a letter a byte; few of them, so that keys come again. */
function keyOf(random: SeededRandom): string {
  const length = randomBelow(random, randomBelow(random, 20) === 0 ? 400 : 10);
  const kinds = length < 3 ? 256 : 4;
  return String.fromCharCode(
    ...Array.from({ length }, () => (64 * randomBelow(random, kinds)) & 255),
  );
}

function batchOf(keys: readonly (string | null)[]): PackedBatch {
  const builder = new BatchBuilder(keys.length, 32);
  for (const key of keys) {
    builder.append(key === null ? null : Buffer.from(key, 'latin1'), Buffer.from('value'), 0);
  }
  return builder.finishAt(0);
}

class Checked {
  readonly table = new KeyTable();
  readonly rows = new Map<string, number>();

  /** Adds keys as those of a batch, null among them. */
  addAll(keys: readonly (string | null)[]): void {
    const rows = new Int32Array(keys.length).fill(-2);
    addKeys([this.table], batchOf(keys), 0, keys.length, [rows]);
    for (const [i, key] of keys.entries()) this.note(key, rows[i] as number);
  }

  note(key: string | null, row: number): void {
    if (key === null) {
      expect(row).toBe(-1);
      return;
    }
    const known = this.rows.get(key);
    if (known === undefined) expect([...this.rows.values()]).not.toContain(row);
    else expect(row).toBe(known);
    this.rows.set(key, row);
  }

  remove(key: string): void {
    this.table.remove(this.rows.get(key) as number);
    this.rows.delete(key);
  }

  check(): void {
    for (const [key, row] of this.rows) {
      expect(this.table.rowOf(key)).toBe(row);
      expect(this.table.keyTextOf(row)).toBe(key);
      expect(this.table.keyOf(row).toString('latin1')).toBe(key);
      expect(row).toBeLessThan(this.table.rowsEnd);
    }
  }
}

test.each([1, 2, 3, 4, 5, 6, 7, 8])('as a plain map, seed %d', (seed) => {
  const random = new SeededRandom(seed);
  const checked = new Checked();
  for (let round = 0; round < 60; round++) {
    const keys = Array.from({ length: randomBelow(random, 90) }, () =>
      randomBelow(random, 30) === 0 ? null : keyOf(random),
    );
    if (randomBelow(random, 3) === 0) {
      for (const key of keys) if (key !== null) checked.note(key, checked.table.add(key));
    } else checked.addAll(keys);
    for (const key of [...checked.rows.keys()]) {
      if (randomBelow(random, 3) === 0) checked.remove(key);
    }
    for (const key of keys) {
      if (key !== null && !checked.rows.has(key)) expect(checked.table.rowOf(key)).toBe(-1);
    }
    checked.check();
    if (randomBelow(random, 25) > 0) continue;
    checked.table.clear();
    checked.rows.clear();
  }
  expect(checked.table.rowsEnd).toBeLessThan(4_000);
});

test('keys of one batch that come again and make the table grow', () => {
  const keys = Array.from({ length: 30_000 }, (_, i) => `key-${i % 7_000}`);
  const checked = new Map<string, number>();
  const tables = [new KeyTable(), new KeyTable()];
  tables[1]?.add('key-3000');
  const rows = tables.map(() => new Int32Array(keys.length).fill(-2));
  addKeys(tables, batchOf(keys), 10, keys.length, rows);
  const [first, second] = rows as [Int32Array, Int32Array];
  expect(first.slice(0, 10)).toEqual(new Int32Array(10).fill(-2));
  keys.forEach((key, i) => {
    if (i < 10) return;
    expect(first[i]).toBe(checked.get(key) ?? checked.size);
    checked.set(key, first[i] as number);
    expect(tables[1]?.keyTextOf(second[i] as number)).toBe(key);
  });
  expect(tables[0]?.rowsEnd).toBe(7_000);
  expect(tables[1]?.rowsEnd).toBe(7_000);
});

test('keys that come and go leave nothing behind', () => {
  const table = new KeyTable();
  for (let i = 0; i < 20_000; i++) {
    const row = table.add(`a key that nobody asks for twice ${i}`);
    if (i >= 100) table.remove(table.rowOf(`a key that nobody asks for twice ${i - 100}`));
    expect(row).toBeLessThan(101);
  }
  expect(table.byteLength).toBeLessThan(40_000);
});
