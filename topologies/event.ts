/** The unified event that every source is mapped to, and the topics of the application. */
import { json, topic } from 'millrace';
import { eventSerde } from './event-codec.ts';

/** An event about one subject. Fields that are not known are absent. */
export interface Event {
  /** Unique for a subject within the grace period; an event with the same id is a duplicate. */
  readonly id: string;
  /** What happened: a class of the engagement configuration, or any other name. */
  readonly class: string;
  /** What counts at most once an hour: message, product, order; default the id. */
  readonly item?: string;
  /** The link of a click. */
  readonly link?: string;
  /** Facts that tell a person from a machine. */
  readonly evidence?: Evidence;
  /** For a consent: its purpose, and its end, ms UTC. */
  readonly purpose?: string;
  readonly until?: number;
  /** ISO 4217; the currency of money in `numbers`. */
  readonly currency?: string;
  /** A null removes the value. */
  readonly traits?: Readonly<Record<string, Trait | null>>;
  /** Whole numbers, such as money in minor units, so that sums do not depend on the order. */
  readonly numbers?: Readonly<Record<string, number>>;
  /** Identifiers of the person that the event is about; the subject is one of them. */
  readonly identities?: readonly Identifier[];
  /** Written by the application only: the profile of a subject that was merged into this one. */
  readonly absorbed?: { readonly subject: string; readonly profile: unknown };
  /** Written by the application only: the past of a subject under other definitions. */
  readonly rebuilt?: unknown;
  /** The merged subjects that have passed the event on. */
  readonly via?: readonly string[];
}

/** An identifier of a person, and its kind. */
export interface Identifier {
  readonly kind: 'user' | 'email' | 'anonymous';
  readonly id: string;
}

/** Each fact is there if the source knows it. */
export interface Evidence {
  /** The source's own flag. */
  readonly machine?: boolean;
  /** Address of the request. */
  readonly ip?: string;
  /** User agent of the request. */
  readonly agent?: string;
  /** HTTP method of the request. */
  readonly method?: string;
  /** The request was a fetch ahead, without cookies. */
  readonly prefetch?: boolean;
  /** The clicked link is invisible to people. */
  readonly honeypot?: boolean;
  /** The number of links in the message. */
  readonly links?: number;
}

/** The value of a trait. */
export type Trait = string | number | boolean;

/** Keyed by subject; the record's timestamp is the event's time, ms UTC. */
export const events = topic<string, Event>('events', { value: eventSerde() });
/** Events that came after the grace period, for a run of corrections. */
export const lateEvents = topic<string, Event>('late-events', { value: eventSerde() });

/** The score of a subject after a change. */
export interface ScoreChange {
  /** 0 to 99. */
  readonly score: number;
  /** 0..99, by channel. */
  readonly subs: Readonly<Record<string, number>>;
  /** Name of the band, or `suppressed` while the e-mail gate is shut. */
  readonly band: string;
  /** ms UTC, exact. */
  readonly effectiveAt: number;
  /** An event, time alone, or an event that came late or was taken back. */
  readonly cause: 'event' | 'time' | 'correction';
}

/** Keyed by subject: the last score of each; null when the subject is gone. */
export const scores = topic<string, ScoreChange>('scores', { value: json(), cleanup: 'compact' });

/** The label of an open, a click or a view: only for a machine's, and for one that no longer is. */
export interface ActivityLabel {
  /** The subject. */
  readonly user: string;
  /** Id of the labelled event. */
  readonly eventId: string;
  /** What it counts as from now on. */
  readonly label: 'machine' | 'human';
  /** The class it counts as. */
  readonly class: string;
  /** The rules that match, of this version. */
  readonly rules: readonly string[];
  /** Version of the configuration of the rules. */
  readonly version: number;
  /** Instant of the event, and the subject's clock when it was decided; ms UTC. */
  readonly at: number;
  readonly decidedAt: number;
  /** Whether it replaces an earlier label of the event. */
  readonly correction: boolean;
}

/** Keyed by subject: the evidence for events that do not count as a person's. */
export const activityLabels = topic<string, ActivityLabel>('activity-labels', { value: json() });

/** An entry or exit of a subject. */
export interface SegmentChange {
  /** The subject. */
  readonly user: string;
  /** Id of the segment. */
  readonly segment: string;
  /** Version of its definition. */
  readonly version: number;
  /** Increases by one with each change of a subject in a segment. */
  readonly seq: number;
  readonly type: 'entered' | 'exited';
  /** The instant of the change, and the subject's clock when it was decided; ms UTC. */
  readonly effectiveAt: number;
  readonly decidedAt: number;
  readonly cause: ChangeCause;
  /** Ids of at most five events that decided it. */
  readonly witness: readonly string[];
  /** The `seq` of the change that this one replaces. */
  readonly supersedes?: number;
  /** For segments that read the score. */
  readonly scoreSnapshot?: { readonly score: number; readonly band: string };
  /** For the cause `merge`: the subject that goes on. */
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

/** The last state of a subject in a segment. */
export interface SegmentState {
  /** Whether the subject is in the segment. */
  readonly in: boolean;
  /** Instant of the last change, ms UTC. */
  readonly since: number;
  /** Version of the definition at that change. */
  readonly version: number;
  /** Number of the last change. */
  readonly seq: number;
}

/** The last state of each subject in each segment, keyed `subject|segment`. */
export const segmentStates = topic<string, SegmentState>('segment-states', {
  value: json(),
  cleanup: 'compact',
});

/** An event as it arrived; a list of them is in order of arrival. */
export interface Arrival {
  readonly event: Event;
  /** ms UTC. */
  readonly at: number;
}
