/** Which offset is missing between batches of a partition, compacted or not. */
import { expect, test } from 'vitest';
import { missingOffset } from '../../engine/log/embedded/kept-batches.ts';
import { BatchBuilder, type PackedBatch } from '../../engine/record/batch.ts';

/** Records at offsets from `base` on, without gaps. */
function batch(base: number, count: number): PackedBatch {
  const builder = new BatchBuilder();
  for (let i = 0; i < count; i++) builder.append(Buffer.from('k'), Buffer.from('v'), 0);
  return builder.finishAt(base);
}

const never = { cleaned: 0, kept: undefined };

test('a batch that is missing in a partition that was never compacted', () => {
  const batches = [batch(0, 5), batch(5, 5), batch(10, 5)];
  expect(missingOffset(batches, 0, never)).toBe(undefined);
  expect(missingOffset(batches, 3, never)).toBe(undefined);
  expect(missingOffset([batch(0, 5), batch(10, 5)], 0, never)).toBe(5);
  expect(missingOffset([batch(5, 5)], 0, never)).toBe(0);
});

test('a batch that a compaction kept and that is missing', () => {
  const stretch = { cleaned: 40, kept: { bases: [7, 20, 39] } };
  const all = [batch(7, 1), batch(20, 4), batch(39, 1), batch(40, 5)];
  expect(missingOffset(all, 0, stretch)).toBe(undefined);
  expect(missingOffset(all.slice(1), 8, stretch)).toBe(undefined);
  for (const [i, at] of [7, 20, 39].entries()) {
    const without = all.filter((_, j) => j !== i);
    expect(missingOffset(without, 0, stretch)).toBe(at);
  }
  expect(missingOffset([batch(39, 1), batch(45, 5)], 24, stretch)).toBe(40);
});

test('of a compaction without a list only the last record is known to be kept', () => {
  const stretch = { cleaned: 40, kept: undefined };
  expect(missingOffset([batch(20, 4), batch(39, 1)], 0, stretch)).toBe(undefined);
  expect(missingOffset([batch(20, 4), batch(40, 1)], 0, stretch)).toBe(39);
});
