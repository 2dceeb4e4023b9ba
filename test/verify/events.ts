/** The events of a log, read apart from the engine: only the mapping is shared. */
import { createHash } from 'node:crypto';
import { rowOptions } from '../../engine/cli/start.ts';
import type { LoggedEvent } from '../../engine/cli/verify/database.ts';
import { rowsOf } from '../../engine/connect/rows.ts';
import { eventMap } from '../../topologies/ingest/event-map.ts';
import type { Mapping } from '../../topologies/ingest/mapping.ts';

/** Every row of the files that maps to an event, in the order the mapping asks for. */
export async function readEvents(
  mapping: Mapping,
  files: readonly string[],
): Promise<LoggedEvent[]> {
  const map = eventMap(mapping);
  const rows: { at: number; raw: string; fields: Readonly<Record<string, unknown>> }[] = [];
  for (const file of files) {
    for await (const { fields, raw } of rowsOf(file, rowOptions(mapping))) {
      if (fields === undefined) continue;
      const mapped = map(fields, '');
      const at = mapped !== 'skip' && 'timestamp' in mapped ? mapped.timestamp : 0;
      rows.push({ at, raw, fields });
    }
  }
  if (mapping.order === 'time') rows.sort((a, b) => a.at - b.at);
  const events: LoggedEvent[] = [];
  const ordinals = new Map<string, number>();
  for (const { raw, fields } of rows) {
    // Without an id column no two rows are the same event: the text and its ordinal tell them apart.
    const hash = createHash('sha256').update(raw.trimEnd()).digest('hex').slice(0, 16);
    const ordinal = ordinals.get(hash) ?? 0;
    ordinals.set(hash, ordinal + 1);
    const mapped = map(fields, ordinal === 0 ? hash : `${hash}-${ordinal}`);
    if (mapped === 'skip' || 'reject' in mapped) continue;
    events.push({ subject: mapped.key, at: mapped.timestamp, event: mapped.value });
  }
  return events;
}
