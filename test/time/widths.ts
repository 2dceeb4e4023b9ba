/** The same history at any width, on the embedded log: partitions, threads, records a cycle. */
import { resolve } from 'node:path';
import { environment } from '../../engine/embed/environment.ts';
import { execute } from '../../engine/embed/execute.ts';
import type { Log } from '../../engine/log/log.ts';
import { Appender, recordFor } from '../../engine/runtime/appender.ts';
import { history, historyJobs } from './history-jobs.ts';
import { historyTopics } from './history-module.ts';

export interface Width {
  readonly partitions: number;
  readonly threads: number;
  readonly recordsPerCycle: number;
}

export const historyModule = resolve(import.meta.dirname, 'history-module.ts');

/**
 * Undefined when the outputs are what the definitions say and nothing was dropped; else what
 * differs.
 */
export async function checkWidth(folder: string, width: Width): Promise<string | undefined> {
  const { partitions, threads, recordsPerCycle } = width;
  const execution = await execute({
    ...{ env: environment(folder), reference: { module: historyModule }, threads },
    settings: { partitions, recordsPerCycle },
  });
  try {
    const { log, runtime } = execution;
    const { orders } = historyTopics();
    const appender = new Appender({
      log,
      id: 'history-feed',
      partitionsOf: runtime.plan.partitionsOf,
    });
    await appender.append(
      history.map(({ key, value, timestamp }) => recordFor(orders, key, value, timestamp)),
    );
    await appender.close();
    await runtime.runUntilCaughtUp();
    await runtime.closeInput();
    const { drops, failures } = runtime.summary.counters;
    const lost = JSON.stringify({ ...drops, ...failures });
    const found = lost === '{}' ? await differing(log) : `lost ${lost}`;
    return found === undefined ? undefined : `${JSON.stringify(width)}: ${found}`;
  } finally {
    await execution.close();
  }
}

/**
 * The first job whose sorted outputs are not what its definition says; undefined when there is
 * none.
 * @param prefix as historyTopics has it
 */
export async function differing(log: Log, prefix = ''): Promise<string | undefined> {
  const { outs } = historyTopics(prefix);
  for (const [i, [name, { define }]] of Object.entries(historyJobs).entries()) {
    const told = await valuesOf(log, outs[i]?.name ?? '');
    const defined = define().sort();
    if (told.join('\n') === defined.join('\n')) continue;
    const missing = defined.filter((one) => !told.includes(one)).slice(0, 3);
    return `${name} told ${told.length} of ${defined.length}; missing ${missing.join(', ')}`;
  }
  return undefined;
}

async function valuesOf(log: Log, topic: string): Promise<string[]> {
  const values: string[] = [];
  for (let from = 0; ; ) {
    const batch = await log.read({ topic, partition: 0 }, from, { records: 10_000 });
    if (batch === undefined) return values.sort();
    for (let i = 0; i < batch.count; i++) values.push(batch.value(i)?.toString() ?? '');
    from = batch.nextOffset;
  }
}
