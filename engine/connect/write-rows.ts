/** The records of a row enter the log together or not at all. */
import { emptyBytes } from '../base/bytes.ts';
import { messageOf } from '../base/errors.ts';
import type { Topic } from '../graph/topic.ts';
import type { BatchBuilder } from '../record/batch.ts';
import type { Outputs } from '../task/outputs.ts';

interface RowRecord<K, V> {
  readonly key: K | null;
  readonly value: V | null;
  /** ms UTC. */
  readonly timestamp: number;
}

/** Writes a row; returns the reason if it cannot, such as a key that its serde cannot encode. */
export function writeRow<K, V>(
  outputs: Outputs,
  topic: Topic<K, V>,
  records: readonly RowRecord<K, V>[],
): string | undefined {
  const written: BatchBuilder[] = [];
  try {
    for (const { key, value, timestamp } of records) {
      written.push(outputs.write(topic.name, topic, key, value, timestamp, emptyBytes));
    }
    return undefined;
  } catch (error) {
    for (const builder of written.reverse()) builder.dropLast();
    return `it cannot be written: ${messageOf(error)}`;
  }
}
