/** The laws of the StateBackend port (engine/storage/backend.ts), for every adapter. */
import assert from 'node:assert/strict';
import type { BackendFactory } from '../storage/backend.ts';
import { type Law, mustReject } from './law.ts';

/** A factory of a state backend, and where its stores go. */
export interface OpenedBackends {
  readonly backends: BackendFactory;
  /** A directory that does not exist yet. */
  readonly directory: string;
  /** Removes everything that is left. */
  dispose(): Promise<void>;
}

/** How the laws reach a state backend. */
export interface BackendUnderTest {
  /** Called for every law. */
  open(): Promise<OpenedBackends>;
  /** False: stores live only as long as the factory, as in memory. Default true. */
  readonly onDisk?: boolean;
}

const bytes = (...values: number[]) => Buffer.from(values);
const shown = (found: readonly (Buffer | undefined)[]) => found.map((value) => value && [...value]);

/** The laws of a state backend. Each opens a backend with `under.open`, and disposes of it. */
export function backendLaws(under: BackendUnderTest): readonly Law[] {
  const law = (
    name: string,
    check: (backends: BackendFactory, directory: string) => Promise<void>,
  ): Law => ({
    name,
    async check() {
      const { backends, directory, dispose } = await under.open();
      try {
        await check(backends, directory);
      } finally {
        await dispose();
      }
    },
  });
  const { onDisk = true } = under;
  return [...readAndWriteLaws(law), ...lifeLaws(law), ...(onDisk ? diskLaws(law) : [])];
}

type MakeLaw = (
  name: string,
  check: (backends: BackendFactory, directory: string) => Promise<void>,
) => Law;

function readAndWriteLaws(law: MakeLaw): readonly Law[] {
  return [
    law('getMany keeps the order of its keys; an absent key is undefined', async (backends, at) => {
      const store = await backends.open(at);
      await store.write([
        { key: bytes(1), value: bytes(10) },
        { key: bytes(2), value: bytes() },
      ]);
      const found = await store.getMany([bytes(2), bytes(9), bytes(1), bytes(2)]);
      assert.deepEqual(shown(found), [[], undefined, [10], []]);
      assert.deepEqual(await store.getMany([]), []);
      await store.close();
    }),

    law('ranges are in the order of unsigned bytes, from inclusive, to exclusive', rangesHold),

    law('a write replaces and deletes in one go and outlives the store', async (backends, at) => {
      const store = await backends.open(at);
      await store.write([
        { key: bytes(1), value: bytes(1) },
        { key: bytes(2), value: bytes(2) },
      ]);
      const batch = [
        { key: bytes(1), value: undefined },
        { key: bytes(2), value: bytes(3) },
        { key: bytes(9), value: undefined },
      ];
      await store.write(batch, { sync: true });
      await store.close();
      const again = await backends.open(at);
      assert.deepEqual(shown(await again.getMany([bytes(1), bytes(2)])), [undefined, [3]]);
      await again.close();
      await backends.destroy(at);
      const empty = await backends.open(at);
      assert.deepEqual(await empty.range({ from: bytes() }), []);
      await empty.close();
    }),

    law('a flush loses nothing and a range goes on', flushHolds),

    law('a read sees every write that resolved before it began', async (backends, at) => {
      const store = await backends.open(at);
      for (let i = 0; i < 50; i++) {
        await store.write([{ key: bytes(1), value: bytes(i) }]);
        assert.deepEqual(shown(await store.getMany([bytes(1)])), [[i]]);
        assert.deepEqual((await store.range({ from: bytes(1) })).length, 1);
      }
      assert.ok(store.memory() >= 0);
      await store.close();
    }),
  ];
}

