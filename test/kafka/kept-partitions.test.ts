/**
 * A member that stands at the end of its partitions keeps some of them while others move to a new
 * member. While it has not answered yet, all of them are held by the client; what is written
 * meanwhile must reach it: the first record is easily passed over.
 */
import { describe, expect, test } from 'vitest';
import { systemScheduler } from '../../engine/base/scheduler.ts';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import type { TopicPartition } from '../../engine/log/log.ts';
import type { Member } from '../../engine/log/member.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const count = 6;

describe.skipIf(!(await kafkaAvailable())).each(['direct', 'packed', 'plain'] as const)(
  'kept partitions, %s',
  (transport) => {
    test('what is written during a rebalance is read', { timeout: 600_000 }, async () => {
      const { address: brokers } = await sharedBroker();
      const topic = `kept-${transport}`;
      const protocol = { groupProtocol: 'consumer' } as const;
      const settings = { ...defaultKafkaSettings, ...protocol, brokers, transport };
      const logs: KafkaLog[] = [];
      const joined = async () => {
        const log = await openKafkaLog({ settings, application: topic });
        logs.push(log);
        if (logs.length === 1)
          await log.createTopics([{ name: topic, partitions: count, settings: {} }]);
        const partitions = Array.from({ length: count }, (_, partition) => ({ topic, partition }));
        const options = { group: topic, partitions, scheduler: systemScheduler };
        return new Reading(await log.join(options));
      };
      const first = await joined();
      try {
        await until([first], () => first.atEnd === count);
        first.beforeRelease = async () => {
          for (let time = 0; time < 2; time++) await write(logs[0] as KafkaLog, topic);
        };
        const second = await joined();
        await until([first, second], () => first.read.length + second.read.length >= 2 * count);
        const kept = [...first.places.keys()];
        expect(kept.length).toBeGreaterThan(0);
        expect(second.places.size).toBe(count - kept.length);
        // Marks of transactions have offsets, too: the second record is the third offset.
        for (const reading of [first, second]) {
          const wanted = [...reading.places.keys()].flatMap((partition) =>
            [0, 2].map((offset) => `${partition}/${offset}`),
          );
          expect(reading.read.sort()).toEqual(wanted.sort());
        }
        await second.member.leave();
      } finally {
        await first.member.leave();
        for (const log of logs) await log.close();
      }
    });
  },
);

/** What a member has and has read. */
class Reading {
  readonly member: Member;
  readonly places = new Map<number, TopicPartition & { offset: number; end: boolean }>();
  readonly read: string[] = [];
  beforeRelease: () => Promise<void> = async () => {};

  constructor(member: Member) {
    this.member = member;
  }

  /** Partitions read to their end. */
  get atEnd(): number {
    return [...this.places.values()].filter(({ end }) => end).length;
  }

  async step(): Promise<void> {
    for (
      let change = this.member.takeChange();
      change !== undefined;
      change = this.member.takeChange()
    ) {
      for (const at of change.partitions) {
        if (change.kind === 'assigned')
          this.places.set(at.partition, { ...at, offset: 0, end: false });
        else this.places.delete(at.partition);
      }
      if (change.kind === 'revoked') await this.beforeRelease();
      await change.answer(change.partitions.map((at) => ({ ...at, offset: 0 })));
    }
    for (const place of this.places.values()) {
      const { batches, end } = await this.member.fetch(place, place.offset, { records: 100 });
      place.end = end;
      for (const batch of batches) {
        for (const offset of batch.offsets) {
          if (offset >= place.offset) this.read.push(`${place.partition}/${offset}`);
        }
        place.offset = Math.max(place.offset, batch.nextOffset);
      }
    }
  }
}

/** Lets the members work until it is so; the test's deadline ends what never comes. */
async function until(readings: readonly Reading[], reached: () => boolean): Promise<void> {
  while (!reached()) {
    for (const reading of readings) await reading.step();
    await new Promise((done) => setTimeout(done, 20));
  }
}

/** One record into every partition, in one transaction. */
async function write(log: KafkaLog, topic: string): Promise<void> {
  const appends = Array.from({ length: count }, (_, partition) => {
    const builder = new BatchBuilder();
    builder.append(Buffer.from('key'), Buffer.from('value'), 1_700_000_000_000);
    return { topic, partition, batch: builder.finishAt(0) };
  });
  const writer = await log.openWriter(`${topic}-feeder`);
  await writer.commit({ appends, offsets: [], commitId: 1 });
  await writer.close();
}
