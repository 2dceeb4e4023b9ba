/**
 * Damage on disk: a damaged log is refused, damaged state is wiped and restored by itself, and
 * results are right in either case. `npm run damage` does more of it.
 */
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type BackendName, backendsOf } from '../../engine/storage/backends.ts';
import { onDisk } from '../storage/adapters.ts';
import { badOutcomes, damage } from './damage.ts';
import { look, write } from './job.ts';

const seed = Number(process.env['MILLRACE_SEED'] ?? 5);

describe.each(onDisk.map(([name]) => name as BackendName))('over %s', (backend) => {
  let folder = '';
  let copy = '';
  let intact = '';

  beforeAll(async () => {
    const work = await mkdtemp(join(tmpdir(), 'millrace-damage-'));
    folder = join(work, 'data');
    copy = join(work, 'copy');
    await write(folder, backend);
    await cp(folder, copy, { recursive: true });
    intact = (await look(copy, backend)).content;
  });
  afterAll(() => rm(join(folder, '..'), { recursive: true, force: true, maxRetries: 5 }));

  const fresh = async () => {
    await rm(copy, { recursive: true, force: true, maxRetries: 5 });
    await cp(folder, copy, { recursive: true });
  };
  const state = (task: string) => join(copy, 'state', task);
  const wal = async (task: string) => {
    const names = (await readdir(state(task))).filter((name) => name.endsWith('.log'));
    const files = await Promise.all(
      names.map(async (name) => {
        const file = join(state(task), name);
        return { file, bytes: await readFile(file) };
      }),
    );
    return files.sort((a, b) => b.bytes.byteLength - a.bytes.byteLength)[0] as (typeof files)[0];
  };

  test(`random single faults over every file are never silent, seed ${seed}`, async () => {
    const bad: unknown[] = [];
    const counts = await damage({
      ...{ backend, seed, faults: 40 },
      bad: (fault, outcome) => bad.push([outcome, fault]),
    });
    expect(bad).toEqual([]);
    expect(badOutcomes(counts)).toEqual([]);
    expect(counts.get('restored')).toBeGreaterThan(0);
    expect(counts.get('LOG_CORRUPT')).toBeGreaterThan(0);
  }, 300_000);

  test('a bit flipped early in a full write-ahead log of state: wiped, restored, told once', async () => {
    for (const part of [0.1, 0.4]) {
      await fresh();
      const { file, bytes } = await wal('1_0');
      const at = Math.floor(bytes.byteLength * part);
      bytes[at] = (bytes[at] as number) ^ 4;
      await writeFile(file, bytes);
      const { content, wiped } = await look(copy, backend);
      expect(content === intact).toBe(true);
      expect(wiped.length).toBeLessThanOrEqual(1);
      expect((await look(copy, backend)).wiped).toEqual([]);
    }
  });

  test("another task's state is not taken", async () => {
    await fresh();
    await rm(state('1_1'), { recursive: true });
    await cp(state('1_0'), state('1_1'), { recursive: true });
    const { content, wiped } = await look(copy, backend);
    expect(wiped).toEqual(['1_1']);
    expect(content === intact).toBe(true);
    expect((await look(copy, backend)).wiped).toEqual([]);
  });

  test("another task's write-ahead log, or another application's state, is not taken", async () => {
    await fresh();
    const [one, other] = [await wal('1_0'), await wal('1_1')];
    await writeFile(one.file, other.bytes);
    const { content, wiped } = await look(copy, backend);
    expect(content === intact).toBe(true);
    expect(wiped).toContain('1_0');
  });

  test('a damaged cell that is found while the job runs is restored by itself', async () => {
    await fresh();
    const store = await backendsOf(backend).open(state('1_0'));
    const cells = await store.range({ from: Buffer.from([1]) });
    const [key, value] = cells.find(([, bytes]) => bytes.byteLength > 30) as [Buffer, Buffer];
    value[8] = (value[8] as number) ^ 4;
    await store.write([{ key, value }]);
    await store.close();
    const { content, wiped } = await look(copy, backend);
    expect(content === intact).toBe(true);
    expect(wiped).toEqual(['1_0']);
    expect((await look(copy, backend)).wiped).toEqual([]);
  });
});
