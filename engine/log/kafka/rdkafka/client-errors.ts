/** Errors of the client and of brokers as ours: codes say more than the client's texts. */
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
  /** What the call is for, e.g. 'read the end of orders/0'. */
  readonly what: string;
  readonly topic?: string;
}

/**
 * An error of the client or a broker as ours. KAFKA_REFUSED, TOPIC_UNKNOWN and KAFKA_REJECTED do
 * not pass by themselves; LOG_NOT_READY, which brokers answer, and LOG_UNREACHABLE, where none
 * does, may.
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
 * What an error of a partition that is read means for the run; undefined for what may pass. Offsets
 * that are lost are told by who knows where the partition begins and ends.
 * @param gone what an unknown topic means
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
 * Why brokers refused us, out of a line of the library's log: its error events come only when the
 * deadline is over, and say less. Undefined for other lines.
 */
export function refusalIn(line: string): string | undefined {
  return /((SASL authentication error|SSL handshake failed): .*?)( \(after \d+ms in state .*)?$/s.exec(
    line,
  )?.[1];
}

/**
 * The library's texts, as the client gives them, of what delivery reports and error events may say.
 */
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

/** The code of an error; the client's delivery reports and error events carry only its text. */
export function codeOf({ code, message }: { readonly code?: unknown; readonly message: string }) {
  const given = Number(code);
  if (Number.isInteger(given) && given !== -1) return given;
  return codesByText.get(message.toLowerCase()) ?? given;
}
