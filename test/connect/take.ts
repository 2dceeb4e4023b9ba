/**
 * Runs a file source without an engine: what it hands over, and the cursors between which it may be
 * stopped.
 */
import { FileSource, type FileSourceOptions } from '../../engine/connect/file-source.ts';
import { PackedBatch } from '../../engine/record/batch.ts';
import { decodeHeaders } from '../../engine/record/headers.ts';
import { json, topic } from '../../operators/index.ts';

export const rows = topic<string, unknown>('rows', { value: json() });

export interface Took {
  /** `key value` of each record. */
  readonly records: string[];
  readonly ids: string[];
  readonly deadLetters: { text: string; reason: string; line: string }[];
  readonly skipped: Record<string, number>;
  readonly read: number;
  cursor: unknown;
}

export type Options = Partial<FileSourceOptions<string, unknown>> & { readonly files: string[] };

/** A row is `who` at `at`; without a name it is refused, and `skip` is not wanted. */
export function source(options: Options): FileSource<string, unknown> {
  return new FileSource<string, unknown>({
    name: 'given',
    format: 'csv',
    needed: ['who', 'at'],
    topic: rows,
    map: (fields, id) => {
      const [who, at] = [String(fields['who'] ?? ''), Number(fields['at'] || 'none')];
      if (who === 'skip') return { skip: 'who equals skip' };
      if (who === '' || !Number.isSafeInteger(at)) return { reject: 'it has no name or time' };
      return { key: who, value: id, timestamp: at };
    },
    ...options,
  });
}

/**
 * Takes from a cursor to the end, or until `chunks` were taken, as JSON keeps it between.
 * @param limits records of each chunk, in turn
 */
export async function take(
  options: Options,
  cursor?: unknown,
  { chunks = Number.POSITIVE_INFINITY, limits = [1_000] as readonly number[] } = {},
): Promise<Took> {
  const took: Took = {
    records: [],
    ids: [],
    deadLetters: [],
    skipped: {},
    read: 0,
    cursor,
  };
  const counts = { read: 0 };
  const given = source(options);
  const partitionsOf = { rows: 1, dead: 1 };
  await given.open({ cursor: throughJson(cursor), partitionsOf, deadLetterTopic: 'dead' });
  try {
    for (let n = 0; n < chunks; n++) {
      const chunk = await given.next(limits[n % limits.length] ?? 1);
      counts.read += chunk.records;
      for (const { topic: name, image } of chunk.outputs) {
        const batch = new PackedBatch(image);
        for (let i = 0; i < batch.count; i++) {
          if (name === 'rows') {
            took.records.push(`${batch.key(i)?.toString()} ${batch.timestamps[i]}`);
            took.ids.push(JSON.parse(batch.value(i)?.toString() ?? ''));
          } else {
            const headers = decodeHeaders(batch.headerBytes(i));
            const { reason = '', line = '' } = headers;
            took.deadLetters.push({ text: batch.value(i)?.toString() ?? '', reason, line });
          }
        }
      }
      for (const [reason, count] of Object.entries(chunk.skipped ?? {})) {
        took.skipped[reason] = (took.skipped[reason] ?? 0) + count;
      }
      // A runtime commits no cursor without a reason.
      if (chunk.records > 0 || chunk.moved === true) took.cursor = throughJson(chunk.cursor);
      if (chunk.done) break;
    }
  } finally {
    await given.close();
  }
  return { ...took, ...counts };
}

function throughJson(value: unknown): unknown {
  return value === undefined ? undefined : JSON.parse(JSON.stringify(value));
}
