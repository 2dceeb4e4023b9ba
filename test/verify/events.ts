/** The accepted events of a log, read apart from the engine: only the mapping is shared. */

import { rowOptions } from '../../engine/cli/start.ts';
import { rowsOf } from '../../engine/connect/rows.ts';
import type { Trait } from '../../topologies/event.ts';
import { eventMap } from '../../topologies/ingest/event-map.ts';
import type { Mapping } from '../../topologies/ingest/mapping.ts';

export interface LogEvent {
  readonly subject: string;
  /** ms UTC. */
  readonly at: number;
  readonly class: string;
  readonly id: string;
  readonly item: string;
  readonly link?: string;
  readonly traits: Readonly<Record<string, Trait>>;
  readonly numbers: Readonly<Record<string, number>>;
}

/** Every row of the files that maps to an event, in the order the mapping asks for. */
export async function readEvents(mapping: Mapping, files: readonly string[]): Promise<LogEvent[]> {
  const map = eventMap(mapping);
  const events: LogEvent[] = [];
  let row = 0;
  for (const file of files) {
    const rows = rowsOf(file, rowOptions(mapping));
    for await (const { fields } of rows) {
      // Without an id column no two rows are the same event.
      const mapped = fields === undefined ? 'skip' : map(fields, `row ${row++}`);
      if (mapped === 'skip' || 'reject' in mapped) continue;
      const { id, item = id, link, traits = {}, numbers = {}, class: eventClass } = mapped.value;
      events.push({
        subject: mapped.key,
        at: mapped.timestamp,
        class: eventClass,
        id,
        item,
        ...(link === undefined ? {} : { link }),
        traits,
        numbers,
      });
    }
  }
  return mapping.order === 'time' ? events.sort((a, b) => a.at - b.at) : events;
}

/**
 * By subject: the events that are neither late (older than the subject's newest one by more than the
 * grace, when they come) nor a second one of the same id; in the order of their instants.
 */
export function acceptedOf(
  events: readonly LogEvent[],
  graceMs: number,
): Map<string, readonly LogEvent[]> {
  const bySubject = new Map<string, { newest: number; ids: Set<string>; events: LogEvent[] }>();
  for (const event of events) {
    const known = bySubject.get(event.subject) ?? { newest: event.at, ids: new Set(), events: [] };
    bySubject.set(event.subject, known);
    known.newest = Math.max(known.newest, event.at);
    if (event.at < known.newest - graceMs || known.ids.has(event.id)) continue;
    known.ids.add(event.id);
    known.events.push(event);
  }
  return new Map(
    [...bySubject].map(([subject, known]) => [subject, known.events.sort((a, b) => a.at - b.at)]),
  );
}
