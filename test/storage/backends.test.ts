/** The laws of the StateBackend port (engine/storage/backend.ts), for every adapter. */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { backendLaws } from '../../engine/laws/index.ts';
import type { BackendFactory } from '../../engine/storage/backend.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { onDisk } from './adapters.ts';

const adapters: [string, () => BackendFactory][] = [
  ['memory', () => new MemoryBackends()],
  ...onDisk,
];

const bytes = (...values: number[]) => Buffer.from(values);

const open = (make: () => BackendFactory) => async () => {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-store-'));
  return {
    backends: make(),
    directory: join(folder, 'store'),
    dispose: () => rm(folder, { recursive: true }),
  };
};

describe.each(adapters)('%s', (name, make) => {
  const onDisk = name !== 'memory';
  for (const { name, check } of backendLaws({ open: open(make), onDisk })) test(name, check);
});

describe.each(onDisk)('%s on disk', (_, make) => {
  const at = async () => join(await mkdtemp(join(tmpdir(), 'millrace-store-')), 'store');

  test('a store whose folder is no folder cannot be used, nor destroyed', async () => {
    const folder = await at();
    await writeFile(folder, 'a file');
    await expect(make().destroy(join(folder, '0_0'))).rejects.toMatchObject({
      code: 'STATE_UNAVAILABLE',
    });
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
