/** What the files of a night contain now, in the form in which the log returns it. */
import type { Log } from 'millrace/engine';
import {
  type Item,
  inputChanged,
  type KnownFile,
  recordsOf as mappedOf,
  Outputs,
  readCursors,
  writeRow,
} from '../../../engine/cli/index.ts';
import { type Arrival, type Event, events } from '../../event.ts';
import { type ChangedNight, type FileInputs, knownOf } from './nights.ts';

/** in = out + rejected + skipped. */
export interface RowCounts {
  readonly in: number;
  readonly out: number;
  readonly rejected: readonly { readonly file: string; readonly reason: string }[];
  readonly skipped: Readonly<Record<string, number>>;
}

/** The files as they are now. */
export interface NightRows {
  readonly events: ReadonlyMap<string, readonly Arrival[]>;
  readonly known: readonly KnownFile[];
  readonly rejected: readonly (Item<string, unknown> & { readonly reason: string })[];
  readonly counts: RowCounts;
}

export async function rowsOf(
  log: Log,
  application: string,
  { source, night, files }: ChangedNight,
): Promise<NightRows> {
  const known = knownOf(await readCursors(log, application), source.name);
  const reader = source.reader(files, known.slice(0, night.first));
  const arrivals = new Map<string, Arrival[]>();
  const rejected: (Item<string, unknown> & { reason: string })[] = [];
  const skipped: Record<string, number> = {};
  let read = 0;
  for await (const items of reader.items()) {
    for (const item of items) {
      reader.took(item);
      read++;
      const { mapped } = item;
      if (mapped === 'skip' || 'skip' in mapped) {
        const reason = mapped === 'skip' ? 'not wanted' : mapped.skip;
        skipped[reason] = (skipped[reason] ?? 0) + 1;
        continue;
      }
      const told = 'reject' in mapped ? mapped.reject : arrivalsOf(mappedOf(mapped), source);
      if (typeof told === 'string') rejected.push({ ...item, reason: told });
      else for (const { key, ...arrival } of told) push(arrivals, key, arrival);
    }
  }
  const after = reader.cursor(null).files ?? [];
  const own = after.slice(night.first);
  const isSame = (file: KnownFile, i: number) => JSON.stringify(file) === JSON.stringify(known[i]);
  if (!after.slice(0, night.first).every(isSame) || own.length !== night.files.length) {
    const problem = 'a file of that night is now empty, or continues another one';
    throw inputChanged(files[0] ?? '', problem);
  }
  const left = Object.values(skipped).reduce((sum, count) => sum + count, 0);
  const reasons = rejected.map(({ file, reason }) => ({ file, reason }));
  const counts = { in: read, out: read - rejected.length - left, rejected: reasons, skipped };
  return { events: arrivals, known: own, rejected, counts };
}

/**
 * The rows in the form in which the log returns them, or why one cannot be written, as the source
 * itself would say.
 */
function arrivalsOf(
  records: ReturnType<typeof mappedOf<string, unknown>>,
  { topic }: FileInputs,
): (Arrival & { readonly key: string })[] | string {
  const problem = writeRow(new Outputs({ [topic.name]: 1 }), topic, records);
  if (problem !== undefined) return problem;
  return records.map(({ key, value, timestamp: at }) => {
    const bytes = Buffer.from(events.value.encode(value as Event));
    return { key, event: events.value.decode(bytes, 0, bytes.byteLength), at };
  });
}

function push<T>(all: Map<string, T[]>, key: string, one: T): void {
  const known = all.get(key);
  if (known === undefined) all.set(key, [one]);
  else known.push(one);
}
