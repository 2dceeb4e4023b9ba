/**
 * A topic that is deleted and made anew between two looks at it: no broker says so, and offsets of
 * before mean nothing in it.
 */
import { expect, test } from 'vitest';
import { VirtualClock } from '../../../engine/base/clock.ts';
import { KafkaWriter } from '../../../engine/log/kafka/adapter/kafka-writer.ts';
import { ClusterView } from '../../../engine/log/kafka/direct/cluster-view.ts';
import type { Transactions } from '../../../engine/log/kafka/direct/transactions.ts';
import { metadataWithIds } from '../../../engine/log/kafka/wire/cluster-requests.ts';
import { WireReader, WireWriter } from '../../../engine/log/kafka/wire/wire-format.ts';
import type { GroupOffset } from '../../../engine/log/log.ts';
import { BatchBuilder } from '../../../engine/record/batch.ts';

const told = (id: string | undefined) => ({
  brokers: [],
  topics: [{ error: 0, topic: 'words', id, partitions: [] }],
});

test('it has another id; one that we made ourselves is not meant', () => {
  const view = new ClusterView([]);
  for (const id of ['a', undefined, 'a']) view.take(told(id));
  expect(view.isRemade('words')).toBe(false);
  view.take(told('b'));
  expect(view.isRemade('words')).toBe(true);
  view.forgetTopics(['words']);
  view.take(told('b'));
  expect(view.isRemade('words')).toBe(false);
});

test('an answer with ids is read, field by field', () => {
  const id = '0123456789abcdef0123456789abcdef';
  const body = new WireWriter().int32(0);
  body.compactArray([1], () => {
    body.int32(1).compactString('host').int32(9_092).compactString(undefined).tags();
  });
  body.compactString('cluster').int32(1);
  body.compactArray([id, undefined], (one) => {
    body.int16(0).compactString('words').uuid(one).int8(0);
    body.compactArray([0, 1], (partition) => {
      body.int16(0).int32(partition).int32(1).int32(5);
      for (let list = 0; list < 3; list++) body.compactArray([1], (node) => body.int32(node));
      body.tags();
    });
    body.int32(0).tags();
  });
  body.tags();
  const { brokers, topics } = metadataWithIds([]).read(new WireReader(body.written));
  expect(brokers).toEqual([{ node: 1, host: 'host', port: 9_092 }]);
  expect(topics.map((one) => [one.topic, one.id, one.partitions.length])).toEqual([
    ['words', id, 2],
    ['words', undefined, 2],
  ]);
});

/**
 * Writes one record to a partition a commit, which ends then as `ends` says, one after the other.
 */
async function commitsOver(topic: string, ends: readonly number[]): Promise<number[]> {
  const committed: number[] = [];
  let end = 0;
  const transactions: Transactions = {
    begin: async () => {},
    append: async () => {},
    flush: async (): Promise<readonly GroupOffset[]> => [{ topic, partition: 0, offset: end }],
    sendOffsets: async () => {},
    commit: async () => void committed.push(end),
    close: async () => {},
  };
  const writer = await KafkaWriter.open({
    id: 'w',
    open: async () => transactions,
    isState: (name) => name === 'a-changelog',
    ofMember: true,
    brokers: 'none',
    transactionTimeoutMs: 60_000,
    clock: new VirtualClock(),
  });
  for (const [i, offset] of ends.entries()) {
    end = offset;
    const builder = new BatchBuilder();
    builder.append(null, Buffer.from('value'), 0);
    const appends = [{ topic, partition: 0, batch: builder.finishAt(null) }];
    await writer.commit({ appends, offsets: [], commitId: i + 1 });
  }
  return committed;
}

test('a changelog that ends before where it ended has lost state: nothing is committed on it', async () => {
  expect(await commitsOver('a-changelog', [4, 6, 8])).toEqual([4, 6, 8]);
  await expect(commitsOver('a-changelog', [4, 6, 1, 3])).rejects.toMatchObject({
    code: 'TOPIC_REMADE',
    context: { topic: 'a-changelog' },
  });
  expect(await commitsOver('out', [4, 6, 1])).toEqual([4, 6, 1]);
});
