/** Error codes and their classes: refused, permanent, transient. */

/** Codes of librdkafka (negative), of the protocol, and one of ours, that decide what we do. */
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
  topicRemade: -10_001,
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
/** The request itself is invalid: a retry does not help. */
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
/** The records of a partition exist but cannot be read. */
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

/** True if a retry of a read does not help. */
export function isPermanent(code: number): boolean {
  return refused.has(code) || rejected.has(code) || lost.has(code);
}

/** True for a refusal of access. */
export function isRefused(code: number): boolean {
  return refused.has(code);
}

/** True if a topic or a partition does not exist. */
export function isMissing(code: number): boolean {
  return missing.has(code);
}

/** True if the request itself is invalid. */
export function isRejected(code: number): boolean {
  return rejected.has(code);
}

/** True if the client cannot read records. */
export function isUnreadable(code: number): boolean {
  return unreadable.has(code);
}

/** True if the requested offset does not exist. */
export function isOffsetLost(code: number): boolean {
  return lost.has(code);
}

/** Transient errors of leaders: elsewhere, or missing; a new topic that is not known everywhere. */
export const leaderErrorsThatPass: readonly number[] = [
  kafkaCodes.unknownTopicOrPartition,
  kafkaCodes.leaderNotAvailable,
  kafkaCodes.notLeader,
  kafkaCodes.storage,
  kafkaCodes.fencedLeaderEpoch,
  kafkaCodes.unknownLeaderEpoch,
];

/** How long an unknown topic may be a new one, ms. */
export const unknownTopicMs = 5_000;

export interface PartitionError {
  readonly code: number;
  readonly message: string;
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: number;
}
