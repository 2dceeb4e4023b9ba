/** Questions to a partition's leader: what passes is asked again, what does not is told at once. */
import { describe, expect, it } from 'vitest';
import { askedOfLeader } from '../../../engine/log/kafka/rdkafka/leader-calls.ts';
import { kafkaCodes, unknownTopicMs } from '../../../engine/log/kafka/wire/error-codes.ts';

const context = { brokers: 'broker:9092', what: 'ask for the end of orders/0', topic: 'orders' };
const timeoutMs = 15_000;

/** Answers with these errors, one after the other, the last of them for ever; with 42 where there is none. */
function asking(codes: readonly number[], msACall = 0) {
  let [calls, now] = [0, 0];
  const clock = { now: () => now, monotonic: () => now };
  const answer = askedOfLeader<number>(context, timeoutMs, clock, (done) => {
    const code = codes[Math.min(calls++, codes.length - 1)];
    now += msACall;
    if (code === undefined || code === kafkaCodes.none) done(null, 42);
    else done(Object.assign(new Error(`error ${code}`), { code }) as never);
  });
  return { answer, calls: () => calls };
}

describe('a question to a leader', () => {
  it('is asked again while the leader is elsewhere or not there yet', async () => {
    const { notLeader, leaderNotAvailable, unknownTopicOrPartition, none } = kafkaCodes;
    const { answer, calls } = asking([
      notLeader,
      leaderNotAvailable,
      unknownTopicOrPartition,
      none,
    ]);
    expect(await answer).toBe(42);
    expect(calls()).toBe(4);
  });

  it('is given up when time is over', async () => {
    const { answer, calls } = asking([kafkaCodes.notLeader], timeoutMs / 3);
    await expect(answer).rejects.toMatchObject({ code: 'LOG_NOT_READY' });
    expect(calls()).toBe(3);
  });

  it('about a topic that no leader comes to know is given up sooner', async () => {
    const { answer, calls } = asking([kafkaCodes.unknownTopicOrPartition], unknownTopicMs / 2);
    await expect(answer).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' });
    expect(calls()).toBe(2);
  });

  it.each([
    [kafkaCodes.topicAuthorization, 'KAFKA_REFUSED'],
    [kafkaCodes.unknownTopic, 'TOPIC_UNKNOWN'],
    [kafkaCodes.transport, 'LOG_UNREACHABLE'],
  ])('is asked once when the answer is error %d', async (code, ours) => {
    const { answer, calls } = asking([code]);
    await expect(answer).rejects.toMatchObject({ code: ours });
    expect(calls()).toBe(1);
  });
});
