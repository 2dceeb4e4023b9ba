/** What a reader of the log must leave out and add, by corrections and dead letters. */
import type { Event } from '../../event.ts';

/** An event that a correction adds to the log, before a place. */
export interface AddedEvent {
  readonly key: string;
  readonly event: Event;
  /** ms UTC. */
  readonly at: number;
  /** The night that it belongs to, and the offset of the correction that adds it. */
  readonly night: string;
  readonly order: number;
  readonly by: number;
}

/** What a reader of the log leaves out and adds; keys are made by `placeOf`. */
export interface LogEdits {
  readonly gone: ReadonlySet<string>;
  readonly before: ReadonlyMap<string, readonly AddedEvent[]>;
}

/** A key for a place of the topic `events`. */
export function placeOf(partition: number, offset: number): string {
  return `${partition}/${offset}`;
}
