/** Brings a task's stores from their position to the end of their changelogs. */

import { must } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { type CommitId, commitIdOf } from '../base/commit-id.ts';
import { MillraceError } from '../base/errors.ts';
import { changelogTopic } from '../graph/topic-names.ts';
import type { Log, TopicPartition } from '../log/log.ts';
import type { PackedBatch } from '../record/batch.ts';
import type { HostPort, OpenedStore } from '../task/host-port.ts';
import type { LedgerEntry } from './ledger.ts';
import type { PlannedTask } from './start-plan.ts';

const recordsPerRead = 8192;

export interface RestoreOptions {
  readonly application: string;
  readonly log: Log;
  readonly host: HostPort;
  readonly task: PlannedTask;
  readonly stores: readonly OpenedStore[];
  /**
   * Next offset of each source topic; stores that use a source topic as changelog are restored up
   * to it.
   */
  readonly positions: ReadonlyMap<string, number>;
  /** The ledger entry of the task's last commit; undefined if the log keeps no ledger. */
  readonly ledger: LedgerEntry | undefined;
  readonly directory: string;
  readonly clock: Clock;
  /** True on a shared log: state that does not match it is rebuilt. Otherwise it is refused. */
  readonly shared: boolean;
  /**
   * Called after every read, with the number of applied changelog records and the total, for one
   * store.
   */
  readonly progress: (store: string, done: number, total: number) => void;
  /** True if the task is about to be closed, so the rest need not be read. */
  readonly stopped: () => boolean;
}

export interface Restored {
  /** Changelog records applied. */
  readonly records: number;
  /** Id of the last commit that changed each store. */
  readonly commits: Map<string, CommitId>;
}

export async function restoreTask(options: RestoreOptions): Promise<Restored> {
  const { stores, ledger, task } = options;
  const commits = new Map<string, CommitId>();
  let records = 0;
  for (const store of stores) {
    // A source topic has no commit ids.
    const expected = task.sourceOf.has(store.store)
      ? undefined
      : ledger?.stores[task.stores.indexOf(store.store)];
    let restored = await restoreStore(options, store, false);
    records += restored.records;
    if (options.stopped()) break;
    if (expected !== undefined && restored.commitId !== expected) {
      // The state may be of another changelog with that name; restore this one completely.
      restored = await restoreStore(options, store, true);
      records += restored.records;
    }
    if (expected !== undefined && restored.commitId !== expected && !options.stopped()) {
      throw new MillraceError('LEDGER_MISMATCH', {
        task: task.taskId,
        store: store.store,
        expected,
        actual: restored.commitId,
      });
    }
    commits.set(store.store, restored.commitId);
  }
  return { records, commits };
}

async function restoreStore(
  options: RestoreOptions,
  { store, offset, commitId, readAt }: OpenedStore,
  whole: boolean,
): Promise<{ records: number; commitId: CommitId }> {
  const { application, log, host, task, clock } = options;
  const source = task.sourceOf.get(store);
  const at = { topic: source ?? changelogTopic(application, store), partition: task.partition };
  const end =
    source === undefined
      ? await log.endOffset(at)
      : must(options.positions.get(source), 'a task knows where its sources stand');
  const ahead = offset > end;
  if (ahead && !options.shared) throw stateAhead(options, at, offset, end);
  const gap = offset > 0 && !ahead && offset < (await log.completeFrom(at, readAt));
  // State older than the compaction would keep keys that were deleted since.
  const reset = whole || ahead || gap;
  if (reset) await host.reset(task.taskId, store);
  const begin = reset || offset === 0 ? await log.startOffset(at) : offset;
  let [records, last] = [0, reset ? 0 : commitId];
  const readFrom = (from: number) =>
    from < end ? log.read(at, from, { records: recordsPerRead, once: true }) : undefined;
  let next = readFrom(begin);
  try {
    while (next !== undefined && !options.stopped()) {
      const batch = upTo(end, await next);
      if (batch === undefined) break;
      const { count, nextOffset, image } = batch;
      // Read ahead while the state applies the batch; a failure surfaces in the next turn.
      next = readFrom(nextOffset);
      next?.catch(() => {});
      last = await host.restore(task.taskId, store, image, clock.now());
      records += count;
      options.progress(store, nextOffset - begin, end - begin);
    }
  } finally {
    // The read in progress must end before the partition is read again.
    await next?.catch(() => {});
  }
  return { records, commitId: commitIdOf(last) };
}

/** The part of a batch before an offset; undefined if it is empty. */
function upTo(end: number, batch: PackedBatch | undefined): PackedBatch | undefined {
  if (batch === undefined || batch.nextOffset <= end) return batch;
  const beyond = batch.offsets.findIndex((offset) => offset >= end);
  return beyond === 0 ? undefined : batch.slice(0, beyond);
}

function stateAhead(
  { task, directory }: RestoreOptions,
  { topic }: TopicPartition,
  offset: number,
  end: number,
): MillraceError {
  const problem = `it stands at ${offset} of ${topic}, which ends at ${end}`;
  return new MillraceError('STATE_AHEAD', { task: task.taskId, problem, directory });
}
