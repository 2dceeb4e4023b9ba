/** The puller of each kind of source. Packages that only one kind needs are loaded with its first run. */
import type { Clock } from '../../base/clock.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import type { Puller } from './puller.ts';
import { RestPuller } from './rest/rest.ts';
import type { Secrets } from './secrets.ts';
import type { SourceSpec } from './spec.ts';

export interface PullerOptions {
  readonly name: string;
  readonly spec: SourceSpec;
  readonly secrets: Secrets;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  warn(text: string): void;
  /** The rows that a value stands for; without it, an object is a row. */
  unpack?(value: unknown): readonly unknown[];
}

/** Pause between two looks where nothing is said, seconds. */
export const everySeconds: Readonly<Record<SourceSpec['kind'], number>> = {
  rest: 60,
};

export function pullerOf({ spec, ...options }: PullerOptions): Puller {
  switch (spec.kind) {
    case 'rest':
      return new RestPuller({ ...options, spec });
  }
}

/** What of the outside a position belongs to; undefined where it goes on when that has moved. */
export function targetOf(spec: SourceSpec): string | undefined {
  switch (spec.kind) {
    case 'rest':
      return undefined;
  }
}
