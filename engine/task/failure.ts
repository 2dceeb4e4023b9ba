/**
 * How a unit of work fails: a record, a timer, or a result that time lets go. The first step that
 * refuses it is noted, the steps around it are left at once, and where the unit began it is taken
 * back and its dead letter written.
 */

import { fatalError } from '../base/assert.ts';
import { MillraceError, messageOf } from '../base/errors.ts';
import type { FailureStage } from '../base/events.ts';
import type { SubTopology } from '../graph/sub-topology.ts';
import { decodeKeyText } from '../serde/serde.ts';
import type { CellProblem } from '../state/task-state.ts';
import type { ErrorPolicy, Verdict } from './error-policy.ts';

/** What a step refused of the unit at hand. */
export interface Failure {
  readonly stage: FailureStage;
  readonly step: string;
  readonly callSite: string;
  readonly error: unknown;
}

/** Thrown through the steps of a unit that was refused; the failure itself is noted by the task. */
export const recordRefused: Error = Object.freeze(
  new Error('the record was refused by a step after this one'),
);

/** What the policy says of a failure when all attempts were in vain. */
export function verdictOf(policy: ErrorPolicy, stage: FailureStage): Verdict {
  if (stage === 'deserialise' || stage === 'produce') return policy[stage];
  if (stage !== 'process') return 'dead-letter';
  return typeof policy.process === 'object' ? policy.process.otherwise : policy.process;
}

/** The run ends because of a record. */
export function recordFailed(
  { stage, step, error }: Failure,
  origin: { readonly topic: string; readonly partition: number; readonly offset: number },
): MillraceError {
  const context = { stage, step, problem: messageOf(error), ...origin };
  return fatalError(new MillraceError('RECORD_FAILED', context, { cause: error }));
}

/** The cycle cannot be committed: a task that is careful must do it from the last commit on. */
export function cycleRepeated(
  { part, partition }: { readonly part: SubTopology; readonly partition: number },
  step: string,
  problem: string,
): MillraceError {
  const task = `${part.id}_${partition}`;
  return fatalError(new MillraceError('CYCLE_REPEATED', { task, step, problem }));
}

/** The step whose state it is. @param callSites by store */
export function placeOf(
  { store }: CellProblem,
  callSites: ReadonlyMap<string, string>,
): { readonly step: string; readonly callSite: string } {
  return { step: store.name, callSite: callSites.get(store.name) ?? 'unknown' };
}

/** Of a cell that its serde refuses. */
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
