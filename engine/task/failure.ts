/**
 * Failure of a unit of work: a record, a timer, or a result that time releases. The first step that
 * refuses it is noted, the enclosing steps are left by an exception, and where the unit began its
 * changes are undone and its dead letter is written.
 */

import { fatalError } from '../base/assert.ts';
import { MillraceError, messageOf } from '../base/errors.ts';
import type { FailureStage } from '../base/events.ts';
import type { SubTopology } from '../graph/sub-topology.ts';
import { decodeKeyText } from '../serde/serde.ts';
import type { CellProblem } from '../state/task-state.ts';
import type { ErrorPolicy, Verdict } from './error-policy.ts';

/** A step's refusal of the current unit. */
export interface Failure {
  readonly stage: FailureStage;
  readonly step: string;
  readonly callSite: string;
  readonly error: unknown;
}

/** Thrown through the steps of a refused unit; the task has noted the failure itself. */
export const recordRefused: Error = Object.freeze(
  new Error('the record was refused by a step after this one'),
);

/** The policy's verdict on a failure after all attempts. */
export function verdictOf(policy: ErrorPolicy, stage: FailureStage): Verdict {
  if (stage === 'deserialise' || stage === 'produce') return policy[stage];
  if (stage !== 'process') return 'dead-letter';
  return typeof policy.process === 'object' ? policy.process.otherwise : policy.process;
}

/** The error that ends the run because of a record. */
export function recordFailed(
  { stage, step, error }: Failure,
  origin: { readonly topic: string; readonly partition: number; readonly offset: number },
): MillraceError {
  const context = { stage, step, problem: messageOf(error), ...origin };
  return fatalError(new MillraceError('RECORD_FAILED', context, { cause: error }));
}

/**
 * The error of a cycle that cannot be committed: a careful task must repeat it from the last
 * commit.
 */
export function cycleRepeated(
  { part, partition }: { readonly part: SubTopology; readonly partition: number },
  step: string,
  problem: string,
): MillraceError {
  const task = `${part.id}_${partition}`;
  return fatalError(new MillraceError('CYCLE_REPEATED', { task, step, problem }));
}

/** The step that owns a store. @param callSites by store */
export function placeOf(
  { store }: CellProblem,
  callSites: ReadonlyMap<string, string>,
): { readonly step: string; readonly callSite: string } {
  return { step: store.name, callSite: callSites.get(store.name) ?? 'unknown' };
}

/** The error of a cell that its serde cannot encode. */
export function unkeptError({ store, keyText, problem }: CellProblem): TypeError {
  return new TypeError(`the state of key ${shownKey(store, keyText)} cannot be kept: ${problem}`);
}

function shownKey({ key }: CellProblem['store'], keyText: string): string {
  try {
    return JSON.stringify(decodeKeyText(key, keyText)) ?? keyText;
  } catch {
    return JSON.stringify(keyText);
  }
}
