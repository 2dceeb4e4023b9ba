/**
 * The producer interface of the transactional writer, implemented directly and with librdkafka
 * (rdkafka/client-transactions.ts).
 */
import { MillraceError } from '../../../base/errors.ts';
import type { Append, GroupOffset } from '../../log.ts';
import { keyOf } from '../../partition-key.ts';
import type { PartitionError } from '../wire/error-codes.ts';
import { kafkaCodes } from '../wire/error-codes.ts';

/**
 * A producer that was initialised with its transactional id, with one transaction at a time. After
 * a rejection (with the broker's or the client's `code`, if any) it must not be used again: it is
 * closed, and the init of the next one aborts its open transaction.
 */
export interface Transactions {
  begin(): Promise<void>;
  append(append: Append): Promise<void>;
  /**
   * Waits until the brokers have all appended records; returns the end of each partition.
   * @throws RECORD_REFUSED if they refuse a record
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
 * The error of a record that the broker refuses: a configuration problem, which a retry would not
 * solve.
 */
export function refusalOf({ code, message, topic = '', partition = 0 }: PartitionError): Error {
  if (refusedOfRecords.has(code)) {
    return new MillraceError('RECORD_REFUSED', { topic, partition, problem: message });
  }
  return Object.assign(new Error(`${keyOf({ topic, partition })}: ${message}`), { code, topic });
}
