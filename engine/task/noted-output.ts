/**
 * Undo of the writes of a careful task. A function with a closure allocates a context on each call,
 * so these closures are kept out of the hot path.
 */
import type { BatchBuilder } from '../record/batch.ts';
import type { UndoLog } from '../state/undo-log.ts';
import type { TaskCounters } from './counters.ts';

/** @param batch to which a record was just added */
export function noteWrite(undo: UndoLog, batch: BatchBuilder): void {
  undo.note(() => batch.dropLast());
}

/** Notes that the record was counted as output. */
export function noteOut(undo: UndoLog, counters: TaskCounters): void {
  undo.note(() => {
    counters.out--;
  });
}
