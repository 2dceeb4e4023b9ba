/**
 * The backend lags behind the commits: whatever of it a crash leaves, the changelog makes it whole.
 */
import { expect, test } from 'vitest';
import { must } from '../../engine/base/assert.ts';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import type { Scratch } from '../../engine/base/scratch.ts';
import type { StoreSpec } from '../../engine/graph/store-spec.ts';
import type { PackedBatch } from '../../engine/record/batch.ts';
import { utf8 } from '../../engine/serde/utf8.ts';
import type { Saving } from '../../engine/state/saver.ts';
import { type StoreChanges, TaskState } from '../../engine/state/task-state.ts';
import type { StateBackend } from '../../engine/storage/backend.ts';
import { MemoryBackend, MemoryStore } from '../../engine/storage/memory-backend.ts';

interface Cell {
  value: number;
  due: number;
}

type Model = Map<string, Map<string, Cell>>;

const never = Number.POSITIVE_INFINITY;
/** The store in which nothing is ever due: what is restored of it stays bytes. */
const packed = 'c';

function specOf(name: string): StoreSpec<Cell, string> {
  return {
    name,
    format: 'test',
    key: utf8,
    write: ({ value, due }: Cell, to: Scratch) => to.text(JSON.stringify([value, due])),
    decode: (bytes: Buffer, start: number, end: number): Cell => {
      const [value, due] = JSON.parse(bytes.toString('utf8', start, end));
      return { value, due: due ?? never };
    },
    ...(name === packed ? {} : { due: ({ due }: Cell) => due }),
    rows: ({ value }: Cell, key: string) => [{ key, value }],
  } as unknown as StoreSpec<Cell, string>;
}

const specs = ['a', 'b', packed].map(specOf) as unknown as StoreSpec<unknown, unknown>[];
const keys = Array.from({ length: 12 }, (_, i) => `k${i}`);

/** Counts what is written, and fails when told to. */
class Watched implements StateBackend {
  writes = 0;
  failing = false;
  readonly #inner: MemoryBackend;
  constructor(store: MemoryStore) {
    this.#inner = new MemoryBackend(store);
  }
  getMany(all: readonly Uint8Array[]) {
    return this.#inner.getMany(all);
  }
  range(options: Parameters<StateBackend['range']>[0]) {
    return this.#inner.range(options);
  }
  async write(batch: Parameters<StateBackend['write']>[0]): Promise<void> {
    if (this.failing) throw new Error('the disk is full');
    this.writes += batch.length;
    await this.#inner.write(batch);
  }
  flush() {
    return this.#inner.flush();
  }
  memory() {
    return this.#inner.memory();
  }
  close() {
    return this.#inner.close();
  }
}

type Given = Omit<Saving, 'restoredAfterMs'> & Partial<Saving> & { readonly cacheBytes: number };

class Bench {
  readonly store = new MemoryStore();
  readonly log = new Map<string, PackedBatch[]>(specs.map(({ name }) => [name, []]));
  /** What operators see, by store, and what of it is committed. */
  model: Model = new Map(specs.map(({ name }) => [name, new Map()]));
  committed = this.model;
  /** Sealed, and not committed yet. */
  readonly pending: { commitId: number; changes: readonly StoreChanges[]; model: Model }[] = [];
  backend = new Watched(this.store);
  state!: TaskState;
  commitId = 0;
  /** The number of store a that is committed. */
  last: number | undefined;
  now = 0;
  /** How many batches were replayed at the last opening. */
  replayed = 0;

  readonly saving: Saving & { cacheBytes: number };

  /** What is restored is saved at once, unless it is said otherwise. */
  constructor(saving: Given) {
    this.saving = { restoredAfterMs: 0, ...saving };
  }

  async open(): Promise<void> {
    await this.openState();
    for (const { name } of specs) await this.replay(name);
    expect(this.state.cells({ name: 'a' }).number('last')).toBe(this.last);
  }

  /** Nothing is replayed yet. */
  async openState(): Promise<void> {
    this.backend = new Watched(this.store);
    const { cacheBytes, ...saving } = this.saving;
    const options = { task: '0_0', directory: 'd', specs, backend: this.backend, cacheBytes };
    this.state = await TaskState.open({ ...options, saving });
    this.replayed = 0;
    this.pending.length = 0;
    this.model = this.committed;
  }

