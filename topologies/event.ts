/** The unified event that every source is mapped to, and the topics of the application. */
import { json, topic } from 'millrace';
import { eventSerde } from './event-codec.ts';

export interface Event {
  /** Unique for a subject within the grace period; a second one is a duplicate. */
  readonly id: string;
  /** What happened: a class of the engagement configuration, or any other name. */
  readonly class: string;
  /** What is counted once an hour: message, product, order; default the id. */
  readonly item?: string;
  /** The link of a click. */
  readonly link?: string;
  /** What tells a person from a machine. */
  readonly evidence?: Evidence;
  /** Of a consent: what for, and until when it is given, ms UTC. */
  readonly purpose?: string;
  readonly until?: number;
  /** ISO 4217, of the money in `numbers`. */
  readonly currency?: string;
  /** null: it has no value any more. */
  readonly traits?: Readonly<Record<string, Trait | null>>;
  /** Whole numbers, e.g. money in minor units: sums of them do not depend on the order. */
  readonly numbers?: Readonly<Record<string, number>>;
  /** Identifiers of the one person that the event is about, its subject among them. */
  readonly identities?: readonly Identifier[];
  /** Written by the application alone: what was kept of a subject that this one goes on for. */
  readonly absorbed?: { readonly subject: string; readonly profile: unknown };
  /**
   * Written by the application alone: what of the log is kept of a subject under other definitions.
   */
  readonly rebuilt?: unknown;
  /** The subjects that have passed it on, since they were merged into another. */
  readonly via?: readonly string[];
}

/** A name of a person, and what kind of name it is. */
export interface Identifier {
  readonly kind: 'user' | 'email' | 'anonymous';
  readonly id: string;
}

/** Each part as far as the source knows it. */
export interface Evidence {
  /** The source's own flag. */
  readonly machine?: boolean;
  readonly ip?: string;
  readonly agent?: string;
  /** HTTP method of the request. */
  readonly method?: string;
  /** Fetched ahead, without cookies. */
  readonly prefetch?: boolean;
  /** The link clicked is one that no person sees. */
  readonly honeypot?: boolean;
  /** How many links the message has. */
  readonly links?: number;
}

export type Trait = string | number | boolean;

/** Keyed by subject; the record's timestamp is the event's time, ms UTC. */
export const events = topic<string, Event>('events', { value: eventSerde() });
/** Events that came after the grace period, for a correction run. */
export const lateEvents = topic<string, Event>('late-events', { value: eventSerde() });

export interface ScoreChange {
  readonly score: number;
  /** 0..99, by channel. */
  readonly subs: Readonly<Record<string, number>>;
  readonly band: string;
  /** ms UTC, exact. */
  readonly effectiveAt: number;
  readonly cause: 'event' | 'time' | 'correction';
}

export const scores = topic<string, ScoreChange>('scores', { value: json(), cleanup: 'compact' });

/** What an open, a click or a view was taken for; only of machines, and of what was one before. */
export interface ActivityLabel {
  readonly user: string;
  readonly eventId: string;
  readonly label: 'machine' | 'human';
  /** The class it counts as. */
  readonly class: string;
  /** The rules that fit, of the version. */
  readonly rules: readonly string[];
  readonly version: number;
  /** Instant of the event, and the subject's clock when it was decided; ms UTC. */
  readonly at: number;
  readonly decidedAt: number;
  /** It takes the place of what was said of the event before. */
  readonly correction: boolean;
}

/** Keyed by subject: the evidence against what was not counted. */
export const activityLabels = topic<string, ActivityLabel>('activity-labels', { value: json() });

export interface SegmentChange {
  readonly user: string;
  readonly segment: string;
  readonly version: number;
  /** Rises by one for each change of a user in a segment. */
  readonly seq: number;
  readonly type: 'entered' | 'exited';
  /** The instant the truth changed, and the subject's clock when it was decided; ms UTC. */
  readonly effectiveAt: number;
  readonly decidedAt: number;
  readonly cause: ChangeCause;
  /** Ids of events that decided it, at most five. */
  readonly witness: readonly string[];
  /** The `seq` of the change that this one takes the place of. */
  readonly supersedes?: number;
  /** Of segments that read the score. */
  readonly scoreSnapshot?: { readonly score: number; readonly band: string };
  /** Of the cause merge: the subject that goes on. */
  readonly mergedInto?: string;
}

/**
 * Why a membership changed: an event; time alone; an event that came late or was taken back;
 * another definition; a merge of subjects; a consent; an erasure; a replay.
 */
export type ChangeCause =
  | 'event'
  | 'time'
  | 'correction'
  | 'definition'
  | 'merge'
  | 'consent'
  | 'erasure'
  | 'replay';

/** Every entry and exit, keyed by subject. */
export const segmentChanges = topic<string, SegmentChange>('segment-changes', { value: json() });

export interface SegmentState {
  readonly in: boolean;
  readonly since: number;
  readonly version: number;
  readonly seq: number;
}

/** The last state of each subject in each segment, keyed `subject|segment`. */
export const segmentStates = topic<string, SegmentState>('segment-states', {
  value: json(),
  cleanup: 'compact',
});

/** An event as it came: the order of arrival is that of a list of them. */
export interface Arrival {
  readonly event: Event;
  /** ms UTC. */
  readonly at: number;
}
