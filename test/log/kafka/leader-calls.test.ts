/** Questions to a partition's leader: what passes is asked again, what does not is told at once. */
import { describe, expect, it } from 'vitest';
import { ClientCalls } from '../../../engine/log/kafka/rdkafka/client-calls.ts';
import { kafkaCodes, unknownTopicMs } from '../../../engine/log/kafka/wire/error-codes.ts';
import { VirtualTime } from './virtual-time.ts';

const purpose = { what: 'ask for the end of orders/0', topic: 'orders' };
const callTimeoutMs = 15_000;

/**
 * Answers with these errors, one after the other, the last of them for ever; with 42 where there is
 * none.
 */
function asking(codes: readonly number[], msACall = 0) {
  let asked = 0;
  const timing = new VirtualTime();
  const calls = new ClientCalls({ brokers: 'broker:9092', callTimeoutMs, timing });
  const answer = calls.askedOfLeader<number>(purpose, (done) => {
    const code = codes[Math.min(asked++, codes.length - 1)];
    timing.clock.advance(msACall);
    if (code === undefined || code === kafkaCodes.none) done(null, 42);
    else done(Object.assign(new Error(`error ${code}`), { code }) as never);
  });
  return { answer: timing.settled(answer), asked: () => asked };
}

describe('a question to a leader', () => {
  it('is asked again while the leader is elsewhere or not there yet', async () => {
    const { notLeader, leaderNotAvailable, unknownTopicOrPartition, none } = kafkaCodes;
    const { answer, asked } = asking([
      notLeader,
      leaderNotAvailable,
      unknownTopicOrPartition,
      none,
    ]);
    expect(await answer).toBe(42);
    expect(asked()).toBe(4);
  });

  it('is given up when time is over', async () => {
    const { answer, asked } = asking([kafkaCodes.notLeader], callTimeoutMs / 3);
    await expect(answer).rejects.toMatchObject({ code: 'LOG_NOT_READY' });
    expect(asked()).toBe(3);
  });

  it('about a topic that no leader comes to know is given up sooner', async () => {
    const { answer, asked } = asking([kafkaCodes.unknownTopicOrPartition], unknownTopicMs / 2);
    await expect(answer).rejects.toMatchObject({ code: 'TOPIC_UNKNOWN' });
    expect(asked()).toBe(2);
  });

  it.each([
    [kafkaCodes.topicAuthorization, 'KAFKA_REFUSED'],
    [kafkaCodes.unknownTopic, 'TOPIC_UNKNOWN'],
    [kafkaCodes.transport, 'LOG_UNREACHABLE'],
  ])('is asked once when the answer is error %d', async (code, ours) => {
    const { answer, asked } = asking([code]);
    await expect(answer).rejects.toMatchObject({ code: ours });
    expect(asked()).toBe(1);
  });

  it('that the client does not answer ends when its time is over', async () => {
    const timing = new VirtualTime();
    const calls = new ClientCalls({ brokers: 'broker:9092', callTimeoutMs, timing });
    const answer = calls.asked(purpose, () => {});
    await expect(timing.settled(answer)).rejects.toMatchObject({ code: 'LOG_UNREACHABLE' });
    expect(timing.now).toBe(callTimeoutMs);
  });
});
