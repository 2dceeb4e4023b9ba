/** The job whose files are damaged: written, and looked at again. */
import { join } from 'node:path';
import { SeededRandom } from '../../engine/base/random.ts';
import { type EmbeddedLog, openEmbeddedLog } from '../../engine/log/embedded/open-embedded-log.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { type BackendName, backendsOf } from '../../engine/storage/backends.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { contentOf, job, writeInput } from '../simulation/job.ts';

export interface Looked {
  /** Everything in log and state, before and after more input. */
  readonly content: string;
  /** State that was wiped and restored, once each time it was told. */
  readonly wiped: readonly string[];
}

const stores = ['totals', 'silence', 'hops', 'slides', 'sessions', 'longest', 'lengths'];

async function opened<T>(
  folder: string,
  backend: BackendName,
  use: (log: EmbeddedLog, runtime: Runtime, wiped: string[]) => Promise<T>,
): Promise<T> {
  const backends = backendsOf(backend);
  const log = await openEmbeddedLog({
    ...{ directory: join(folder, 'log'), application: 'damage', backends },
  });
  const wiped: string[] = [];
  try {
    const runtime = await Runtime.start({
      topology: job,
      application: 'damage',
      log,
      stateDirectory: join(folder, 'state'),
      recordsPerCycle: 50,
      startHosts: async (config) => [new TaskHost(job, config, backends)],
      observer: {
        on(name, event) {
          if (name === 'stateWiped') wiped.push((event as { task: string }).task);
        },
      },
    });
    try {
      return await use(log, runtime, wiped);
    } finally {
      await runtime.close();
    }
  } finally {
    await log.close();
  }
}

async function snapshot(log: EmbeddedLog, runtime: Runtime): Promise<string> {
  await runtime.runUntilCaughtUp();
  const rows = [];
  for (const store of stores) rows.push(...(await runtime.query(store)));
  return `${await contentOf(log)}\n${JSON.stringify(rows)}`;
}

/**
 * Starts on what is in the folder, and goes on with more input: what was wrong makes more of it
 * wrong.
 */
export function look(folder: string, backend: BackendName): Promise<Looked> {
  return opened(folder, backend, async (log, runtime, wiped) => {
    const before = await snapshot(log, runtime);
    await writeInput(log, new SeededRandom(12), 60);
    return { content: `${before}\n--\n${await snapshot(log, runtime)}`, wiped };
  });
}

/** Tables and full write-ahead logs: the database makes tables of a log when it is opened. */
export async function write(folder: string, backend: BackendName): Promise<void> {
  for (const [seed, records] of [
    [11, 150],
    [13, 80],
    [14, 150],
  ] as const) {
    await opened(folder, backend, async (log, runtime) => {
      await writeInput(log, new SeededRandom(seed), records);
      await runtime.runUntilCaughtUp();
    });
  }
}
