/** The processes that hold the tasks of a shared application, as shown by the console. */
import type { TopicPartition } from '../log/log.ts';
import { keyOf } from '../log/partition-key.ts';
import type { PartitionLag } from '../runtime/assignment.ts';
import type { Owners } from '../runtime/owners.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { HttpProcesses } from './processes.ts';

/** A process that holds tasks, or tasks that no process holds. */
export interface Holding {
  /** host:port; null for this process, and for tasks that no process reports as open. */
  readonly address: string | null;
  readonly isHere: boolean;
  readonly answers: boolean;
  readonly tasks: readonly string[];
}

export interface SharedTasks {
  readonly processes: readonly Holding[];
  /** Backlog of the partitions that others read. */
  readonly lags: readonly PartitionLag[];
  /** Partitions whose backlog is unknown. */
  readonly unknown: readonly TopicPartition[];
}

export interface AskedTasks {
  readonly runtime: Pick<Runtime, 'plan' | 'tasks'>;
  readonly owners: Owners;
  readonly others: HttpProcesses | undefined;
}

/** Undefined if this process always has all tasks. */
export async function sharedTasks({
  runtime,
  owners,
  others,
}: AskedTasks): Promise<SharedTasks | undefined> {
  if (!runtime.tasks.needsOthers) return undefined;
  await owners.refresh();
  const elsewhere = new Map<string | null, string[]>();
  const here: string[] = [];
  for (const { taskId } of runtime.plan.tasks) {
    if (runtime.tasks.holds(taskId)) {
      here.push(taskId);
      continue;
    }
    const address = owners.addressOf(taskId) ?? null;
    const known = elsewhere.get(address) ?? [];
    known.push(taskId);
    elsewhere.set(address, known);
  }
  const asked = await Promise.all(
    [...elsewhere].map(async ([address, tasks]) => {
      const state = address === null ? undefined : await others?.stateOf(address);
      const holding = { address, isHere: false, answers: state !== undefined, tasks };
      return { holding, lags: state?.lags ?? [] };
    }),
  );
  const lags = asked.flatMap((one) => one.lags);
  const told = new Set(lags.map(keyOf));
  const unknown = runtime.plan.tasks
    .filter(({ taskId }) => !runtime.tasks.holds(taskId))
    .flatMap(({ topics, partition }) => topics.map((topic) => ({ topic, partition })))
    .filter((at) => !told.has(keyOf(at)));
  const own = { address: null, isHere: true, answers: true, tasks: here };
  return { processes: [own, ...asked.map(({ holding }) => holding)], lags, unknown };
}
