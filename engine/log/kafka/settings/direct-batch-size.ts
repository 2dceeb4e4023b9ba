/**
 * Whether the settings of the Kafka log let us write past librdkafka, and in batches of which size.
 */

import { producerOptions } from './client-configs.ts';
import type { KafkaSettings } from './kafka-settings.ts';

/** librdkafka's own default, bytes of records before compression. */
const defaultBatchBytes = 1_000_000;
/** What a batch has beside its records, and LZ4 beside what it cannot compress. */
const batchOverheadBytes = 512;

/** Bytes of records a batch before compression; a text says why writing is left to librdkafka. */
export function directBatchBytes(settings: KafkaSettings): number | string {
  const options = producerOptions(settings, '');
  for (const name of ['compression.level', 'batch.num.messages']) {
    if (name in options) return `the option ${name} is librdkafka's alone`;
  }
  const codec = String(options['compression.type']);
  if (codec !== 'lz4') return `librdkafka alone compresses by ${codec}`;
  const bytes = Number(options['batch.size'] ?? defaultBatchBytes);
  return Math.max(1, Math.min(bytes, settings.maxRecordBytes - batchOverheadBytes));
}
