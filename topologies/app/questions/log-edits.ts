/** What a reader of the log leaves out and puts in, as corrections and dead letters have it. */
import type { Event } from '../../event.ts';

/** An event that a correction has put into the log, in front of a place. */
export interface AddedEvent {
  readonly key: string;
  readonly event: Event;
  /** ms UTC. */
  readonly at: number;
  /** The night that it belongs to, and the offset of the correction that brought it. */
  readonly night: string;
  readonly order: number;
  readonly by: number;
}

/** What a reader of the log leaves out and puts in, by `placeOf`. */
export interface LogEdits {
  readonly gone: ReadonlySet<string>;
  readonly before: ReadonlyMap<string, readonly AddedEvent[]>;
}

/** Names a place of the topic `events`. */
export function placeOf(partition: number, offset: number): string {
  return `${partition}/${offset}`;
}
