/**
 * A correction of the input as one event of a subject: which of the subject's events in the log no
 * longer count, which count in their place, and the profile that results from the corrected events.
 * Readers of the log apply the first two; the subject itself takes the third.
 */
import type { Arrival, Event } from '../event.ts';
import { fromWritten as eventFromWritten, toWritten as eventToWritten } from '../event-codec.ts';
import type { Profile } from './profile.ts';
import { fromWritten, toWritten } from './profile-codec.ts';
import { correctedClass } from './subject-classes.ts';

export interface Correction {
  /**
   * Offsets of records that no longer count: events, and corrections of which no event counts any
   * more.
   */
  readonly gone: readonly number[];
  /** Events that count before the record at `before`, in the partition of the correction. */
  readonly rows: readonly Arrival[];
  readonly before: number;
  /**
   * The corrected night, and its number among all nights; rows at the same place are ordered by it.
   */
  readonly night: string;
  readonly order: number;
  /** Undefined when nothing is left of the subject. */
  readonly profile: Profile | undefined;
  /** When its score was last reported, ms UTC. */
  readonly scoredAt: number;
}

export function correctionEvent(id: string, correction: Correction): Event {
  const { profile, rows, ...rest } = correction;
  const rebuilt = {
    ...rest,
    rows: rows.map(({ event, at }) => [at, eventToWritten(event)]),
    profile: profile === undefined ? null : toWritten(profile),
  };
  return { id, class: correctedClass, rebuilt };
}

export function correctionOf(event: Event): Correction {
  const { rows, profile, ...rest } = event.rebuilt as Omit<Correction, 'rows' | 'profile'> & {
    readonly rows: readonly (readonly [number, Event])[];
    readonly profile: unknown;
  };
  return {
    ...rest,
    rows: rows.map(([at, written]) => ({ at, event: eventFromWritten(written) })),
    profile: profile === null ? undefined : fromWritten(profile),
  };
}
