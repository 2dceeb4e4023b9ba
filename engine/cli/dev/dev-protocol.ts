/** What `dev` and the process of one version of the topology say to each other. */
import type { Planned } from '../plan-command.ts';
import type { RunOptions } from '../run-command.ts';

/** What a version is run with, over all edits. */
export type VersionOptions = Omit<RunOptions, 'fresh' | 'orphan' | 'untilCaughtUp' | 'json'>;

/** How to continue with existing data. */
export interface Begin {
  /** Log and state are deleted first. */
  readonly fresh: boolean;
  /** Stores that are left behind. */
  readonly orphan: readonly string[];
}

/** To the version: first what it is, then that it is to run. */
export type ToVersion =
  | { readonly kind: 'load'; readonly module: string; readonly options: VersionOptions }
  | { readonly kind: 'begin'; readonly begin: Begin };

/** From the version: it was loaded, and this becomes of the state. A version that fails ends. */
export interface FromVersion extends Planned {
  readonly kind: 'planned';
}
