/** The events of the log that a comparison is about, each under the subject that it counts for. */
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
 * What came for a subject before it was merged into another counts for that one; what came later is
 * in the log once more, under the other's name.
 * @param profiles of the subjects to compare; one that is missing there is to be found out, not
 * passed over
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
      // What comes after a split is its own again.
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

/** Without what only the application reads of it: the profile that a merged subject hands over. */
function plain(event: Event): Event {
  const { absorbed: _, ...rest } = event;
  return rest;
}
