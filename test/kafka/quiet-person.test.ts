/**
 * Three processes on Kafka and a thousand people who are active, a thousand events a second by the
 * wall clock. Who is quiet for three seconds is told of at the exact millisecond, also on a silent
 * partition, and when the process that has the quiet person is killed meanwhile.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFailed, onTestFinished, test } from 'vitest';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { Appender, recordFor } from '../../engine/runtime/appender.ts';
import type { TimeReport } from '../../engine/runtime/time-report.ts';
import { emptyFolder, launch, millrace, type Running } from '../process/millrace.ts';
import { absenceMs } from '../time/absence-module.ts';
import { goneBehind, goneDirect, partitions, views, visits } from './absence-job.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const everyMs = 20;
/** Each is seen in both topics: 1 000 events a second, and everybody every two seconds. */
const perTurn = 10;
const active = 1_000;
/** Far above the second that it takes at most on a machine that has time. */
const delayBoundMs = 20_000;

interface Told {
  readonly topic: string;
  readonly person: string;
  readonly at: number;
  /** When it was read, after the instant, ms. */
  readonly delayMs: number;
}

describe.skipIf(!(await kafkaAvailable()))('a quiet person', () => {
  let brokers: string;
  let log: KafkaLog;
  let appender: Appender;
  beforeAll(async () => {
    brokers = (await sharedBroker()).address;
    log = await openKafkaLog({
      settings: { ...defaultKafkaSettings, brokers },
      application: 'absence-witness',
    });
    const topics = [
      ...[visits, views].map(({ name }) => ({ name, partitions, settings: {} })),
      ...[goneDirect, goneBehind].map(({ name }) => ({ name, partitions: 1, settings: {} })),
    ];
    await log.createTopics(topics);
    const partitionsOf = Object.fromEntries(topics.map((one) => [one.name, one.partitions]));
    appender = new Appender({ log, id: 'absence-people', partitionsOf });
  }, 300_000);
  afterAll(async () => {
    await appender?.close();
    await log?.close();
  });

  const seen = (person: string, at: number) =>
    appender.append([visits, views].map((topic) => recordFor(topic, person, person, at)));

  /** Lets people be active until it is stopped; what it meets fails the test at its end. */
  function crowd(): () => Promise<number> {
    let isOver = false;
    const run = async () => {
      let turns = 0;
      for (; !isOver; turns++) {
        const at = Date.now();
        const people = Array.from({ length: perTurn }, (_, i) => (turns * perTurn + i) % active);
        const records = people.flatMap((n) =>
          [visits, views].map((topic) => recordFor(topic, `active${n}`, `active${n}`, at)),
        );
        await appender.append(records);
        await sleep(everyMs);
      }
      return 2 * perTurn * turns;
    };
    const running = run();
    running.catch(() => {});
    return () => {
      isOver = true;
      return running;
    };
  }

  const next = new Map([goneDirect, goneBehind].map(({ name }) => [name, 0]));
  /** Waits until all are told of in both topics; answers what is told of them. */
  async function toldOf(...people: readonly string[]): Promise<Told[]> {
    const told: Told[] = [];
    while (told.length < 2 * people.length) {
      for (const [topic, from] of next) {
        const batch = await log.read({ topic, partition: 0 }, from, { records: 10_000 });
        if (batch === undefined) continue;
        next.set(topic, batch.nextOffset);
        for (let i = 0; i < batch.count; i++) {
          const [person, at] = [String(batch.key(i)), batch.timestamps[i] as number];
          if (!people.includes(person)) continue;
          told.push({ topic, person, at, delayMs: Date.now() - at });
        }
      }
      await sleep(20);
    }
    return told;
  }

  /** Each once in both topics, at the exact millisecond. */
  function expectTold(told: readonly Told[], at: number, ...people: readonly string[]): void {
    const expected = people.flatMap((person) =>
      [goneDirect, goneBehind].map(({ name }) => `${name} ${person} ${at + absenceMs}`),
    );
    const found = told.map(({ topic, person, at }) => `${topic} ${person} ${at}`);
    expect(found.sort()).toEqual(expected.sort());
  }

  test('is told of, by three processes of which one is killed', { timeout: 420_000 }, async () => {
    const folder = await emptyFolder();
    const names = ['one', 'two', 'three'];
    const member = (name: string): Running => {
      const running = launch('topologies/app/main.ts', [
        ...[
          'run',
          'test/kafka/absence-job.ts',
          '--brokers',
          brokers,
          '--data',
          `${folder}/${name}`,
        ],
        ...['--partitions', `${partitions}`, '--idle-after', '300', '--threads', '0'],
        ...['--log-level', 'info'],
      ]);
      onTestFailed(() => console.error(`${name} said:\n${running.said()}`));
      onTestFinished(() => void running.child.kill('SIGKILL'));
      return running;
    };
    const members = new Map(names.map((name) => [name, member(name)]));
    for (const one of members.values()) await one.says('"msg":"running"');
    const tasksOf = async (name: string): Promise<string[]> => {
      const args = ['describe', '--live', '--json', '--data', `${folder}/${name}`];
      const { stdout, stderr, code } = await millrace(...args);
      expect([code, stderr]).toEqual([0, expect.anything()]);
      return (JSON.parse(stdout) as TimeReport).tasks.map(({ task }) => task);
    };
    /** Tasks by member. */
    const tasks = async () =>
      new Map(
        await Promise.all(
          [...members.keys()].map(async (name) => [name, await tasksOf(name)] as const),
        ),
      );
    const shares = async () => [...(await tasks()).values()].map(({ length }) => length);
    while (!(await shares()).every((share) => share === partitions)) await sleep(200);

    const stop = crowd();
    onTestFinished(() => void stop().catch(() => {}));
    // The clocks of all partitions are under way.
    await sleep(3_000);
    const at = Date.now();
    await Promise.all(['quiet1', 'alone1'].map((person) => seen(person, at)));
    const told = await toldOf('quiet1', 'alone1');
    expectTold(told, at, 'quiet1', 'alone1');
    const delays = told.map(({ delayMs }) => delayMs);
    console.log(`told after ${delays.join(', ')} ms`);
    expect(Math.max(...delays)).toBeLessThan(delayBoundMs);

    // The members' sessions are ordinary ones: the partitions of whoever dies are given away when
    // its own is over.
    const owners = [...(await tasks())].filter(([, own]) => own.includes(`0_${partitions - 1}`));
    const [[owner]] = owners as [[string, string[]]];
    const later = Date.now();
    await Promise.all(['quiet2', 'alone2'].map((person) => seen(person, later)));
    await sleep(1_000);
    members.get(owner)?.child.kill('SIGKILL');
    members.delete(owner);
    expectTold(await toldOf('quiet2', 'alone2'), later, 'quiet2', 'alone2');
    expect(await shares()).toEqual([(3 * partitions) / 2, (3 * partitions) / 2]);
    expect(await stop()).toBeGreaterThan(active);
    for (const { child, ended } of members.values()) {
      child.kill('SIGTERM');
      expect(await ended).toMatchObject({ code: 0 });
    }
  });
});
