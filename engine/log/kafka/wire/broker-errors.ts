/** Errors of brokers, by their codes in Kafka's protocol guide. */
import { kafkaCodes } from './error-codes.ts';

const texts: ReadonlyMap<number, string> = new Map([
  [1, 'the offset is not there'],
  [2, 'the broker found the records damaged'],
  [3, 'unknown topic or partition'],
  [5, 'the leader is not available'],
  [6, 'not the leader of the partition'],
  [7, 'the replicas did not have it in time'],
  [9, 'the replica is not available'],
  [10, 'message size too large'],
  [13, 'the broker lost its connection'],
  [14, 'the coordinator is still loading'],
  [15, 'the coordinator is not available'],
  [16, 'not the coordinator'],
  [17, 'invalid topic name'],
  [18, 'the batch is larger than a segment of the topic'],
  [19, 'not enough replicas in sync'],
  [20, 'not enough replicas in sync, after it was written'],
  [21, 'invalid required acks'],
  [22, 'the generation of the group is another'],
  [24, 'invalid group id'],
  [25, 'the group does not know the member'],
  [27, 'the group is rebalancing'],
  [28, 'the metadata of the offsets is too long'],
  [29, 'topic authorization failed'],
  [30, 'group authorization failed'],
  [31, 'cluster authorization failed'],
  [32, 'invalid timestamp'],
  [33, 'unsupported SASL mechanism'],
  [34, 'the login was not done in order'],
  [35, 'unsupported version of the request'],
  [42, 'invalid request'],
  [43, 'the message format of the topic does not have it'],
  [44, 'refused by a policy of the cluster'],
  [45, 'a batch is missing before this one'],
  [47, 'a newer producer has the transactional id'],
  [48, 'the transaction is not in a state for it'],
  [49, 'the transactional id belongs to another producer'],
  [50, 'invalid transaction timeout: above transaction.max.timeout.ms of the brokers'],
  [51, 'the transaction before is still being ended'],
  [53, 'transactional id authorization failed'],
  [56, 'the disk of the broker failed'],
  [74, 'the leader is another meanwhile'],
  [75, 'the leader does not know of its election yet'],
  [76, 'unsupported compression type'],
  [78, 'the offset is not available yet'],
  [82, 'another process has the instance id'],
  [87, 'invalid record'],
  [90, 'a newer producer has the transactional id'],
  [kafkaCodes.topicRemade, 'the topic was deleted and made anew'],
  [100, 'the topic was made anew'],
  [103, 'the topic was made anew'],
]);

export interface BrokerError extends Error {
  readonly code: number;
  readonly topic?: string | undefined;
}

/** @param where subject of the request, such as a topic, which the error names then */
export function brokerError(code: number, where?: string, topic = where): BrokerError {
  const text = texts.get(code) ?? `error ${code} of the broker`;
  const error = new Error(where === undefined ? text : `${where}: ${text}`);
  return Object.assign(error, { code, topic });
}