  async replay(name: string): Promise<void> {
    const all = this.log.get(name) as PackedBatch[];
    for (let from = this.state.meta(name).position; from < all.length; from++) {
      await this.replayOne(name, from);
    }
  }

  async replayOne(name: string, from: number): Promise<void> {
    // Offsets count commits here; a batch says where it ends by itself.
    const batch = this.log.get(name)?.[from] as PackedBatch;
    await this.state.restore(name, Object.create(batch, { nextOffset: { value: from + 1 } }), 0);
    this.replayed++;
  }

  async cycle(random: SeededRandom): Promise<void> {
    await this.work(random);
    await this.commit();
  }

  /**
   * Draws changes of some keys and seals them. `amid` is called when operators have some of the
   * keys' cells and not yet the others'.
   */
  async work(random: SeededRandom, amid = async () => {}): Promise<void> {
    const touched = keys.filter(() => randomBelow(random, 3) === 0);
    await this.state.prefetch(touched, randomBelow(random, 40));
    const next = new Map([...this.model].map(([name, rows]) => [name, new Map(rows)]));
    for (const { name } of specs) {
      const cells = this.state.cells<Cell>({ name });
      if (name === 'b') await amid();
      for (const key of touched) {
        this.state.keyText = key;
        const before = cells.get();
        expect(before).toEqual(this.model.get(name)?.get(key));
        if (randomBelow(random, 3) === 0) {
          if (before === undefined) {
            cells.put({ value: 0, due: 5 });
          }
          cells.remove();
          next.get(name)?.delete(key);
          continue;
        }
        const isDue = name !== packed && randomBelow(random, 3) > 0;
        const due = isDue ? randomBelow(random, 50) : never;
        const cell = { value: randomBelow(random, 1_000), due };
        cells.put(cell);
        next.get(name)?.set(key, { ...cell });
      }
    }
    this.state.keyText = '';
    this.commitId++;
    // Not with each commit: what is not told anew stands.
    if (this.commitId % 3 !== 0) this.state.cells({ name: 'a' }).setNumber('last', this.commitId);
    const changes = this.state.seal(this.commitId);
    this.model = next;
    this.pending.push({ commitId: this.commitId, changes, model: next });
  }

  /** The first of what is sealed is committed. */
  async commit(): Promise<void> {
    const { commitId, changes, model } = must(this.pending.shift(), 'something is sealed');
    for (const { store, batch } of changes) this.log.get(store)?.push(batch);
    const ends = new Map(changes.map(({ store }) => [store, this.log.get(store)?.length ?? 0]));
    this.committed = model;
    if (commitId % 3 !== 0) this.last = commitId;
    await this.state.commit(commitId, ends, this.now);
  }

  async check(): Promise<void> {
    for (const [name, rows] of this.model) {
      const expected = [...rows].map(([key, { value }]) => ({ key, value })).sort(byKey);
      expect(await this.state.rows(name)).toEqual(expected);
      await this.state.prefetch([], Number.MAX_SAFE_INTEGER);
      const due = [...rows].filter(([, cell]) => cell.due < never);
      const ordered = due.sort((x, y) => x[1].due - y[1].due || (x[0] < y[0] ? -1 : 1));
      expect(this.state.cells({ name }).dueKeys(Number.MAX_SAFE_INTEGER)).toEqual(
        ordered.map(([key]) => key),
      );
    }
  }
}

const byKey = (a: { key: string }, b: { key: string }) => (a.key < b.key ? -1 : 1);

