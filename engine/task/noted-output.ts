/**
 * How a careful task takes back what it wrote. A function that makes a closure allocates a context
 * on each call, so these closures stand apart from the path of a record.
 */
import type { BatchBuilder } from '../record/batch.ts';
import type { UndoLog } from '../state/undo-log.ts';
import type { TaskCounters } from './counters.ts';

/** @param batch to which a record was just added */
export function noteWrite(undo: UndoLog, batch: BatchBuilder): void {
  undo.note(() => batch.dropLast());
}

/** The record was counted as going out. */
export function noteOut(undo: UndoLog, counters: TaskCounters): void {
  undo.note(() => {
    counters.out--;
  });
}
