/**
 * Whether the settings allow writing without librdkafka, and the batch size.
 */

import { producerOptions } from './client-configs.ts';
import type { KafkaSettings } from './kafka-settings.ts';

/** librdkafka's own default, bytes of records before compression. */
const defaultBatchBytes = 1_000_000;
/** Overhead of a batch, and of LZ4 for incompressible data, bytes. */
const batchOverheadBytes = 512;

/** Bytes of records per batch before compression; a string says why librdkafka must write. */
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
