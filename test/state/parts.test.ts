/**
 * Cells that the changelog keeps in parts: what is restored from it, whole or compacted, is what
 * was there.
 */
import { utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { keyTextOf } from '../../engine/base/bytes.ts';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import type { Cells, StoreSpec } from '../../engine/graph/store-spec.ts';
import { BatchBuilder, type PackedBatch } from '../../engine/record/batch.ts';
import { TaskState } from '../../engine/state/task-state.ts';
import { MemoryBackend, MemoryStore } from '../../engine/storage/memory-backend.ts';
import { ValueAccumulators } from '../../operators/accumulators.ts';
import { reduce } from '../../operators/aggregates/reduce.ts';
import { indexOfStart, startAt, windowsOf } from '../../operators/window-cell.ts';
import {
  emptyPartedCell,
  type PartedCell,
  partedStore,
  removeFirst,
  setFinalTo,
  touch,
} from '../../operators/window-parts.ts';

const partMs = 10;
const keys = ['a', 'b', 'c'];
const accumulators = new ValueAccumulators<string, string>(
  reduce((_, value) => value),
  utf8,
);
const spec = partedStore<string, string>('slices', partMs, {
  name: 'store',
  kind: 'window',
  key: utf8,
  accumulators,
  due: (cell) => startAt(cell, 0) ?? Number.POSITIVE_INFINITY,
  rows: function* ({ rows, values, finalTo, now }, key) {
    yield { key, value: { rows, values, finalTo, now } };
  },
});

const open = (): Promise<TaskState> =>
  TaskState.open({
    task: '0_0',
    directory: 'task',
    specs: [spec as unknown as StoreSpec<unknown, unknown>],
    backend: new MemoryBackend(new MemoryStore()),
    cacheBytes: 0,
    saving: { everyMs: 3, leastShare: 1, restoredAfterMs: 2 },
  });

function change(random: SeededRandom, cells: Cells<PartedCell<string>>, value: string): void {
  const known = cells.get();
  const kind = randomBelow(random, 10);
  if (kind === 0) {
    cells.remove();
    return;
  }
  const cell =
    known === undefined || kind === 1 ? emptyPartedCell<string>(accumulators.width) : known;
  if (kind === 2) {
    const count = randomBelow(random, windowsOf(cell) + 1);
    setFinalTo(cell, Math.max(cell.finalTo, startAt(cell, count - 1) ?? 0));
    removeFirst(cell, count, partMs);
  }
  if (kind === 3) cell.now = randomBelow(random, 100);
  if (kind >= 4) {
    const start = randomBelow(random, 60);
    const i = indexOfStart(cell, start);
    touch(cell, start, partMs);
    if (startAt(cell, i) === start) accumulators.add(cell, i, value, start);
    else accumulators.begin(cell, i, start, start + 1, value, start);
  }
  cells.put(cell);
}

/**
 * The log's batches as one list of records, some of which compaction has taken: older ones of a
 * key, and tombstones.
 */
function compacted(random: SeededRandom, batches: readonly PackedBatch[]): PackedBatch[] {
  const records = batches.flatMap((batch) =>
    Array.from({ length: batch.count }, (_, i) => ({
      key: String(batch.key(i)?.toString('hex')),
      batch,
      i,
    })),
  );
  const cleanTo = randomBelow(random, records.length + 1);
  const last = new Map(records.map(({ key }, at) => [key, at]));
  const lastClean = new Map(records.slice(0, cleanTo).map(({ key }, at) => [key, at]));
  const kept = records.filter(({ key, batch, i }, at) => {
    if (at >= cleanTo) return true;
    if (lastClean.get(key) !== at) return false;
    // A tombstone goes when nothing of its key is left before it; the last one of all may have gone
    // long since.
    return batch.value(i) !== null || last.get(key) !== at || randomBelow(random, 2) === 0;
  });
  const split: PackedBatch[] = [];
  let builder = new BatchBuilder();
  kept.forEach(({ batch, i }, at) => {
    builder.append(batch.key(i), batch.value(i), 0, undefined, at);
    if (randomBelow(random, 4) > 0) return;
    split.push(builder.finishAt(null));
    builder = new BatchBuilder();
  });
  if (builder.count > 0) split.push(builder.finishAt(null));
  return split;
}

test.each(Array.from({ length: 60 }, (_, i) => i + 1))(
  'restored is what was there, seed %i',
  async (seed) => {
    const random = new SeededRandom(seed);
    const state = await open();
    const cells = state.cells<PartedCell<string>>(spec);
    const log: PackedBatch[] = [];
    let end = 0;
    for (let commit = 1; commit <= 25; commit++) {
      await state.prefetch(
        keys.map((key) => keyTextOf(utf8.encode(key))),
        Number.NEGATIVE_INFINITY,
      );
      for (let i = 0; i < randomBelow(random, 6); i++) {
        state.keyText = keyTextOf(utf8.encode(keys[randomBelow(random, keys.length)] as string));
        change(random, cells, `${commit}.${i}`);
      }
      state.keyText = '';
      for (const { batch } of state.seal(commit)) {
        log.push(batch);
        end += batch.count;
      }
      await state.commit(commit, new Map([['store', end]]), commit);
      const restored = await open();
      for (const batch of compacted(random, log)) await restored.restore('store', batch, commit);
      expect(await restored.rows('store'), `commit ${commit}`).toEqual(await state.rows('store'));
    }
    const others = log.flatMap((batch) =>
      Array.from({ length: batch.count }, (_, i) => batch.key(i)?.[0]),
    );
    expect(new Set(others)).toEqual(new Set([0, 1, 2]));
  },
);
