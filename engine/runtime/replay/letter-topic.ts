/** The dead letters of an application, as they lie in its topic. */
import { MillraceError } from '../../base/errors.ts';
import type { Log, TopicDescription } from '../../log/log.ts';
import { decodeHeaders, type Headers } from '../../record/headers.ts';

export interface Letter {
  readonly partition: number;
  readonly offset: number;
  /** The bytes of what was refused. */
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** Of the letter, ms UTC. */
  readonly timestamp: number;
  readonly headers: Headers;
  readonly headerBytes: Buffer;
}

/** Letters that are read at a time, at most, and about so many bytes of them. */
const perRead = { records: 1_000, bytes: 4 * 1024 * 1024 };

/**
 * Letters in blocks, partition by partition, up to where they end now.
 * @throws TOPIC_UNKNOWN where the application has none, as it never ran
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

/** ms UTC: the time of the record that was refused; of a row that had none that of its letter. */
export function timeOfRecord({ headers, timestamp }: Letter): number {
  const told = Number(headers['timestamp']);
  return headers['stage'] === 'source' || !Number.isFinite(told) ? timestamp : told;
}
