/** Folders that earlier versions wrote still open: UPGRADING.md. One fixture a format. */
import { cp, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openEmbeddedLog } from '../../engine/log/embedded/open-embedded-log.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { rocksBackends } from '../../engine/storage/rocksdb.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { job } from './job.ts';

const formats = ['format-1'];

async function copyOf(format: string): Promise<string> {
  const folder = join(await mkdtemp(join(tmpdir(), 'millrace-upgrade-')), 'data');
  await cp(join(import.meta.dirname, 'fixtures', format), folder, { recursive: true });
  return folder;
}

const logOf = (folder: string) =>
  openEmbeddedLog({
    ...{ directory: join(folder, 'log'), application: 'upgrade', backends: rocksBackends },
  });

/** Opens the folder, adds one word, and answers what is counted. */
async function counts(folder: string): Promise<Record<string, unknown>> {
  const log = await logOf(folder);
  let restored = 0;
  const runtime = await Runtime.start({
    topology: job,
    application: 'upgrade',
    log,
    stateDirectory: join(folder, 'state'),
    startHosts: async (config) => [new TaskHost(job, config, rocksBackends)],
    observer: {
      on(name, event) {
        if (name === 'taskOpened')
          restored += (event as { restoredRecords: number }).restoredRecords;
      },
    },
  });
  const feeder = await log.openWriter('feeder');
  const batch = new BatchBuilder();
  batch.append(Buffer.from('word-0-0'), Buffer.from('one more'), 2_000_000);
  const commitId = feeder.lastCommitId + 1;
  await feeder.commit({
    appends: [{ topic: 'words', partition: 0, batch: batch.finishAt(0) }],
    offsets: [],
    commitId,
  });
  await runtime.runUntilCaughtUp();
  const rows = await runtime.query('totals');
  await runtime.close();
  await log.close();
  const total = rows.reduce((sum, row) => sum + (row.value as number), 0);
  return { keys: rows.length, total, restored };
}

/** By the definition: 11 rounds of 60 words in each of two partitions, see the fixture's job. */
function expected(more: number): { keys: number; total: number } {
  const words = new Set<string>();
  for (let round = 0; round < 6; round++) {
    for (let i = 0; i < 60; i++) words.add(`${(i * (round + 3)) % 40}`);
  }
  return { keys: 2 * words.size, total: 11 * 60 * 2 + more };
}

test.each(formats)('log and state of %s open, and go on', async (format) => {
  const folder = await copyOf(format);
  const first = await counts(folder);
  expect(first).toMatchObject(expected(1));
  // What lies in the state was read, not restored whole.
  expect(first['restored']).toBeLessThan(2 * 60 * 3);
  expect(await counts(folder)).toMatchObject(expected(2));
});

test('a damaged log of the format before is refused, and nothing in it changes', async () => {
  for (const [name, at] of [
    ['000013.sst', 5_000],
    ['000018.log', 9_000],
    ['MANIFEST-000017', 100],
  ] as const) {
    const folder = await copyOf('format-1');
    const file = join(folder, 'log', 'db', name);
    const bytes = await readFile(file);
    bytes[at] = (bytes[at] as number) ^ 4;
    await writeFile(file, bytes);
    const before = await filesIn(join(folder, 'log'));
    for (let attempt = 0; attempt < 2; attempt++) {
      await expect(logOf(folder)).rejects.toMatchObject({
        code: expect.stringMatching(/^(LOG|STORE)_CORRUPT$/),
      });
    }
    expect(await filesIn(join(folder, 'log'))).toEqual(before);
  }
});

async function filesIn(folder: string): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || /^LO(G|CK)/.test(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    found[path] = (await readFile(path)).toString('base64');
  }
  return found;
}
