/** Reads the dead letters of an application from its topic. */
import { MillraceError } from '../../base/errors.ts';
import type { Log, TopicDescription } from '../../log/log.ts';
import { decodeHeaders, type Headers } from '../../record/headers.ts';

export interface Letter {
  readonly partition: number;
  readonly offset: number;
  /** The bytes of the refused record. */
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Time of the letter, ms UTC. */
  readonly timestamp: number;
  readonly headers: Headers;
  readonly headerBytes: Buffer;
}

/** Maximal number of letters per read, and their approximate bytes. */
const perRead = { records: 1_000, bytes: 4 * 1024 * 1024 };

/**
 * Yields letters in blocks, partition by partition, up to the current end.
 * @throws TOPIC_UNKNOWN if the application never ran and has none
 */
export async function* lettersIn(
  log: Log,
  topic: string,
  topics: readonly TopicDescription[],
): AsyncGenerator<Letter[]> {
  const found = topics.find(({ name }) => name === topic);
  if (found === undefined) throw new MillraceError('TOPIC_UNKNOWN', { topic });
  const partitions = Array.from({ length: found.partitions }, (_, partition) => partition);
  const ends = await Promise.all(
    partitions.map((partition) => log.endOffset({ topic, partition })),
  );
  for (const partition of partitions) {
    const at = { topic, partition };
    const end = ends[partition] as number;
    for (let from = await log.startOffset(at); from < end; ) {
      const batch = await log.read(at, from, perRead);
      if (batch === undefined) break;
      const block: Letter[] = [];
      for (let i = 0; i < batch.count && (batch.offsets[i] as number) < end; i++) {
        block.push({
          partition,
          offset: batch.offsets[i] as number,
          key: batch.key(i),
          value: batch.value(i),
          timestamp: batch.timestamps[i] as number,
          headers: decodeHeaders(batch.headerBytes(i)),
          headerBytes: batch.headerBytes(i),
        });
      }
      yield block;
      from = batch.nextOffset;
    }
  }
}

/** Time of the refused record, ms UTC; for a row without a time, that of its letter. */
export function timeOfRecord({ headers, timestamp }: Letter): number {
  const told = Number(headers['timestamp']);
  return headers['stage'] === 'source' || !Number.isFinite(told) ? timestamp : told;
}
