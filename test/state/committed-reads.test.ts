/**
 * Who asks while a task works is shown what is committed, and never what a crash could take back.
 * Random work against a model: keys change in memory, are sealed, committed one or two cycles
 * later, saved and evicted in a small cache, while readers ask at every step.
 */
import { describe, expect, test } from 'vitest';
import { must } from '../../engine/base/assert.ts';
import { isMillraceError } from '../../engine/base/errors.ts';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import type { Scratch } from '../../engine/base/scratch.ts';
import type { StoreSpec } from '../../engine/graph/store-spec.ts';
import { utf8 } from '../../engine/serde/utf8.ts';
import { TaskState } from '../../engine/state/task-state.ts';
import { MemoryBackend, MemoryStore } from '../../engine/storage/memory-backend.ts';

interface Cell {
  value: number;
}

const spec = {
  name: 's',
  kind: 'key-value',
  format: 'test',
  key: utf8,
  write: ({ value }: Cell, to: Scratch) => to.text(String(value)),
  decode: (bytes: Buffer, start: number, end: number): Cell => ({
    value: Number(bytes.toString('utf8', start, end)),
  }),
  rows: ({ value }: Cell, key: string) => [{ key, value }],
} as unknown as StoreSpec<unknown, unknown>;

const open = (store: MemoryStore, cacheBytes: number) =>
  TaskState.open({
    ...{ task: '0_0', directory: 'd', specs: [spec], cacheBytes },
    backend: new MemoryBackend(store),
    saving: { everyMs: 0, bytesMost: 1, shareBytes: 1_000 } as never,
  });

async function change(state: TaskState, key: string, value: number | undefined): Promise<void> {
  await state.prefetch([key], Number.NEGATIVE_INFINITY);
  state.keyText = key;
  const cells = state.cells<Cell>(spec);
  if (value === undefined) cells.remove();
  else {
    const cell = cells.get();
    // In place, as operators do.
    if (cell === undefined) cells.put({ value });
    else {
      cell.value = value;
      cells.put(cell);
    }
  }
}

const cellValue = (state: TaskState, key: string, logged = 0) =>
  state.reads.read(['s'], [key], (cellOf) => (cellOf('s', key) as Cell | undefined)?.value, logged);

