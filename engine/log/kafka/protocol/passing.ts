/** Errors of brokers that pass by themselves, whatever was asked of a partition's leader. */
import { kafkaCodes } from '../calls.ts';

/** A leader that is elsewhere, or not there yet; a topic that is new and not known everywhere. */
export const leaderErrorsThatPass: readonly number[] = [
  kafkaCodes.unknownTopicOrPartition,
  kafkaCodes.leaderNotAvailable,
  kafkaCodes.notLeader,
  kafkaCodes.storage,
  kafkaCodes.fencedLeaderEpoch,
  kafkaCodes.unknownLeaderEpoch,
];

/** For so long a topic that no broker knows may be a new one, ms. */
export const unknownTopicMs = 5_000;