test.each([
  { everyMs: 0, leastShare: 1, restoredAfterMs: 0, cacheBytes: 1_000_000 },
  { everyMs: 3, leastShare: 2, restoredAfterMs: 2, cacheBytes: 1_000_000 },
  { everyMs: 1_000_000, leastShare: 1, restoredAfterMs: 5, cacheBytes: 6_000 },
  { everyMs: 5, leastShare: 3, restoredAfterMs: 3, cacheBytes: 0 },
])('any crash, at any share of a cut: %o', async (saving) => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new SeededRandom(seed);
    const bench = new Bench(saving);
    await bench.open();
    for (let i = 0; i < 40; i++) {
      bench.now += randomBelow(random, 3);
      const end = randomBelow(random, 12);
      // Commits are told of amid the work of one of the next cycles, or when that is sealed.
      const early = randomBelow(random, 2) === 0;
      const commitBefore = async () => {
        if (bench.pending.length > 0) await bench.commit();
      };
      await bench.work(random, early ? commitBefore : undefined);
      while (bench.pending.length > 1 + randomBelow(random, 2)) await commitBefore();
      if (randomBelow(random, 2) === 0 && end !== 0) await commitBefore();
      if (end === 1) await bench.check();
      if (end > 2) continue;
      // A crash, or an end: after a commit, or before it.
      if (end !== 1) await bench.state.close();
      await bench.open();
      await bench.check();
    }
  }
});

test('a cell that changes with each commit is written once an interval', async () => {
  const bench = new Bench({ everyMs: 100, leastShare: 2_000, cacheBytes: 1_000_000 });
  await bench.open();
  const writesOf = async (from: number, to: number) => {
    const before = bench.backend.writes;
    for (bench.now = from; bench.now < to; bench.now++) await bench.cycle(new SeededRandom(1));
    return bench.backend.writes - before;
  };
  const first = await writesOf(0, 1);
  expect(first).toBeGreaterThan(3);
  expect(await writesOf(1, 101)).toBe(0);
  expect(await writesOf(101, 102)).toBeGreaterThan(3);
  await bench.cycle(new SeededRandom(2));
  await bench.state.close();
  await bench.open();
  // What is closed in order has nothing to replay.
  expect(bench.replayed).toBe(0);
});

/** After five commits, of which the disk has lost everything. */
async function lost(saving: Given): Promise<Bench> {
  const bench = new Bench(saving);
  await bench.open();
  for (let i = 0; i < 5; i++) await bench.cycle(new SeededRandom(i));
  bench.store.values.clear();
  return bench;
}

test('what was empty is restored in memory, and saved with the commits that follow, a share with each', async () => {
  const bench = await lost({ everyMs: 1_000_000, leastShare: 2, cacheBytes: 1_000_000 });
  await bench.open();
  await bench.check();
  expect(bench.backend.writes).toBe(0);
  const restoredTo = bench.commitId;
  const written: number[] = [];
  for (let before = 0; written.at(-1) !== 0; before = bench.backend.writes) {
    await bench.cycle(new SeededRandom(9));
    written.push(bench.backend.writes - before);
  }
  expect(written.length).toBeGreaterThan(5);
  // Two cells, each with two entries of the index at most, and at the end of a cut four positions.
  expect(Math.max(...written)).toBeLessThanOrEqual(2 * 3 + 4);
  // Nothing that was restored is to be replayed.
  await bench.open();
  expect(bench.replayed).toBeLessThanOrEqual(specs.length * (bench.commitId - restoredTo));
  await bench.check();
});

test('what was restored is left alone while the first results are waited for', async () => {
  const bench = await lost({
    everyMs: 1_000_000,
    leastShare: 2,
    restoredAfterMs: 10,
    cacheBytes: 1_000_000,
  });
  await bench.open();
  for (const now of [0, 9, 10]) {
    bench.now = now;
    await bench.cycle(new SeededRandom(9));
    expect(bench.backend.writes).toBe(0);
  }
  // The commit before was ten ms after the first.
  await bench.cycle(new SeededRandom(9));
  expect(bench.backend.writes).toBeGreaterThan(0);
});

test('a restore in memory is saved when the task is closed before any commit', async () => {
  const bench = await lost({ everyMs: 1_000, leastShare: 2_000, cacheBytes: 1_000_000 });
  await bench.open();
  await bench.state.close();
  await bench.open();
  expect(bench.replayed).toBe(0);
  await bench.check();
});

test('what a first cut left behind without its positions is not believed', async () => {
  const bench = new Bench({ everyMs: 0, leastShare: 1, cacheBytes: 1_000_000 });
  await bench.open();
  await bench.cycle(new SeededRandom(1));
  expect(bench.store.values.size).toBeGreaterThan(0);
  // Another has deleted all keys since, and compaction has taken away what said so.
  for (const { name } of specs) {
    bench.log.set(name, []);
    bench.committed.set(name, new Map());
  }
  bench.last = undefined;
  await bench.open();
  await bench.check();
  expect(bench.store.values.size).toBe(0);
});

