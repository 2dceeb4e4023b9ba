/**
 * Converts errors of the client and of brokers to ours, by code, which is more precise than the
 * client's texts.
 */
import { isPassing, MillraceError } from '../../../base/errors.ts';
import {
  isMissing,
  isRefused,
  isRejected,
  isUnreadable,
  kafkaCodes,
  type PartitionError,
} from '../wire/error-codes.ts';

export interface CallContext {
  /** The brokers as configured, for messages. */
  readonly brokers: string;
  /** The purpose of the call, e.g. 'read the end of orders/0'. */
  readonly what: string;
  readonly topic?: string;
}

/**
 * Converts an error of the client or a broker. KAFKA_REFUSED, TOPIC_UNKNOWN and KAFKA_REJECTED are
 * permanent. LOG_NOT_READY (a broker's response) and LOG_UNREACHABLE (no response) may be
 * transient.
 */
export function kafkaError(
  { brokers, what, topic }: CallContext,
  error: { readonly code?: number; readonly message: string },
): MillraceError {
  const code = codeOf(error);
  const problem = `${what}: ${error.message}`;
  const options = { cause: error };
  if (isRefused(code)) return new MillraceError('KAFKA_REFUSED', { brokers, problem }, options);
  if (topic !== undefined && isMissing(code)) {
    return new MillraceError('TOPIC_UNKNOWN', { topic }, options);
  }
  if (isRejected(code)) return new MillraceError('KAFKA_REJECTED', { brokers, problem }, options);
  const passing = code > kafkaCodes.none ? 'LOG_NOT_READY' : 'LOG_UNREACHABLE';
  return new MillraceError(passing, { brokers, problem }, options);
}

/**
 * The meaning of a read error of a partition for the run; undefined for a transient one. Lost
 * offsets are reported elsewhere, with the partition's bounds.
 * @param gone error for an unknown topic
 */
export function readError(
  brokers: string,
  error: PartitionError,
  gone: 'TOPIC_UNKNOWN' | 'TOPIC_DELETED',
): MillraceError | undefined {
  const { topic, partition, offset, message } = error;
  const options = { cause: error };
  const code = codeOf(error);
  if (isUnreadable(code)) {
    const at = { topic: topic ?? '?', partition: partition ?? '?', offset: offset ?? '?' };
    return new MillraceError('RECORDS_UNREADABLE', { ...at, problem: message }, options);
  }
  if (topic !== undefined && code === kafkaCodes.topicRemade) {
    return new MillraceError('TOPIC_REMADE', { topic }, options);
  }
  if (topic !== undefined && isMissing(code)) return new MillraceError(gone, { topic }, options);
  const what = topic === undefined ? 'read' : `read ${topic}/${partition}`;
  const failure = kafkaError({ brokers, what }, error);
  return isPassing(failure) ? undefined : failure;
}

/**
 * Extracts the reason of a refusal from a line of the library's log, because its error events come
 * only after the deadline and say less. Undefined for other lines.
 */
export function refusalIn(line: string): string | undefined {
  return /((SASL authentication error|SSL handshake failed): .*?)( \(after \d+ms in state .*)?$/s.exec(
    line,
  )?.[1];
}

/** The library's texts in delivery reports and error events. */
const codesByText: ReadonlyMap<string, number> = new Map([
  ['all broker connections are down', kafkaCodes.allBrokersDown],
  ['bad message format', kafkaCodes.badMessage],
  ['broker failed to validate record', kafkaCodes.invalidRecord],
  ['invalid compressed data', kafkaCodes.badCompression],
  ['not implemented', kafkaCodes.notImplemented],
  ['authentication failure', kafkaCodes.authentication],
  ['invalid timestamp', kafkaCodes.invalidTimestamp],
  ['message size too large', kafkaCodes.messageTooLarge],
  ['policy violation', kafkaCodes.policyViolation],
  ['purged in flight', kafkaCodes.purgedInFlight],
  ['purged in queue', kafkaCodes.purgedInQueue],
  ['ssl error', kafkaCodes.ssl],
  ['topic authorization failed', kafkaCodes.topicAuthorization],
  ['transactional id authorization failed', kafkaCodes.transactionalIdAuthorization],
  ['unknown partition', kafkaCodes.unknownPartition],
  ['unknown topic', kafkaCodes.unknownTopic],
  ['unknown topic or partition', kafkaCodes.unknownTopicOrPartition],
]);

/** The code of an error; delivery reports and error events of the client only have its text. */
export function codeOf({ code, message }: { readonly code?: unknown; readonly message: string }) {
  const given = Number(code);
  if (Number.isInteger(given) && given !== -1) return given;
  return codesByText.get(message.toLowerCase()) ?? given;
}
