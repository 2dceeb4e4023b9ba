/** The events of a log, read apart from the engine: only the mapping is shared. */

import { createHash } from 'node:crypto';
import { recordsOf } from '../../engine/connect/file-options.ts';
import { rowsOf } from '../../engine/connect/rows.ts';
import { rowOptions } from '../../topologies/app/mappings.ts';
import { eventMap } from '../../topologies/ingest/event-map.ts';
import type { Mapping } from '../../topologies/ingest/mapping.ts';
import type { LoggedEvent } from '../../topologies/verify/database.ts';

/** Every row of the files that maps to an event, in the order the mapping asks for. */
export async function readEvents(
  mapping: Mapping,
  files: readonly string[],
): Promise<LoggedEvent[]> {
  const map = eventMap(mapping);
  const rows: {
    at: number;
    raw: string;
    fields: Readonly<Record<string, unknown>>;
    file: number;
  }[] = [];
  for (const [file, path] of files.entries()) {
    let at = Number.NEGATIVE_INFINITY;
    for await (const { fields, raw } of rowsOf(path, rowOptions(mapping))) {
      if (fields === undefined) continue;
      const [first] = recordsOf(map(fields, ''));
      // What has no time goes with the row before it.
      if (first !== undefined) at = first.timestamp;
      rows.push({ at, raw, fields, file });
    }
  }
  if (mapping.order === 'time') rows.sort((a, b) => a.at - b.at);
  const events: LoggedEvent[] = [];
  const ordinals = new Map<string, number>();
  for (const { raw, fields, file } of rows) {
    // Without an id column no two rows are the same event: the text and its ordinal tell them
    // apart.
    const hash = createHash('sha256').update(raw.trimEnd()).digest('hex').slice(0, 16);
    const own = file === 0 ? hash : `${hash}.${file}`;
    const ordinal = ordinals.get(own) ?? 0;
    ordinals.set(own, ordinal + 1);
    for (const { key, timestamp, value } of recordsOf(
      map(fields, ordinal === 0 ? own : `${own}-${ordinal}`),
    )) {
      events.push({ subject: key, at: timestamp, event: value });
    }
  }
  return events;
}