function lifeLaws(law: MakeLaw): readonly Law[] {
  return [
    law('stores of two directories are two', async (backends, at) => {
      const [left, right] = [await backends.open(`${at}-l`), await backends.open(`${at}-r`)];
      await left.write([{ key: bytes(1), value: bytes(1) }]);
      assert.deepEqual(await right.getMany([bytes(1)]), [undefined]);
      await Promise.all([left.close(), right.close()]);
      await backends.destroy(`${at}-r`);
      const again = await backends.open(`${at}-l`);
      assert.deepEqual(shown(await again.getMany([bytes(1)])), [[1]]);
      await again.close();
      await backends.destroy(`${at}-l`);
    }),

    law('to destroy what is not there does nothing', (backends, at) => backends.destroy(at)),

    law('a closed store answers nothing any more', async (backends, at) => {
      const store = await backends.open(at);
      await store.close();
      await mustReject(store.getMany([bytes(1)]));
      await mustReject(store.range({ from: bytes() }));
      await mustReject(store.write([{ key: bytes(1), value: bytes(1) }]));
    }),
  ];
}

function diskLaws(law: MakeLaw): readonly Law[] {
  return [
    law('a store that is open elsewhere is refused as locked', async (backends, at) => {
      const store = await backends.open(at);
      const error = await mustReject(backends.open(at), 'STATE_UNAVAILABLE');
      assert.match(String(error), /lock/i);
      await store.close();
      await (await backends.open(at)).close();
    }),

    law('a store that must exist is not made', async (backends, at) => {
      for (const options of [{ create: false }, { readOnly: true }]) {
        await mustReject(backends.open(at, options), 'STORE_CORRUPT');
      }
    }),

    law('a store opened to be read takes no writes', async (backends, at) => {
      const store = await backends.open(at);
      await store.write([{ key: bytes(1), value: bytes(1) }]);
      await store.close();
      const looked = await backends.open(at, { readOnly: true });
      assert.deepEqual(shown(await looked.getMany([bytes(1)])), [[1]]);
      await mustReject(looked.write([{ key: bytes(3), value: bytes(3) }]));
      await looked.close();
    }),
  ];
}

async function rangesHold(backends: BackendFactory, at: string): Promise<void> {
  const store = await backends.open(at);
  const keys = [bytes(0), bytes(1, 0), bytes(1), bytes(127), bytes(128), bytes(255, 255)];
  await store.write(keys.map((key) => ({ key, value: bytes(1) })));
  const range = async (options: Parameters<typeof store.range>[0]) =>
    (await store.range(options)).map(([key]) => [...key].join('.'));
  const every = ['0', '1', '1.0', '127', '128', '255.255'];
  assert.deepEqual(await range({ from: bytes() }), every);
  assert.deepEqual(await range({ from: bytes(), to: null }), every);
  assert.deepEqual(await range({ from: bytes(1), to: bytes(128) }), ['1', '1.0', '127']);
  const last = await range({ from: bytes(1), to: bytes(128), reverse: true, limit: 2 });
  assert.deepEqual(last, ['127', '1.0']);
  assert.deepEqual(await range({ from: bytes(), limit: 1 }), ['0']);
  assert.deepEqual(await range({ from: bytes(5), to: bytes(4) }), []);
  await store.close();
}

async function flushHolds(backends: BackendFactory, at: string): Promise<void> {
  const store = await backends.open(at);
  const keys = Array.from({ length: 2_000 }, (_, i) => Buffer.from(`key ${10_000 + i}`));
  await store.write(keys.map((key, i) => ({ key, value: Buffer.alloc(i % 50, i) })));
  await store.flush();
  await store.write([{ key: keys[3] as Buffer, value: undefined }]);
  const all = await store.range({ from: bytes() });
  const left = keys.filter((_, i) => i !== 3).map(String);
  assert.deepEqual(
    all.map(([key]) => key.toString()),
    left,
  );
  for (const [key, value] of all) {
    assert.equal(value.length, Number(key.toString().slice(4)) % 50);
  }
  const some = await store.range({ from: bytes(), reverse: true, limit: 700 });
  assert.deepEqual([some.length, some[699]?.[0].toString()], [700, 'key 11300']);
  await store.close();
}
