/** Any flipped bit on disk is reported, or changes nothing; never is something reset in silence. */
import { cp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { isMillraceError } from 'millrace';
import { expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { openEmbeddedLog } from '../../engine/log/embedded/log.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { RocksBackend, rocksBackends } from '../../engine/storage/rocksdb.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { emptyFolder } from '../process/millrace.ts';
import { contentOf, job, writeInput } from '../simulation/job.ts';

async function started(folder: string) {
  const directory = join(folder, 'log');
  const log = await openEmbeddedLog({ directory, application: 'test', backends: rocksBackends });
  try {
    const runtime = await Runtime.start({
      topology: job,
      application: 'test',
      log,
      stateDirectory: join(folder, 'state'),
      recordsPerCycle: 50,
      startHosts: async (config) => [new TaskHost(job, config, rocksBackends)],
    });
    return { log, runtime };
  } catch (error) {
    await log.close();
    throw error;
  }
}

/** Starts on what is in the folder, and answers everything in log and state. */
async function look(folder: string): Promise<string> {
  const { log, runtime } = await started(folder);
  try {
    await runtime.runUntilCaughtUp();
    const rows = [];
    for (const store of ['totals', 'silence', 'hops', 'sessions']) {
      rows.push(...(await runtime.query(store)));
    }
    return `${await contentOf(log)}\n${JSON.stringify(rows)}`;
  } finally {
    await runtime.close();
    await log.close();
  }
}

async function written(): Promise<string> {
  const folder = await emptyFolder();
  const directory = join(folder, 'log');
  const log = await openEmbeddedLog({ directory, application: 'test', backends: rocksBackends });
  await writeInput(log, new SeededRandom(11), 300);
  await log.close();
  // Twice: at the second opening the database has moved its write-ahead log into tables.
  await look(folder);
  await look(folder);
  return folder;
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return files.map(({ parentPath, name }) => relative(folder, join(parentPath, name))).sort();
}

test('bits flipped all over the files of log and state', async () => {
  const folder = await written();
  const intact = await look(folder);
  const random = new SeededRandom(5);
  const found: Record<string, number> = {};
  const copy = join(await emptyFolder(), 'copy');
  const data = (await filesIn(folder)).filter((file) => !/LOG(\.old.*)?$|OPTIONS|IDENT/.test(file));
  for (const file of data) {
    const { size } = await stat(join(folder, file));
    for (let i = 0; i < Math.min(size, 2); i++) {
      await rm(copy, { recursive: true, force: true });
      await cp(folder, copy, { recursive: true });
      const bytes = await readFile(join(copy, file));
      const at = randomBelow(random, size);
      bytes[at] = (bytes[at] as number) ^ (1 << randomBelow(random, 8));
      await writeFile(join(copy, file), bytes);
      const outcome = await look(copy).then(
        (content) => (content === intact ? 'unharmed' : `silently changed by ${file} byte ${at}`),
        (error: unknown) => (isMillraceError(error) ? error.code : `unknown: ${String(error)}`),
      );
      found[outcome] = (found[outcome] ?? 0) + 1;
    }
  }
  const reports = Object.keys(found).filter((outcome) => outcome !== 'unharmed');
  expect(reports.filter((code) => !/^(LOG|STORE|STATE)_(CORRUPT|UNAVAILABLE)$/.test(code))).toEqual(
    [],
  );
  expect(reports).toContain('STORE_CORRUPT');
});

test('a damaged cell is STATE_CORRUPT with task and store, and deleting the state mends it', async () => {
  const folder = await written();
  const intact = await look(folder);
  const backend = await RocksBackend.open(join(folder, 'state', '1_0'));
  const cells = await backend.range({ from: Buffer.from([0]) });
  const [key, value] = cells.find(([, bytes]) => bytes.byteLength > 30) as [Buffer, Buffer];
  value[8] = (value[8] as number) ^ 4;
  await backend.write([{ key, value }]);
  await backend.close();
  for (let attempt = 0; attempt < 2; attempt++) {
    await expect(look(folder)).rejects.toMatchObject({
      code: 'STATE_CORRUPT',
      message: expect.stringMatching(/task 1_0 store \w+: CRC-32C does not match/),
    });
  }
  await rm(join(folder, 'state'), { recursive: true });
  expect((await look(folder)) === intact).toBe(true);
});
