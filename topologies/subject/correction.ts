/**
 * A correction of the input as an event of one subject: which of the subject's events in the log
 * are gone, which stand in their place, and what is kept of the subject when that is taken from the
 * start. Whoever reads the log applies the first two; the subject itself takes the last.
 */
import type { Arrival, Event } from '../event.ts';
import { fromWritten as eventFromWritten, toWritten as eventToWritten } from '../event-codec.ts';
import type { Profile } from './profile.ts';
import { fromWritten, toWritten } from './profile-codec.ts';
import { correctedClass } from './subject-classes.ts';

export interface Correction {
  /**
   * Offsets of records that count no more: events, or corrections, of which no event counts any
   * more.
   */
  readonly gone: readonly number[];
  /** Events that count in front of the record at `before`, in the partition of the correction. */
  readonly rows: readonly Arrival[];
  readonly before: number;
  /** The night that is corrected, and its place among all: rows at one place go by it. */
  readonly night: string;
  readonly order: number;
  /** undefined: nothing is left of the subject. */
  readonly profile: Profile | undefined;
  /** When its score was told last, ms UTC. */
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
