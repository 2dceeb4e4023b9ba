/**
 * Rule T1: no commit or abort that was delayed in the network hits a later transaction. In the
 * older protocol of transactions an EndTxn names the producer and its epoch, and no transaction, so
 * a late one ends whichever is open. The coordinator here keeps that protocol; the network holds
 * one EndTxn back and delivers it in the middle of a later transaction, whose process ends right
 * after. What is committed must be whole transactions only.
 */
import { describe, expect, test } from 'vitest';
import { VirtualClock } from '../../../engine/base/clock.ts';
import {
  KafkaWriter,
  type KafkaWriterOptions,
} from '../../../engine/log/kafka/adapter/kafka-writer.ts';
import type { Transactions } from '../../../engine/log/kafka/direct/transactions.ts';
import type { Commit } from '../../../engine/log/log.ts';
import { BatchBuilder } from '../../../engine/record/batch.ts';

/** The transaction coordinator before KIP-890. */
class Coordinator {
  epoch = -1;
  inits = 0;
  open: string[] = [];
  readonly committed: string[][] = [];

  init(): number {
    this.open = [];
    this.inits++;
    this.epoch++;
    return this.epoch;
  }

  end(epoch: number, commits: boolean): void {
    if (epoch !== this.epoch) return;
    if (commits && this.open.length > 0) this.committed.push(this.open);
    this.open = [];
  }
}

/** What happens to the first commit; a copy of its EndTxn stays in the network. */
type Trouble =
  | 'none'
  | 'slow'
  | 'slow offsets'
  | 'lost answer'
  | 'lost request'
  | 'doubt'
  | 'abort';

class Network {
  readonly coordinator = new Coordinator();
  readonly clock = new VirtualClock();
  trouble: Trouble = 'none';
  /** A request that is held back. */
  held: (() => void) | undefined;

  /** @param onDoubt told of what went wrong between calls */
  producer(onDoubt: () => void, epoch = this.coordinator.init()): Transactions {
    const { coordinator, clock } = this;
    let sent: string[] = [];
    const end = async () => {
      const { trouble } = this;
      if (trouble === 'lost request') {
        this.held = () => coordinator.end(epoch, true);
        throw new Error('the connection broke');
      }
      coordinator.end(epoch, true);
      if (trouble === 'none') return;
      this.held = () => coordinator.end(epoch, trouble !== 'abort');
      if (trouble === 'lost answer' || trouble === 'abort') throw new Error('the connection broke');
      if (trouble === 'slow') clock.advance(1_001);
      if (trouble === 'doubt') onDoubt();
    };
    return {
      begin: async () => {
        sent = [];
      },
      append: async ({ partition }) => {
        sent.push(`record ${partition}`);
      },
      flush: async () => {
        coordinator.open.push(...sent);
        return sent.map((_, partition) => ({ topic: 'out', partition, offset: 1 }));
      },
      sendOffsets: async () => {
        coordinator.open.push('offsets');
        if (this.trouble === 'slow offsets') {
          this.held = () => coordinator.end(epoch, true);
          clock.advance(1_001);
        }
      },
      commit: end,
      close: async () => {},
    };
  }
}

function commitOf(commitId: number, onPhase?: Commit['onPhase']): Commit {
  const appends = [0, 1].map((partition) => {
    const builder = new BatchBuilder();
    builder.append(null, Buffer.from('value'), 0);
    return { topic: 'out', partition, batch: builder.finishAt(null) };
  });
  const offsets = [{ topic: 'in', partition: 0, offset: commitId }];
  return { appends, offsets, commitId, ...(onPhase === undefined ? {} : { onPhase }) };
}

type Open = KafkaWriterOptions['open'];

/**
 * Two commits, the second of which the held EndTxn hits, and the end of the process. Answers what
 * is committed.
 * @param change makes a mutant of the writer
 */
async function committedAfter(
  trouble: Trouble,
  change: (options: KafkaWriterOptions, network: Network) => KafkaWriterOptions = (same) => same,
): Promise<string[][]> {
  const network = new Network();
  const open: Open = async (onDoubt) => network.producer(onDoubt);
  const options: KafkaWriterOptions = {
    id: 'w',
    open,
    ofMember: true,
    brokers: 'none',
    transactionTimeoutMs: 60_000,
    clock: network.clock,
  };
  const writer = await KafkaWriter.open(change(options, network));
  network.trouble = trouble;
  await writer.commit(commitOf(1)).catch(() => {});
  network.trouble = 'none';
  const ended = writer.commit(
    commitOf(2, (phase) => {
      if (phase !== 'offsets') return;
      network.held?.();
      throw new Error('the process ends here');
    }),
  );
  await expect(ended).rejects.toThrow();
  return network.coordinator.committed;
}

const whole = ['record 0', 'record 1', 'offsets'];
const troubles: readonly Trouble[] = [
  'none',
  'slow',
  'slow offsets',
  'lost answer',
  'lost request',
  'doubt',
  'abort',
];

const isWhole = (committed: readonly string[][]) =>
  committed.every((one) => one.join() === whole.join());

describe('rule T1', () => {
  test.each(troubles)('a late EndTxn hits no other transaction: %s', async (trouble) => {
    const committed = await committedAfter(trouble);
    expect(committed).toEqual(trouble === 'lost request' ? [] : [whole]);
  });

  test('without a doubt the producer stays', async () => {
    const network = new Network();
    const writer = await KafkaWriter.open({
      id: 'w',
      open: async (onDoubt) => network.producer(onDoubt),
      ofMember: true,
      brokers: 'none',
      transactionTimeoutMs: 60_000,
      clock: network.clock,
    });
    for (const id of [1, 2, 3]) await writer.commit(commitOf(id));
    expect(network.coordinator.committed).toEqual([whole, whole, whole]);
    expect(network.coordinator.inits).toBe(1);
  });

  const still = { now: () => 0, monotonic: () => 0 };
  test.each<[string, Trouble, Parameters<typeof committedAfter>[1]]>([
    ['takes no notice of slow calls', 'slow', (options) => ({ ...options, clock: still })],
    [
      'takes no notice of what goes wrong between calls',
      'doubt',
      (options, network) => ({ ...options, open: async () => network.producer(() => {}) }),
    ],
    [
      'goes on with the epoch of before',
      'lost answer',
      (options, network) => {
        const epoch = network.coordinator.init();
        return { ...options, open: async (onDoubt) => network.producer(onDoubt, epoch) };
      },
    ],
  ])('a mutant that %s is found', async (_, trouble, change) => {
    expect(isWhole(await committedAfter(trouble, change))).toBe(false);
  });
});
