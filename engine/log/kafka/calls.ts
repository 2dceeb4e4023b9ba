/**
 * Calls of node-rdkafka as promises, each with a deadline of our own, and its errors as ours: a library
 * call may answer late or never (a second disconnect does), and its codes say more than its texts.
 */
import { isPassing, MillraceError, messageOf } from '../../base/errors.ts';
import type { LibrdKafkaError } from './rdkafka.ts';

/** Codes of librdkafka (negative) and of the protocol that decide what we do. */
export const kafkaCodes = {
  allBrokersDown: -187,
  assignPartitions: -175,
  authentication: -169,
  autoOffsetReset: -140,
  badCompression: -198,
  badMessage: -199,
  clusterAuthorization: 31,
  concurrentTransactions: 51,
  coordinatorLoading: 14,
  coordinatorNotAvailable: 15,
  corruptMessage: 2,
  duplicateSequence: 46,
  fatal: -150,
  fenced: -144,
  fencedInstanceId: 82,
  fencedLeaderEpoch: 74,
  groupAuthorization: 30,
  groupMaxSize: 81,
  illegalSaslState: 34,
  inconsistentGroupProtocol: 23,
  inconsistentTopicId: 103,
  invalidArgument: -186,
  invalidCommitOffsetSize: 28,
  invalidConfig: 40,
  invalidGroupId: 24,
  invalidPartitions: 37,
  invalidProducerEpoch: 47,
  invalidRecord: 87,
  invalidReplicaAssignment: 39,
  invalidReplicationFactor: 38,
  invalidRequest: 42,
  invalidRequiredAcks: 21,
  invalidSessionTimeout: 26,
  invalidTimestamp: 32,
  invalidTopic: 17,
  invalidTransactionTimeout: 50,
  leaderNotAvailable: 5,
  maxPollExceeded: -147,
  messageTooLarge: 10,
  network: 13,
  none: 0,
  notAttempted: 55,
  notCoordinator: 16,
  notEnoughReplicas: 19,
  notEnoughReplicasAfterAppend: 20,
  notImplemented: -170,
  notLeader: 6,
  offsetNotAvailable: 78,
  offsetOutOfRange: 1,
  policyViolation: 44,
  producerFenced: 90,
  purgedInFlight: -151,
  purgedInQueue: -152,
  queueFull: -184,
  recordListTooLarge: 18,
  replicaNotAvailable: 9,
  requestTimedOut: 7,
  resolve: -193,
  revokePartitions: -174,
  saslAuthentication: 58,
  securityDisabled: 54,
  ssl: -181,
  state: -172,
  storage: 56,
  timedOut: -185,
  topicAuthorization: 29,
  topicExists: 36,
  transactionalIdAuthorization: 53,
  transport: -195,
  unknownLeaderEpoch: 75,
  unknownPartition: -190,
  unknownTopic: -188,
  unknownTopicId: 100,
  unknownTopicOrPartition: 3,
  unsupportedAssignor: 112,
  unsupportedCompression: 76,
  unsupportedFeature: -165,
  unsupportedForFormat: 43,
  unsupportedSaslMechanism: 33,
  unsupportedVersion: 35,
} as const;

const refused: ReadonlySet<number> = new Set([
  kafkaCodes.authentication,
  kafkaCodes.ssl,
  kafkaCodes.clusterAuthorization,
  kafkaCodes.groupAuthorization,
  kafkaCodes.illegalSaslState,
  kafkaCodes.saslAuthentication,
  kafkaCodes.securityDisabled,
  kafkaCodes.topicAuthorization,
  kafkaCodes.transactionalIdAuthorization,
  kafkaCodes.unsupportedSaslMechanism,
]);
const missing: ReadonlySet<number> = new Set([
  kafkaCodes.unknownTopic,
  kafkaCodes.unknownPartition,
  kafkaCodes.unknownTopicOrPartition,
]);
/** What was asked for is wrong in itself: asking again does not help. */
const rejected: ReadonlySet<number> = new Set([
  kafkaCodes.groupMaxSize,
  kafkaCodes.inconsistentGroupProtocol,
  kafkaCodes.invalidArgument,
  kafkaCodes.invalidCommitOffsetSize,
  kafkaCodes.invalidConfig,
  kafkaCodes.invalidGroupId,
  kafkaCodes.invalidPartitions,
  kafkaCodes.invalidRecord,
  kafkaCodes.invalidReplicaAssignment,
  kafkaCodes.invalidReplicationFactor,
  kafkaCodes.invalidRequest,
  kafkaCodes.invalidRequiredAcks,
  kafkaCodes.invalidSessionTimeout,
  kafkaCodes.invalidTopic,
  kafkaCodes.invalidTransactionTimeout,
  kafkaCodes.policyViolation,
  kafkaCodes.recordListTooLarge,
  kafkaCodes.unsupportedAssignor,
  kafkaCodes.unsupportedCompression,
  kafkaCodes.unsupportedFeature,
  kafkaCodes.unsupportedForFormat,
  kafkaCodes.unsupportedVersion,
]);
/** Of a partition that is read: the records are there, and cannot be read. */
const unreadable: ReadonlySet<number> = new Set([
  kafkaCodes.badCompression,
  kafkaCodes.badMessage,
  kafkaCodes.corruptMessage,
  kafkaCodes.notImplemented,
  kafkaCodes.unsupportedCompression,
]);
const lost: ReadonlySet<number> = new Set([
  kafkaCodes.autoOffsetReset,
  kafkaCodes.offsetOutOfRange,
]);

