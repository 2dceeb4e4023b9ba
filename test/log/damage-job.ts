/** The job whose files are damaged: written, and looked at again. */
import { join } from 'node:path';
import { SeededRandom } from '../../engine/base/random.ts';
import { openEmbeddedLog } from '../../engine/log/embedded/log.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { rocksBackends } from '../../engine/storage/rocksdb.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
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
export async function look(folder: string): Promise<string> {
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

export async function write(folder: string): Promise<void> {
  const directory = join(folder, 'log');
  const log = await openEmbeddedLog({ directory, application: 'test', backends: rocksBackends });
  await writeInput(log, new SeededRandom(11), 300);
  await log.close();
  // Twice: at the second opening the database has moved its write-ahead log into tables.
  await look(folder);
  await look(folder);
}
