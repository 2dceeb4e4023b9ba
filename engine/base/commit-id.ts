/**
 * Ids of commits. A writer's commits have ascending ids; each cycle has the id of its commit from
 * its work on, and the same id stands in the ledger, in changelogs and in the state.
 */
import { assert } from './assert.ts';

declare const brand: unique symbol;

/** A number to those who store it; no arithmetic makes one. */
export type CommitId = number & { readonly [brand]: 'CommitId' };

/** Before the first commit. */
export const noCommit = 0 as CommitId;

/** An id as it was stored. */
export function commitIdOf(stored: number): CommitId {
  assert(Number.isSafeInteger(stored) && stored >= 0, `${stored} is no id of a commit`);
  return stored as CommitId;
}

/** The id of the commit after. */
export function nextCommit(last: CommitId): CommitId {
  return (last + 1) as CommitId;
}
