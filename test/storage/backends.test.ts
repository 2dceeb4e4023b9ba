/** The laws of the StateBackend port (engine/storage/backend.ts), for every adapter. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BackendFactory } from '../../engine/storage/backend.ts';
import { MemoryBackends } from '../../engine/storage/memory.ts';
import { rocksBackends } from '../../engine/storage/rocksdb.ts';

const adapters: [string, () => BackendFactory][] = [
  ['memory', () => new MemoryBackends()],
  ['rocksdb', () => rocksBackends],
];

const bytes = (...values: number[]) => Buffer.from(values);

describe.each(adapters)('%s', (_, make) => {
  const law = (name: string, check: (backends: BackendFactory, at: string) => Promise<void>) =>
    test(name, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'millrace-store-'));
      await check(make(), join(folder, 'store'));
      await rm(folder, { recursive: true });
    });

  law('getMany keeps the order of its keys; an absent key is undefined', async (backends, at) => {
    const store = await backends.open(at);
    await store.write([
      { key: bytes(1), value: bytes(10) },
      { key: bytes(2), value: bytes() },
    ]);
    const found = await store.getMany([bytes(2), bytes(9), bytes(1)]);
    expect(found.map((value) => value && [...value])).toEqual([[], undefined, [10]]);
    expect(await store.getMany([])).toEqual([]);
    await store.close();
  });

  law(
    'ranges are in the order of unsigned bytes, from inclusive, to exclusive',
    async (backends, at) => {
      const store = await backends.open(at);
      const keys = [bytes(0), bytes(1, 0), bytes(1), bytes(127), bytes(128), bytes(255, 255)];
      await store.write(keys.map((key) => ({ key, value: bytes(1) })));
      const range = async (options: Parameters<typeof store.range>[0]) =>
        (await store.range(options)).map(([key]) => [...key].join('.'));
      expect(await range({ from: bytes() })).toEqual(['0', '1', '1.0', '127', '128', '255.255']);
      expect(await range({ from: bytes(1), to: bytes(128) })).toEqual(['1', '1.0', '127']);
      expect(await range({ from: bytes(1), to: bytes(128), reverse: true, limit: 2 })).toEqual([
        '127',
        '1.0',
      ]);
      expect(await range({ from: bytes(5), to: bytes(4) })).toEqual([]);
      await store.close();
    },
  );

  law('a write replaces and deletes in one go and outlives the store', async (backends, at) => {
    const store = await backends.open(at);
    await store.write([
      { key: bytes(1), value: bytes(1) },
      { key: bytes(2), value: bytes(2) },
    ]);
    const batch = [
      { key: bytes(1), value: undefined },
      { key: bytes(2), value: bytes(3) },
    ];
    await store.write(batch, { sync: true });
    await store.close();
    const again = await backends.open(at);
    expect((await again.getMany([bytes(1), bytes(2)])).map((v) => v && [...v])).toEqual([
      undefined,
      [3],
    ]);
    await again.close();
    await backends.destroy(at);
    const empty = await backends.open(at);
    expect(await empty.range({ from: bytes() })).toEqual([]);
    await empty.close();
  });

  law('a closed store answers nothing any more', async (backends, at) => {
    const store = await backends.open(at);
    await store.close();
    await expect(store.getMany([bytes(1)])).rejects.toThrow();
  });
});
