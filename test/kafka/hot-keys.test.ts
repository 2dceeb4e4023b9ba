/**
 * A key with much state on a real broker with its default record size (1 MB): every commit is
 * taken, and what is restored from the changelogs is what there was.
 */
import {
  collect,
  joinWindow,
  keyedList,
  keyedMap,
  type TopologyBuilder,
  topic,
  topology,
  tumbling,
  utf8,
} from 'millrace';
import { describe, expect, test } from 'vitest';
import { type KafkaLog, openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import { defaultKafkaSettings } from '../../engine/log/kafka/settings/kafka-settings.ts';
import { BatchBuilder } from '../../engine/record/batch.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { MemoryBackends } from '../../engine/storage/memory-backend.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { kafkaAvailable, sharedBroker } from './shared.ts';

const count = 12_000;
/** As text it takes 200 bytes: all records of the key exceed a record of the log. */
const textOf = (i: number) => `${i}|${'x'.repeat(200)}`;

interface Hot {
  readonly build: (t: TopologyBuilder, names: Names) => void;
  /** Stores whose rows are compared after a restore. */
  readonly stores: readonly string[];
  /** Rows of the first of them. */
  readonly rows: number;
}

type Names = ReturnType<typeof namesOf>;

function namesOf(application: string) {
  const named = (name: string) =>
    topic<string, string>(`${application}-${name}`, { value: utf8, partitions: 1 });
  return { a: named('a'), b: named('b'), out: named('out') };
}

const near = joinWindow({ before: 1_000_000, after: 1_000_000, grace: 0 });
const whole = (left: string | undefined, right: string | undefined) =>
  `${left}${right}`.slice(0, 9);

const hot: Record<string, Hot> = {
  join: {
    stores: ['s'],
    rows: count + 1,
    build: (t, { a, b, out }) => t.stream(a).outerJoin('s', t.stream(b), near, whole).to(out),
  },
  dedupe: {
    stores: ['s'],
    rows: count,
    build: (t, { a, out }) =>
      t
        .stream(a)
        .dedupe('s', (text) => text, 1_000_000)
        .to(out),
  },
  'foreign-key': {
    stores: ['s', 's-subscribers'],
    rows: count,
    build: (t, { a, b, out }) =>
      t
        .stream(a)
        .keyBy('each', (text) => text.split('|')[0] as string)
        .reduce('rows', (_, text) => text)
        .joinForeign('s', t.table('other', b), () => 'hot', whole)
        .to(out),
  },
  list: {
    stores: ['s'],
    rows: 2 * count,
    build: (t, { a }) => {
      t.stream(a).process('s', {
        collections: { list: keyedList<string>(utf8), map: keyedMap<string>(utf8) },
        record: ({ collections: { list, map } }, text) => {
          list.add(text);
          map.set(text, text);
        },
      });
    },
  },
  history: {
    stores: ['s'],
    rows: 1,
    build: (t, { a }) => {
      t.table('s', a, { historyMs: 1_000_000 });
    },
  },
  windows: {
    stores: ['w'],
    rows: count,
    build: (t, { a, out }) =>
      t
        .stream(a)
        .window(tumbling({ size: 1, grace: 1_000_000 }))
        .reduce('w', (_, text) => text)
        .suppress('s', { untilClosed: true })
        .changes()
        .keyBy('told', () => 'hot')
        .to(out),
  },
  collected: {
    stores: ['s'],
    rows: 1,
    build: (t, { a }) => {
      t.stream(a).aggregate('s', collect());
    },
  },
};

describe.skipIf(!(await kafkaAvailable()))('a hot key', () => {
  test.each(Object.entries(hot))('%s', { timeout: 600_000 }, async (name, one) => {
    const application = `hot-${name}`;
    const names = namesOf(application);
    const built = topology(application, (t) => {
      one.build(t, names);
      return {};
    });
    const { address: brokers } = await sharedBroker();
    const log = await openKafkaLog({
      settings: { ...defaultKafkaSettings, brokers },
      application,
    });
    const start = () =>
      Runtime.start({
        topology: built,
        application,
        log,
        stateDirectory: 'state',
        startHosts: async (config) => [new TaskHost(built, config, new MemoryBackends())],
      });
    const first = await start();
    await first.runUntilCaughtUp();
    const known = new Set((await log.topics()).map((topic) => topic.name));
    // In shares, so that the cell is there, and large, when more comes.
    for (let share = 0; share < 4; share++) {
      const from = (share * count) / 4;
      await write(log, names.a.name, from, from + count / 4, share + 1);
      await first.runUntilCaughtUp();
    }
    if (known.has(names.b.name)) await write(log, names.b.name, 0, 1, 5);
    await write(log, names.a.name, 0, 1, 6);
    await first.runUntilCaughtUp();
    const rows = await rowsOf(first, one.stores);
    expect(rows[0]?.length).toBeGreaterThanOrEqual(one.rows);
    const { counters } = first.summary;
    expect(counters).toMatchObject({ deadLettered: 0, drops: {} });
    await first.close();
    const second = await start();
    await second.runUntilCaughtUp();
    expect(await rowsOf(second, one.stores)).toEqual(rows);
    await write(log, names.a.name, count, count + 1, 7);
    await second.runUntilCaughtUp();
    expect(second.summary.counters).toMatchObject({ in: expect.any(Number), deadLettered: 0 });
    await second.close();
    await log.close();
  });
});

function rowsOf(runtime: Runtime, stores: readonly string[]) {
  return Promise.all(stores.map((store) => runtime.query(store)));
}

async function write(log: KafkaLog, topic: string, from: number, to: number, commitId: number) {
  const builder = new BatchBuilder();
  for (let i = from; i < to; i++) builder.append(Buffer.from('hot'), Buffer.from(textOf(i)), i);
  const writer = await log.openWriter(`${topic}-feeder`);
  const appends = [{ topic, partition: 0, batch: builder.finishAt(0) }];
  await writer.commit({ appends, offsets: [], commitId });
  await writer.close();
}
