/**
 * What time lets go (closed windows, expired rows, records that waited) and then fails is told
 * once: one dead letter, and nothing of it comes again at the next record, the next instant or
 * after a restart.
 */
import {
  hopping,
  joinWindow,
  json,
  type Stream,
  session,
  sliding,
  type TopologyBuilder,
  topic,
  topology,
  tumbling,
  utf8,
} from 'millrace';
import { type TestDriver, testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';

interface Row {
  readonly n: number;
}

const rows = topic<string, Row>('rows', { value: json() });
const others = topic<string, Row>('others', { value: json() });
const out = topic<string, string>('out', { value: utf8 });
const bad = 13;

function refuseBad(row: Row | null): void {
  if (row?.n === bad) throw new Error('it is refused');
}

const total = {
  init: (): Row => ({ n: 0 }),
  add: (a: Row, v: Row) => ({ n: a.n + v.n }),
  merge: (a: Row, b: Row) => ({ n: a.n + b.n }),
};
const throwing = {
  ...total,
  merge: (a: Row, b: Row): Row => {
    refuseBad(a);
    refuseBad(b);
    return { n: a.n + b.n };
  },
};

function tell<K, V>(stream: Stream<K, V>): void {
  stream
    .map(String)
    .keyBy('again', () => 'all')
    .to(out);
}

function refusing<K, V>(stream: Stream<K, V>): void {
  tell(
    stream.map((value) => {
      refuseBad(value as Row | null);
      return 'told';
    }),
  );
}

interface Release {
  readonly build: (t: TopologyBuilder) => void;
  /** Times of the records of the key that is refused; default one at 5. */
  readonly at?: readonly number[];
  readonly letters?: number;
}

const within = joinWindow({ before: 10, after: 10, grace: 0 });
const releases: Record<string, Release> = {
  'a row that expires': {
    build: (t) =>
      tell(
        t
          .table('s', rows, { ttlMs: 100 })
          .changes()
          .process('last', {
            record: (context, value) => {
              const before = context.state as Row | undefined;
              context.state = value ?? undefined;
              if (value === null) refuseBad(before ?? null);
            },
          }),
      ),
  },
  'a record that waited for its partner': {
    build: (t) => refusing(t.stream(rows).leftJoin('s', t.stream(others), within, (left) => left)),
  },
  'a joiner of one that waited for its partner': {
    build: (t) =>
      tell(t.stream(rows).leftJoin('s', t.stream(others), within, (left) => refuseBad(left))),
  },
  'a record that waited for its row': {
    build: (t) =>
      refusing(
        t.stream(rows).leftJoinTable(t.table('o', others, { historyMs: 1_000 }), (left) => left, {
          wait: { name: 's', graceMs: 50 },
        }),
      ),
  },
  'a change that was held back': {
    build: (t) => refusing(t.table('r', rows).suppress('s', { timeLimitMs: 50 }).changes()),
  },
  'a closed window that was held back': {
    build: (t) =>
      refusing(
        t
          .stream(rows)
          .window(tumbling({ size: 10, grace: 0 }))
          .aggregate('w', total)
          .suppress('s', { untilClosed: true })
          .changes(),
      ),
  },
  'a timer': {
    build: (t) =>
      tell(
        t.stream(rows).process<Row, string>('s', {
          record: (context, value) => {
            context.state = value;
            context.setTimer('later', context.now + 50);
          },
          timer: (context) => refuseBad(context.state ?? null),
        }),
      ),
  },
  'a record that waited for its order': {
    build: (t) => refusing(t.stream(rows).keyBy('keyed', (_, key) => key, { order: 'time' })),
  },
};
for (const clock of ['stream', 'key'] as const) {
  const specs = {
    tumbling: tumbling({ size: 10, grace: 0 }),
    hopping: hopping({ size: 20, advance: 10, grace: 0 }),
    sliding: sliding({ size: 10, grace: 0 }),
    session: session({ gap: 10, grace: 0 }),
  };
  for (const [name, spec] of Object.entries(specs)) {
    releases[`${name}, ${clock} clock`] = {
      build: (t) =>
        refusing(
          t.stream(rows).window(spec).aggregate('s', total, { emit: 'close', clock }).changes(),
        ),
    };
    if (name !== 'hopping' && name !== 'sliding') continue;
    releases[`${name} whose merge throws, ${clock} clock`] = {
      at: name === 'hopping' ? [5, 15] : [5, 6],
      build: (t) =>
        tell(
          t.stream(rows).window(spec).aggregate('s', throwing, { emit: 'close', clock }).changes(),
        ),
    };
  }
}

/** Time goes on, by records of several keys. */
async function ahead(driver: TestDriver, from: number): Promise<void> {
  const records = [from, from + 500, from + 1_000].flatMap((timestamp) =>
    ['b', 'a', 'c'].map((key) => ({ key, value: { n: 1 }, timestamp })),
  );
  await driver.pipeAll(rows, records);
}

describe('what time lets go and then fails is one dead letter', () => {
  test.each(Object.entries(releases))('%s', async (_, { build, at = [5] }) => {
    const driver = await testDriver(topology('lets-go', build), { recordsPerCycle: 3 });
    for (const one of at) await driver.pipe(rows, 'a', { n: bad }, one);
    const before = (await driver.deadLetters()).length;
    await ahead(driver, 1_000);
    const letters = await driver.deadLetters();
    await driver.restart();
    await ahead(driver, 3_000);
    await driver.restart({ dropState: true });
    await ahead(driver, 5_000);
    const later = await driver.deadLetters();
    expect([before, letters.length, later.length]).toEqual([0, 1, 0]);
    expect(driver.summary.counters).toMatchObject({ dropped: 0, deadLettered: 0 });
    await driver.close();
  });
});
