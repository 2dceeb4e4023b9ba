/** The events of the log to compare, each under the subject that it counts for. */
import type { Event } from '../event.ts';
import type { Profile } from '../subject/profile.ts';
import { mergedClass, redefinedClass, splitClass } from '../subject/subject-classes.ts';
import type { LoggedEvent } from './database.ts';

interface EventRecord {
  readonly key: string;
  readonly value: Event;
  /** ms UTC. */
  readonly timestamp: number;
}

/**
 * Events of a subject from before its merge count for the subject that goes on; later ones are in
 * the log a second time, under the other name.
 * @param profiles of the subjects to compare; a missing one is a difference and is reported
 * @param wanted the subjects to compare
 */
export async function loggedEvents(
  records: AsyncIterable<EventRecord> | Iterable<EventRecord>,
  profiles: ReadonlyMap<string, Profile>,
  wanted: (subject: string) => boolean = () => true,
): Promise<LoggedEvent[]> {
  const ownerOf = new Map<string, string>();
  for (const [subject, { absorbed = [] }] of profiles) {
    for (const other of absorbed) ownerOf.set(other, subject);
  }
  const gone = new Set<string>();
  const logged: LoggedEvent[] = [];
  for await (const { key, value, timestamp: at } of records) {
    if (value.class === redefinedClass) continue;
    const owner = ownerOf.get(key);
    if (owner === undefined) {
      if (wanted(key)) logged.push({ subject: key, at, event: plain(value) });
      continue;
    }
    if (gone.has(key)) {
      // Events after a split are its own again.
      if (value.class === splitClass && value.via === undefined) ownerOf.delete(key);
      continue;
    }
    if (endsHere(key, value)) gone.add(key);
    logged.push({ subject: owner, stream: key, at, event: plain(value) });
  }
  return logged;
}

function endsHere(subject: string, { class: name, item = '' }: Event): boolean {
  return name === mergedClass && item !== '' && item !== subject;
}

/** The event without the profile of a merged subject, which only the application reads. */
function plain(event: Event): Event {
  const { absorbed: _, ...rest } = event;
  return rest;
}
