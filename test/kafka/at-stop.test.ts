/** What becomes of a static member's partitions when its process stops: kept, or given away. */
import { describe, expect, onTestFinished, test } from 'vitest';
import { systemScheduler } from '../../engine/base/scheduler.ts';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import type { Member } from '../../engine/log/member.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const count = 4;
const sessionMs = 45_000;

describe.skipIf(!(await kafkaAvailable()))('a static member that stops', () => {
  test.each(['leave', 'stay'] as const)('%s', { timeout: 300_000 }, async (atStop) => {
    const { address: brokers } = await sharedBroker();
    const topic = `at-stop-${atStop}`;
    const logs: KafkaLog[] = [];
    onTestFinished(async () => {
      for (const log of logs) await log.close();
    });
    const joined = async (instanceId: string) => {
      const options = { 'session.timeout.ms': String(sessionMs) };
      const settings = { ...defaultKafkaSettings, brokers, instanceId, atStop, options };
      const log = await openKafkaLog({ settings, application: topic });
      if (logs.length === 0)
        await log.createTopics([{ name: topic, partitions: count, settings: {} }]);
      logs.push(log);
      const partitions = Array.from({ length: count }, (_, partition) => ({ topic, partition }));
      return new Holding(await log.join({ group: topic, partitions, scheduler: systemScheduler }));
    };
    const [first, second] = [await joined('one'), await joined('two')];
    const both = [first, second];
    await until(both, () => both.every(({ held }) => held.size === count / 2));
    await first.member.leave();
    const begin = performance.now();
    if (atStop === 'leave') {
      await until([second], () => second.held.size === count);
      expect(performance.now() - begin).toBeLessThan(sessionMs / 2);
    } else {
      await until([second], () => performance.now() - begin > sessionMs / 5);
      expect(second.held.size, 'they are kept for its return').toBe(count / 2);
      const again = await joined('one');
      await until([again, second], () => again.held.size === count / 2);
      expect(second.held.size).toBe(count / 2);
      await again.member.leave();
    }
    await second.member.leave();
  });
});

/** The partitions that a member has. */
class Holding {
  readonly member: Member;
  readonly held = new Set<number>();

  constructor(member: Member) {
    this.member = member;
  }

  async step(): Promise<void> {
    for (;;) {
      const change = this.member.takeChange();
      if (change === undefined) return;
      for (const { partition } of change.partitions) {
        if (change.kind === 'assigned') this.held.add(partition);
        else this.held.delete(partition);
      }
      await change.answer(change.partitions.map((at) => ({ ...at, offset: 0 })));
    }
  }
}

async function until(all: readonly Holding[], reached: () => boolean): Promise<void> {
  while (!reached()) {
    for (const one of all) await one.step();
    await new Promise((done) => setTimeout(done, 20));
  }
}
