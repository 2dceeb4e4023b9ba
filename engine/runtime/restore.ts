/** Brings a task's stores from where they stand to the end of their changelogs. */
import { MillraceError } from '../base/errors.ts';
import { changelogTopic } from '../graph/topic-names.ts';
import type { Log } from '../log/log.ts';
import type { HostPort, StorePosition } from '../task/task-host.ts';
import type { PlannedTask } from './plan.ts';

const recordsPerRead = 8192;

export interface RestoreOptions {
  readonly application: string;
  readonly log: Log;
  readonly host: HostPort;
  readonly task: PlannedTask;
  readonly positions: readonly StorePosition[];
  readonly directory: string;
  /** Told after every read: changelog records applied, and how many there are, of one store. */
  readonly progress: (done: number, total: number) => void;
}

/** Answers the number of changelog records applied. */
export async function restoreTask(options: RestoreOptions): Promise<number> {
  const { application, log, host, task, positions, directory, progress } = options;
  let records = 0;
  for (const { store, offset } of positions) {
    const at = { topic: changelogTopic(application, store), partition: task.partition };
    const end = await log.endOffset(at);
    if (offset > end) {
      const problem = `${store} stands at ${offset}, its changelog ends at ${end}`;
      throw new MillraceError('STATE_AHEAD', { task: task.taskId, problem, directory });
    }
    const gap = offset > 0 && offset < (await log.completeFrom(at));
    // The state is older than what compaction left: it would keep keys that were deleted since.
    if (gap) await host.reset(task.taskId, store);
    const begin = gap || offset === 0 ? await log.startOffset(at) : offset;
    for (let from = begin; from < end; ) {
      const batch = await log.read(at, from, { records: recordsPerRead });
      if (batch === undefined) break;
      records += batch.count;
      from = batch.nextOffset;
      await host.restore(task.taskId, store, batch.image);
      progress(from - begin, end - begin);
    }
  }
  return records;
}