/** Whether asking again does not help, of what a broker answers for a partition that is read. */
export function isPermanent(code: number): boolean {
  return refused.has(code) || rejected.has(code) || lost.has(code);
}

/** Whether the client met records that it cannot read. */
export function isUnreadable(code: number): boolean {
  return unreadable.has(code);
}

/** Whether the offset that was asked for is not there. */
export function isOffsetLost(code: number): boolean {
  return lost.has(code);
}

export interface CallContext {
  /** The brokers as configured, for messages. */
  readonly brokers: string;
  /** What the call is for, e.g. 'read the end of orders/0'. */
  readonly what: string;
  readonly topic?: string;
}

/**
 * An error of the client or a broker as ours. KAFKA_REFUSED, TOPIC_UNKNOWN and KAFKA_REJECTED do not pass by themselves;
 * LOG_NOT_READY, which brokers answer, and LOG_UNREACHABLE, where none does, may.
 */
export function kafkaError(
  { brokers, what, topic }: CallContext,
  error: { readonly code?: number; readonly message: string },
): MillraceError {
  const code = codeOf(error);
  const problem = `${what}: ${error.message}`;
  const options = { cause: error };
  if (refused.has(code)) return new MillraceError('KAFKA_REFUSED', { brokers, problem }, options);
  if (topic !== undefined && missing.has(code)) {
    return new MillraceError('TOPIC_UNKNOWN', { topic }, options);
  }
  if (rejected.has(code)) return new MillraceError('KAFKA_REJECTED', { brokers, problem }, options);
  const passing = code > kafkaCodes.none ? 'LOG_NOT_READY' : 'LOG_UNREACHABLE';
  return new MillraceError(passing, { brokers, problem }, options);
}

/**
 * What an error of a partition that is read means for the run; undefined for what may pass. Offsets that are lost are told by
 * who knows where the partition begins and ends.
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
  if (unreadable.has(code)) {
    const at = { topic: topic ?? '?', partition: partition ?? '?', offset: offset ?? '?' };
    return new MillraceError('RECORDS_UNREADABLE', { ...at, problem: message }, options);
  }
  if (topic !== undefined && missing.has(code)) return new MillraceError(gone, { topic }, options);
  const what = topic === undefined ? 'read' : `read ${topic}/${partition}`;
  const failure = kafkaError({ brokers, what }, error);
  return isPassing(failure) ? undefined : failure;
}

export interface PartitionError {
  readonly code: number;
  readonly message: string;
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: number;
}

/** Of our deadline around calls that keep one of their own, ms. */
export const graceMs = 2_000;

export type Callback<T> = (error: LibrdKafkaError | null | undefined, value?: T) => void;

/**
 * Runs a call that answers by callback. Rejects with the client's own error, or with one of code
 * `timedOut` when nothing was heard for `timeoutMs`.
 */
export function answered<T>(timeoutMs: number, start: (done: Callback<T>) => void): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      const message = `no answer within ${timeoutMs} ms`;
      reject(Object.assign(new Error(message), { code: kafkaCodes.timedOut }));
    }, timeoutMs);
    const settle: Callback<T> = (error, value) => {
      clearTimeout(timer);
      if (error === null || error === undefined) resolve(value as T);
      else reject(error);
    };
    try {
      start(settle);
    } catch (error) {
      settle(error as LibrdKafkaError);
    }
  });
}

/** The same, with errors as ours. */
export async function asked<T>(
  context: CallContext,
  timeoutMs: number,
  start: (done: Callback<T>) => void,
): Promise<T> {
  try {
    return await answered<T>(timeoutMs, start);
  } catch (error) {
    throw kafkaError(context, error as LibrdKafkaError);
  }
}

/** Makes a client; what the library does not accept of its options is an error of the configuration. */
export function constructed<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    const context = { field: 'of the Kafka client', problem: messageOf(error) };
    throw new MillraceError('CONFIG_INVALID', context, { cause: error });
  }
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

/** The library's texts, as the client gives them, of what delivery reports and error events may say. */
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
