/**
 * Cells whose lists grow until they are cut into parts, against plain arrays: through commits,
 * saves, crashes, compaction of the changelog, and restores in memory and on disk.
 */
import { utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { bytesOfKeyText, keyTextOf } from '../../engine/base/bytes.ts';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import type { StoreSpec } from '../../engine/graph/store-spec.ts';
import { BatchBuilder, type PackedBatch } from '../../engine/record/batch.ts';
import { TaskState } from '../../engine/state/task-state.ts';
import { MemoryBackend, MemoryStore } from '../../engine/storage/memory-backend.ts';
import { columnLayout } from '../../operators/cell-codec.ts';
import { changed, type EntryLayout, EntryList, kept, removed } from '../../operators/entry-list.ts';
import { listParts } from '../../operators/list-parts.ts';

interface Cell {
  readonly lists: readonly [EntryList<number>, EntryList<string>];
  head: number;
}

const timed: EntryLayout<number> = {
  ...columnLayout<number, string>(false, 1, utf8),
  wake: ({ columns }, i) => (columns[0] as number[])[i] as number,
};
const named: EntryLayout<string> = columnLayout<string, string>(true, 0, utf8);

const spec: StoreSpec<string, Cell> = {
  name: 'store',
  kind: 'test',
  key: utf8,
  format: 'test',
  due: ({ lists }) => lists[0].wake,
  write: ({ lists, head }, to) => {
    to.float64(head);
    const at = to.length;
    to.skip(4);
    timed.write(to, lists[0].joined(), 0, lists[0].size);
    to.uint32At(at, to.length - at - 4);
    named.write(to, lists[1].joined(), 0, lists[1].size);
  },
  decode: (bytes, start, end) => {
    const middle = start + 12 + bytes.readUInt32LE(start + 8);
    return {
      head: bytes.readDoubleLE(start),
      lists: [
        new EntryList(timed, timed.decode(bytes, start + 12, middle)),
        new EntryList(named, named.decode(bytes, middle, end)),
      ],
    };
  },
  parts: listParts<Cell>({
    lists: ({ lists }) => lists as never,
    empty: () => ({ head: 0, lists: [EntryList.inParts(timed), EntryList.inParts(named)] }),
    writeHead: ({ head }, to) => to.float64(head),
    readHead: (cell, head) => {
      cell.head = head.readDoubleLE(0);
    },
  }),
  rows: function* ({ lists, head }, key) {
    yield {
      key,
      value: {
        head,
        timed: [...lists[0].all()].map(({ keys, columns, i }) => [
          keys[i],
          columns[0]?.[i],
          columns[1]?.[i],
        ]),
        named: [...lists[1].all()].map(({ keys, columns, i }) => [keys[i], columns[0]?.[i]]),
      },
    };
  },
};

/** What the rows must be. */
interface Plain {
  head: number;
  timed: [number, number, string][];
  named: [string, string][];
}

const open = (store: MemoryStore, cacheBytes: number): Promise<TaskState> =>
  TaskState.open({
    task: '0_0',
    directory: 'task',
    specs: [spec as unknown as StoreSpec<unknown, unknown>],
    backend: new MemoryBackend(store),
    cacheBytes,
    saving: { everyMs: 3, leastShare: 1, restoredAfterMs: 2 },
  });

const never = Number.POSITIVE_INFINITY;

function change(random: SeededRandom, cell: Cell, plain: Plain): void {
  const [list, names] = cell.lists;
  const value = `${random.next()}`.repeat(1 + randomBelow(random, 16));
  const kind = randomBelow(random, 12);
  if (kind < 5) {
    // Many at one instant; mostly later ones.
    const at =
      kind < 3 ? (plain.timed.at(-1)?.[0] ?? 0) + randomBelow(random, 2) : randomBelow(random, 50);
    const wake = randomBelow(random, 3) === 0 ? at : never;
    list.insert(at, wake, value);
    const i = plain.timed.findIndex(([time]) => time > at);
    plain.timed.splice(i < 0 ? plain.timed.length : i, 0, [at, wake, value]);
  } else if (kind < 8) {
    const name = `${randomBelow(random, 400)}`;
    const place = names.find(name);
    const i = plain.named.findIndex(([known]) => known >= name);
    if (plain.named[i]?.[0] === name) {
      if (place === undefined) throw new Error(`${name} is not found`);
      if (kind === 7) {
        names.remove(place);
        plain.named.splice(i, 1);
        return;
      }
      (place.columns[0] as string[])[place.i] = value;
      names.change(place);
      (plain.named[i] as [string, string])[1] = value;
    } else {
      expect(place).toBeUndefined();
      names.insert(name, value);
      plain.named.splice(i < 0 ? plain.named.length : i, 0, [name, value]);
    }
  } else if (kind === 8) {
    const [from, to] = [randomBelow(random, 60), randomBelow(random, 60)];
    const seen: number[] = [];
    list.scan(from, to, ({ keys, columns }, i) => {
      seen.push(keys[i] as number);
      if (columns[0]?.[i] === never) return kept;
      (columns[0] as number[])[i] = never;
      return changed;
    });
    const inside = plain.timed.filter(([at]) => at >= from && at <= to);
    expect(seen).toEqual(inside.map(([at]) => at));
    for (const entry of inside) entry[1] = never;
  } else if (kind === 9) {
    const until = randomBelow(random, 20);
    list.scanWaking(until, ({ columns }, i) =>
      ((columns[0] as number[])[i] as number) <= until ? removed : kept,
    );
    plain.timed = plain.timed.filter(([, wake]) => wake > until);
  } else if (kind === 10) {
    const at = randomBelow(random, 60);
    const place = list.atOrBefore(at);
    const last = plain.timed.filter(([time]) => time <= at).at(-1);
    expect(
      place && [place.keys[place.i], place.columns[0]?.[place.i], place.columns[1]?.[place.i]],
    ).toEqual(last);
  } else {
    cell.head++;
    plain.head++;
  }
}

/**
 * The log's batches as one list of records, some of which compaction has taken: older ones of a
 * key, and tombstones.
 */
function compacted(
  random: SeededRandom,
  batches: readonly PackedBatch[],
  from: number,
): PackedBatch[] {
  const records = batches.flatMap((batch) =>
    Array.from({ length: batch.count }, (_, i) => ({
      key: String(batch.key(i)?.toString('hex')),
      batch,
      i,
    })),
  );
  const cleanTo = from > 0 ? 0 : randomBelow(random, records.length + 1);
  const lastClean = new Map(records.slice(0, cleanTo).map(({ key }, at) => [key, at]));
  const tombstonesTo = randomBelow(random, cleanTo + 1);
  const split: PackedBatch[] = [];
  let builder = new BatchBuilder();
  records.forEach(({ key, batch, i }, at) => {
    if (at < from) return;
    if (at < cleanTo && lastClean.get(key) !== at) return;
    if (at < tombstonesTo && batch.value(i) === null) return;
    builder.append(batch.key(i), batch.value(i), 0, undefined, at);
    if (randomBelow(random, 40) > 0) return;
    split.push(builder.finishAt(null));
    builder = new BatchBuilder();
  });
  if (builder.count > 0) split.push(builder.finishAt(null));
  return split;
}

const keys = ['a', 'b'];

test.each(Array.from({ length: 12 }, (_, i) => i + 1))(
  'lists in parts: what is there, saved and restored, is what was put, seed %i',
  async (seed) => {
    const random = new SeededRandom(seed);
    const plain = new Map<string, Plain>();
    const disk = new MemoryStore();
    const cacheBytes = seed % 2 === 0 ? 0 : 1_000_000;
    let state = await open(disk, cacheBytes);
    const log: PackedBatch[] = [];
    let end = 0;
    const expected = () =>
      [...plain].sort().map(([key, value]) => ({
        key,
        value: {
          ...value,
          timed: value.timed.map(([at, wake, text]) => [at, wake, text]),
        },
      }));
    for (let commit = 1; commit <= 30; commit++) {
      await state.prefetch(
        keys.map((key) => keyTextOf(utf8.encode(key))),
        Number.NEGATIVE_INFINITY,
      );
      const cells = state.cells<Cell>(spec);
      for (let n = randomBelow(random, 60); n > 0; n--) {
        const key = keys[randomBelow(random, keys.length)] as string;
        state.keyText = keyTextOf(utf8.encode(key));
        if (randomBelow(random, 500) === 0) {
          cells.remove();
          plain.delete(key);
          continue;
        }
        const cell = cells.get() ?? {
          head: 0,
          lists: [new EntryList(timed), new EntryList(named)] as const,
        };
        const copy = plain.get(key) ?? { head: 0, timed: [], named: [] };
        plain.set(key, copy);
        change(random, cell, copy);
        expect(cell.lists[0].size).toBe(copy.timed.length);
        expect(cell.lists[1].size).toBe(copy.named.length);
        expect(cell.lists[0].wake).toBe(Math.min(never, ...copy.timed.map(([, wake]) => wake)));
        cells.put(cell);
      }
      state.keyText = '';
      for (const { batch } of state.seal(commit)) {
        log.push(batch);
        end += batch.count;
      }
      await state.commit(commit, new Map([['store', end]]), commit);
      expect(await state.rows('store'), `commit ${commit}`).toEqual(expected());
      if (randomBelow(random, 4) > 0) continue;
      // A crash: what the disk has, and the changelog from there on; or nothing, and all of it.
      if (randomBelow(random, 2) === 0) await state.close();
      if (randomBelow(random, 3) === 0)
        disk.apply(
          [...disk.values.keys()].map((id) => ({ key: bytesOfKeyText(id), value: undefined })),
        );
      state = await open(disk, cacheBytes);
      const from = state.meta('store').position;
      for (const batch of compacted(random, log, from)) await state.restore('store', batch, commit);
      expect(await state.rows('store'), `restored at ${commit} from ${from}`).toEqual(expected());
    }
    const tags = new Set(
      log.flatMap((batch) => Array.from({ length: batch.count }, (_, i) => batch.key(i)?.[0])),
    );
    expect(tags).toEqual(new Set([0, 1, 2, 4]));
  },
);
