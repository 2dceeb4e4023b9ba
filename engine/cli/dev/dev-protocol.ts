/** Messages between `dev` and the process of one version of the topology. */
import type { Planned } from '../plan-command.ts';
import type { RunOptions } from '../run-command.ts';

/** Settings of all versions. */
export type VersionOptions = Omit<RunOptions, 'fresh' | 'orphan' | 'untilCaughtUp' | 'json'>;

/** How to continue with existing data. */
export interface Begin {
  /** Log and state are deleted first. */
  readonly fresh: boolean;
  /** Stores whose state is dropped. */
  readonly orphan: readonly string[];
}

/** Messages to the version: first its settings, then the command to run. */
export type ToVersion =
  | { readonly kind: 'load'; readonly module: string; readonly options: VersionOptions }
  | { readonly kind: 'begin'; readonly begin: Begin };

/**
 * Message from the version: it was loaded, with the effect on the state. A version that fails
 * exits.
 */
export interface FromVersion extends Planned {
  readonly kind: 'planned';
}
