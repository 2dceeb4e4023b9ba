/**
 * How a run commits: on an exclusive log, or on a shared one. The consequences are decided here,
 * each as a named property.
 */
import type { Member } from '../log/member.ts';

export interface CommitModel {
  /** The next cycle's work may begin while this one commits. */
  readonly overlaps: boolean;
  /** Each source commits by its own writer; the newest process with the source owns it. */
  readonly sourcesApart: boolean;
  /** The positions of global tables belong to each commit. */
  readonly commitsGlobals: boolean;
  /** All tasks are open before the first cycle. */
  readonly opensFirst: boolean;
  /** Other processes may hold tasks, and write what tasks read here. */
  readonly hasOthers: boolean;
}

/** The next cycle reads what the last one wrote, so every run over the same input is the same. */
const own: CommitModel = {
  overlaps: false,
  sourcesApart: false,
  commitsGlobals: true,
  opensFirst: true,
  hasOthers: false,
};

/** The threads need not wait for the brokers, nor a task for others that are restored. */
const shared: CommitModel = {
  overlaps: true,
  sourcesApart: true,
  commitsGlobals: false,
  opensFirst: false,
  hasOthers: true,
};

export function commitModelOf({ sole }: Pick<Member, 'sole'>): CommitModel {
  return sole ? own : shared;
}
