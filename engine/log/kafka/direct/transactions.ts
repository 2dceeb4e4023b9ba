/**
 * What the transactional writer needs of a producer, which is ours or librdkafka's
 * (rdkafka/client-transactions.ts).
 */
import { MillraceError } from '../../../base/errors.ts';
import type { Append, GroupOffset } from '../../log.ts';
import { keyOf } from '../../partition-key.ts';
import type { PartitionError } from '../wire/error-codes.ts';
import { kafkaCodes } from '../wire/error-codes.ts';

/**
 * A producer that was initialised under its transactional id, with a transaction at a time. What
 * rejects, with the broker's or the client's `code` where there is one, ends its use: it is closed,
 * and the next one's init aborts what it had open.
 */
export interface Transactions {
  begin(): Promise<void>;
  append(append: Append): Promise<void>;
  /**
   * Waits until the brokers have all that was appended; answers where each partition ends.
   * RECORD_REFUSED for what they do not take.
   */
  flush(): Promise<readonly GroupOffset[]>;
  sendOffsets(offsets: readonly GroupOffset[]): Promise<void>;
  commit(): Promise<void>;
  close(): Promise<void>;
}

const refusedOfRecords: ReadonlySet<number> = new Set([
  kafkaCodes.invalidRecord,
  kafkaCodes.invalidTimestamp,
  kafkaCodes.messageTooLarge,
  kafkaCodes.policyViolation,
  kafkaCodes.recordListTooLarge,
  kafkaCodes.unsupportedCompression,
  kafkaCodes.unsupportedForFormat,
]);

/**
 * A record the broker does not take belongs to the configuration: trying again would not mend it.
 */
export function refusalOf({ code, message, topic = '', partition = 0 }: PartitionError): Error {
  if (refusedOfRecords.has(code)) {
    return new MillraceError('RECORD_REFUSED', { topic, partition, problem: message });
  }
  return Object.assign(new Error(`${keyOf({ topic, partition })}: ${message}`), { code, topic });
}