describe('reads of committed state', () => {
  test('a key that a commit under way has changed is told with that commit', async () => {
    const state = await open(new MemoryStore(), 1_000_000);
    await change(state, 'a', 1);
    const asked = cellValue(state, 'a');
    let told: number | undefined;
    void asked.then((value) => {
      told = value;
    });
    state.seal(1);
    await change(state, 'a', 2);
    await new Promise((done) => setImmediate(done));
    expect(told, 'nothing before the commit').toBeUndefined();
    expect(await cellValue(state, 'b'), 'another key waits for nothing').toBeUndefined();
    await state.commit(1, new Map([['s', 1]]), 0);
    expect(await asked, 'as it was sealed, though it is another by now').toBe(1);
    await state.close();
  });

  test('who waits is told when the task is closed', async () => {
    const state = await open(new MemoryStore(), 1_000_000);
    await change(state, 'a', 1);
    const asked = cellValue(state, 'a').catch((error: unknown) => error);
    await new Promise((done) => setImmediate(done));
    await state.close();
    expect(isMillraceError(await asked, 'STATE_MOVED')).toBe(true);
    const later = await cellValue(state, 'a').catch((error: unknown) => error);
    expect(isMillraceError(later, 'STATE_MOVED')).toBe(true);
  });

  test('a key that changes is told at once where it is kept as it was', async () => {
    const state = await open(new MemoryStore(), 1_000_000);
    state.beginCycle(true);
    await change(state, 'a', 1);
    expect(await cellValue(state, 'a'), 'before the first commit').toBeUndefined();
    state.seal(1);
    state.beginCycle(true);
    await change(state, 'a', 2);
    expect(await cellValue(state, 'a'), 'while the first is under way').toBeUndefined();
    expect(await cellValue(state, 'a', 1), 'the log has it, the task has not heard').toBe(1);
    await state.commit(1, new Map([['s', 1]]), 0);
    expect(await cellValue(state, 'a'), 'changed in place since').toBe(1);
    state.seal(2);
    expect(await cellValue(state, 'a'), 'while the second is under way').toBe(1);
    await state.commit(2, new Map([['s', 2]]), 0);
    expect(await cellValue(state, 'a')).toBe(2);
    await state.close();
  });

  test('between two steps of a seal nothing of it is committed yet', async () => {
    const state = await open(new MemoryStore(), 1_000_000);
    const keys = Array.from({ length: 100 }, (_, i) => `k${i}`);
    const ends = new Map([['s', 1]]);
    for (const key of keys) await change(state, key, 1);
    state.seal(1);
    await state.commit(1, ends, 0);
    for (const isKept of [true, false]) {
      const id = isKept ? 2 : 3;
      state.beginCycle(isKept);
      for (const key of keys) await change(state, key, id);
      const asked: Promise<number | undefined>[] = [];
      const steps = state.sealing(id);
      let count = 0;
      for (let step = steps.next(); step.done !== true; step = steps.next()) {
        count++;
        for (const key of keys) asked.push(cellValue(state, key));
        // So that it is looked at here, and not when all is sealed.
        await new Promise((done) => setImmediate(done));
      }
      expect(count, 'there are steps').toBeGreaterThan(2);
      let told = 0;
      for (const one of asked) void one.then(() => told++);
      await new Promise((done) => setImmediate(done));
      expect(told, 'before the commit').toBe(isKept ? asked.length : 0);
      await state.commit(id, ends, 0);
      // What is kept is told as it was before; who had to wait is told of the commit.
      const value = isKept ? 1 : id;
      expect(new Set(await Promise.all(asked))).toEqual(new Set([value]));
    }
    await state.close();
  });

  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) {
    test(`random work, seed ${seed}`, async () => {
      const random = new SeededRandom(seed);
      const keys = Array.from({ length: 40 }, (_, i) => `k${String(i).padStart(2, '0')}`);
      const state = await open(new MemoryStore(), seed % 2 === 0 ? 4_000 : 1_000_000);
      /** By commit: all that is committed then. */
      const committed = new Map<number, ReadonlyMap<string, number>>([[0, new Map()]]);
      let now = new Map<string, number>();
      let [sealed, done, ends] = [0, 0, 0];
      const checks: Promise<void>[] = [];
      const ask = () => {
        const begun = done;
        const key = must(keys[randomBelow(random, keys.length)], 'a key');
        const seen = cellValue(state, key).then((value) => ({ value, until: done }));
        checks.push(
          seen.then(({ value, until }) => {
            const allowed = [];
            for (let id = begun; id <= until; id++) allowed.push(committed.get(id)?.get(key));
            expect(allowed, `seed ${seed}: ${key} between commits ${begun} and ${until}`).toContain(
              value,
            );
          }),
        );
      };
      const askPage = () => {
        const begun = done;
        const [from, limit] = [must(keys[randomBelow(random, 40)], 'a key'), 7];
        const page = state.reads.keysIn('s', { from }, limit);
        checks.push(
          page.then(({ keyTexts, more }) => {
            expect([...keyTexts].sort(), 'in order').toEqual(keyTexts);
            const last = more ? must(keyTexts.at(-1), 'a last one') : '~';
            // What was there all the time is there.
            const stays = [...(committed.get(begun)?.keys() ?? [])].filter(
              (key) => key >= from && key <= last && stillThere(key, begun),
            );
            expect(keyTexts, `seed ${seed}: page from ${from}`).toEqual(
              expect.arrayContaining(stays),
            );
          }),
        );
      };
      const stillThere = (key: string, since: number) => {
        for (let id = since; id <= done; id++) if (!committed.get(id)?.has(key)) return false;
        return now.has(key);
      };
      const commitNext = async () => {
        done++;
        await state.commit(done, new Map([['s', ++ends]]), 10 * done);
      };
      for (let cycle = 0; cycle < 120; cycle++) {
        now = new Map(now);
        const before = new Map(now);
        // Of the greater seeds, in some cycles many ask.
        state.beginCycle(seed > 6 && randomBelow(random, 3) > 0);
        for (let i = randomBelow(random, 8); i >= 0; i--) {
          const key = must(keys[randomBelow(random, keys.length)], 'a key');
          const value = randomBelow(random, 5) === 0 ? undefined : randomBelow(random, 1_000_000);
          await change(state, key, value);
          if (value === undefined) now.delete(key);
          else now.set(key, value);
          ask();
          if (i % 3 === 0) askPage();
        }
        const isSame = [...before].join() === [...now].join();
        committed.set(++sealed, now);
        const steps = state.sealing(sealed);
        for (let step = steps.next(); step.done !== true; step = steps.next()) {
          ask();
          await new Promise((end) => setImmediate(end));
          // The log's word about a commit before may come at any time.
          if (done < sealed - 1 && randomBelow(random, 2) === 0) await commitNext();
        }
        ask();
        if (isSame) {
          done = sealed;
          continue;
        }
        if (sealed - done > randomBelow(random, 3)) while (done < sealed) await commitNext();
        ask();
      }
      while (done < sealed) await commitNext();
      await Promise.all(checks);
      await state.close();
    });
  }
});