test('a store that is emptied is restored anew, into the cells that operators hold', async () => {
  for (const cacheBytes of [0, 1_000_000]) {
    const bench = new Bench({ everyMs: 0, leastShare: 100, cacheBytes });
    await bench.open();
    const random = new SeededRandom(7);
    for (let i = 0; i < 5; i++) await bench.cycle(random);
    const held = bench.state.cells<Cell>({ name: 'a' });
    await bench.state.reset('a');
    expect(bench.state.meta('a')).toEqual({ numbers: {}, position: 0, commitId: 0, readAt: 0 });
    await bench.replay('a');
    expect(bench.state.cells<Cell>({ name: 'a' })).toBe(held);
    await bench.check();
    for (let i = 0; i < 5; i++) await bench.cycle(random);
    await bench.check();
    await bench.open();
    await bench.check();
  }
});

function isOnDisk({ store }: Bench): boolean {
  return [...store.values.keys()].some((key) => key.startsWith(`\x01${packed}\x01`));
}

test('what stays bytes after a restore leaves memory when that is short, and is found on disk', async () => {
  // Room for what is packed, or for the entries of some cells, of each store; not for both.
  const bench = await lost({ everyMs: 1_000_000, leastShare: 1_000, cacheBytes: 3 * 900 });
  await bench.open();
  const rows = await bench.state.rows(packed);
  expect(rows.length).toBeGreaterThan(3);
  expect(isOnDisk(bench)).toBe(false);
  // The first commit saves it, and then other cells take the room.
  for (let i = 0; i < 6; i++) await bench.cycle(new SeededRandom(20 + i));
  expect(isOnDisk(bench)).toBe(true);
  await bench.check();
});

test('a restore for which there is no room goes to disk at once', async () => {
  const bench = await lost({ everyMs: 1_000_000, leastShare: 2, cacheBytes: 900 });
  await bench.open();
  expect(isOnDisk(bench)).toBe(true);
  await bench.check();
});

test('stores may be restored in turns', async () => {
  const bench = await lost({ everyMs: 1_000_000, leastShare: 2, cacheBytes: 900 });
  await bench.openState();
  for (let i = 0; i < 5; i++) {
    // What is packed comes first, and is saved when there is no room for the others.
    for (const { name } of [...specs].reverse()) await bench.replayOne(name, i);
  }
  await bench.check();
  await bench.state.close();
  await bench.open();
  expect(bench.replayed).toBe(0);
  await bench.check();
});

test('nothing is left of a store that is emptied before what was restored is saved', async () => {
  const bench = await lost({ everyMs: 1_000_000, leastShare: 2, cacheBytes: 1_000_000 });
  await bench.open();
  for (const { name } of specs) {
    await bench.state.reset(name);
    expect(await bench.state.rows(name)).toEqual([]);
  }
});

test('a restore that failed is not taken for done when the task is closed', async () => {
  // Without a cache it goes to disk at once.
  const bench = await lost({ everyMs: 1_000, leastShare: 2_000, cacheBytes: 0 });
  // The disk does not take it.
  const failing = new Watched(bench.store);
  const options = { task: '0_0', directory: 'd', specs, backend: failing, cacheBytes: 0 };
  const state = await TaskState.open(options);
  failing.failing = true;
  const [batch] = bench.log.get('a') as PackedBatch[];
  await expect(state.restore('a', batch as PackedBatch, 0)).rejects.toThrow('the disk is full');
  failing.failing = false;
  await state.close();
  expect(bench.store.values.size).toBe(0);
});

test('after a write that failed no positions are written', async () => {
  const bench = new Bench({ everyMs: 0, leastShare: 1, cacheBytes: 1_000_000 });
  await bench.open();
  for (let i = 0; i < 3; i++) await bench.cycle(new SeededRandom(i));
  bench.backend.failing = true;
  await expect(bench.cycle(new SeededRandom(9))).rejects.toThrow('the disk is full');
  bench.backend.failing = false;
  await bench.state.close();
  await bench.open();
  expect(bench.replayed).toBeGreaterThan(0);
  await bench.check();
});
