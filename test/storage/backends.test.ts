/** The laws of the StateBackend port (engine/storage/backend.ts), for every adapter. */
import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { BackendFactory } from '../../engine/storage/backend.ts';
import { MemoryBackends } from '../../engine/storage/memory.ts';
import { onDisk } from './adapters.ts';

const adapters: [string, () => BackendFactory][] = [
  ['memory', () => new MemoryBackends()],
  ...onDisk,
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

  law('a flush loses nothing and a range goes on', async (backends, at) => {
    const store = await backends.open(at);
    const keys = Array.from({ length: 2_000 }, (_, i) => Buffer.from(`key ${10_000 + i}`));
    await store.write(keys.map((key, i) => ({ key, value: Buffer.alloc(i % 50, i) })));
    await store.flush();
    await store.write([{ key: keys[3] as Buffer, value: undefined }]);
    const all = await store.range({ from: bytes() });
    expect(all.map(([key]) => key.toString())).toEqual(keys.filter((_, i) => i !== 3).map(String));
    expect(all.every(([key, value]) => value.length === Number(key.toString().slice(4)) % 50)).toBe(
      true,
    );
    const some = await store.range({ from: bytes(), reverse: true, limit: 700 });
    expect(some.length).toBe(700);
    expect(some[699]?.[0].toString()).toBe('key 11300');
    await store.close();
  });

  law('a closed store answers nothing any more', async (backends, at) => {
    const store = await backends.open(at);
    await store.close();
    await expect(store.getMany([bytes(1)])).rejects.toThrow();
  });
});

describe.each(onDisk)('%s on disk', (_, make) => {
  const at = async () => join(await mkdtemp(join(tmpdir(), 'millrace-store-')), 'store');

  test('a store that is open elsewhere is refused as locked', async () => {
    const folder = await at();
    const store = await make().open(folder);
    const second = make().open(folder);
    await expect(second).rejects.toMatchObject({ code: 'STATE_UNAVAILABLE' });
    await expect(second).rejects.toThrow(/lock/i);
    await store.close();
    await (await make().open(folder)).close();
  });

  test('a store that must exist is not made', async () => {
    const folder = await at();
    for (const options of [{ create: false }, { readOnly: true }]) {
      await expect(make().open(folder, options)).rejects.toMatchObject({ code: 'STORE_CORRUPT' });
    }
  });

  test('to look at a store changes no file of it, and sees its write-ahead log', async () => {
    const folder = await at();
    const store = await make().open(folder);
    await store.write([{ key: bytes(1), value: bytes(1) }]);
    await store.flush();
    await store.write([{ key: bytes(2), value: bytes(2) }], { sync: true });
    const copy = `${folder}-copy`;
    await cp(folder, copy, { recursive: true });
    await store.close();
    const before = await contentsOf(copy);
    const looked = await make().open(copy, { readOnly: true });
    expect((await looked.range({ from: bytes() })).map(([key]) => [...key])).toEqual([[1], [2]]);
    await expect(looked.write([{ key: bytes(3), value: bytes(3) }])).rejects.toThrow();
    await looked.close();
    expect(await contentsOf(copy)).toEqual(before);
  });
});

/** What each file holds, but for the database's own diary and lock. */
async function contentsOf(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const name of await readdir(folder)) {
    if (/^LOG|^LOCK$/.test(name)) continue;
    found[name] = (await readFile(join(folder, name))).toString('base64');
  }
  return found;
}
