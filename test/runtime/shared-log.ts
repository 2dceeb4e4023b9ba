/** A log in memory that others seem to write to as well, and hosts to be watched. */
import { type AssignmentChange, soleMember } from '../../engine/log/member.ts';
import type { MemoryLog } from '../../engine/log/memory-log.ts';
import type { HostPort } from '../../engine/task/host-port.ts';
import type { TaskHost } from '../../engine/task/task-host.ts';

/** A change of the membership that comes after so many commits. */
export interface DueChange {
  readonly after: number;
  readonly change: AssignmentChange;
}

/** Who joins gets the changes one after the other, as they become due. */
export function joinByChanges(log: MemoryLog, changes: DueChange[], commits: () => number): void {
  log.join = async (options) => {
    const isDue = () => commits() >= (changes[0]?.after ?? Number.POSITIVE_INFINITY);
    return {
      ...soleMember(log, options),
      sole: false,
      hasChange: isDue,
      takeChange: () => (isDue() ? changes.shift()?.change : undefined),
    };
  };
}

/** What a host is called by, to be spread and changed. */
export function portOf(host: TaskHost): HostPort {
  return {
    open: (assignment) => host.open(assignment),
    restore: (task, store, image, now) => host.restore(task, store, image, now),
    reset: (task, store) => host.reset(task, store),
    applyGlobal: (name, image) => host.applyGlobal(name, image),
    process: (work) => host.process(work),
    commit: (task, id, ends, now) => host.commit(task, id, ends, now),
    query: (task, store, keyText, limit) => host.query(task, store, keyText, limit),
    timeOf: (task) => host.timeOf(task),
    ask: (task, question) => host.ask(task, question),
    close: (task) => host.close(task),
    closeAll: () => host.closeAll(),
  };
}
