/**
 * suppress until the commit: what one commit says of a row is the last word that single changes
 * would have said.
 */
import {
  count,
  hopping,
  session,
  sliding,
  type Table,
  type TopologyBuilder,
  topic,
  topology,
  tumbling,
  utf8,
  type Windowed,
} from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';

const words = topic<string, string>('words', { value: utf8 });
const out = topic<string, string>('out', { value: utf8 });

const untilCommit = { untilCommit: true } as const;
const at = (key: string, value: string | null, timestamp: number) => ({ key, value, timestamp });

/** The changes of a table as texts: 'key=value', '-' for a deletion. */
function changesOf(table: Table<string, string>) {
  return table
    .changes()
    .process<string, string>('said', {
      record: (context, value) => context.emit(`${context.key}=${value ?? '-'}`),
    })
    .to(out);
}

function built(of: (t: TopologyBuilder) => Table<string, string>) {
  return topology('held', (t) => {
    changesOf(of(t).suppress('newest', untilCommit));
    return {};
  });
}

type Driver = Awaited<ReturnType<typeof testDriver>>;
/** Each result with its time, and the header that traces it. */
async function said(driver: Driver) {
  return (await driver.read(out)).map(({ value, timestamp, headers }) =>
    `${value} @${timestamp} ${headers['trace'] ?? ''}`.trimEnd(),
  );
}

describe('a table', () => {
  test('says the newest of each row, in the order in which the rows first changed', async () => {
    const driver = await testDriver(built((t) => t.table('rows', words)));
    await driver.pipeAll(words, [at('b', '1', 10), at('a', '2', 11), at('b', '3', 12)]);
    expect(await said(driver)).toEqual(['b=3 @12', 'a=2 @11']);
    await driver.pipeAll(words, [at('a', '4', 13), at('a', null, 14)]);
    expect(await said(driver)).toEqual(['a=- @14']);
    await driver.close();
  });

  test('is silent about a row that came and went, and about one that was never there', async () => {
    const driver = await testDriver(built((t) => t.table('rows', words)));
    await driver.pipeAll(words, [at('a', '1', 10), at('a', null, 11), at('b', null, 12)]);
    expect(await said(driver)).toEqual([]);
    await driver.close();
  });

  test('gives each change the headers of the record that made it', async () => {
    const driver = await testDriver(built((t) => t.table('rows', words)));
    await driver.pipeAll(words, [
      { ...at('a', '1', 10), headers: { trace: 'x' } },
      { ...at('b', '2', 11), headers: { trace: 'y' } },
      { ...at('a', '3', 12), headers: { trace: 'z' } },
      at('b', '4', 13),
    ]);
    expect(await said(driver)).toEqual(['a=3 @12 z', 'b=4 @13']);
    await driver.close();
  });

  test('tells the steps after it what the row was at the commit before', async () => {
    const passing = (t: TopologyBuilder) =>
      t
        .table('rows', words)
        .suppress('newest', untilCommit)
        .filter((value) => value !== 'no');
    const driver = await testDriver(
      topology('filtered', (t) => {
        changesOf(passing(t));
        return {};
      }),
    );
    await driver.pipeAll(words, [at('a', '1', 10), at('b', 'no', 10)]);
    expect(await said(driver)).toEqual(['a=1 @10']);
    // Only because it knows that 1 was told and 2 was not, and of b nothing, is one deletion told.
    await driver.pipeAll(words, [at('a', '2', 11), at('a', 'no', 12), at('b', 'no', 12)]);
    expect(await said(driver)).toEqual(['a=- @12']);
    await driver.close();
  });

  test('that two of them hold back goes through both in one commit', async () => {
    const twice = built((t) =>
      t
        .table('rows', words)
        .suppress('first', untilCommit)
        .map((value) => `${value}!`),
    );
    const driver = await testDriver(twice);
    await driver.pipeAll(words, [at('a', '1', 10), at('a', '2', 11)]);
    expect(await said(driver)).toEqual(['a=2! @11']);
    await driver.close();
  });

  test('may be asked for the world after it', async () => {
    const asking = topology('asking', (t) => {
      t.table('rows', words)
        .suppress('newest', untilCommit)
        .changes()
        .asyncMap(async (value, { key }) => `${key}${value}`)
        .reduce('asked', (_, value) => value)
        .suppress('answers', untilCommit)
        .to(out);
      return {};
    });
    const driver = await testDriver(asking);
    await driver.pipeAll(words, [at('a', '1', 10), at('b', '1', 11), at('a', '2', 12)]);
    expect(await said(driver)).toEqual(['a2 @12', 'b1 @11']);
    await driver.close();
  });

  test('dead-letters the row whose change fails after it, and goes on', async () => {
    const failing = built((t) =>
      t
        .table('rows', words)
        .suppress('first', untilCommit)
        .map((value) => {
          if (value === 'bad') throw new Error('no good');
          return value;
        }),
    );
    const driver = await testDriver(failing);
    await driver.pipeAll(words, [at('a', 'bad', 10), at('b', '1', 11)]);
    expect(await said(driver)).toEqual(['b=1 @11']);
    const [letter] = await driver.deadLetters();
    expect(letter?.key?.toString()).toBe('a');
    await driver.close();
  });
});

test('no other option goes with it', () => {
  const with1 = { untilCommit: true, maxRecords: 3 } as never;
  expect(() =>
    topology('refused', (t) => {
      t.table('rows', words).suppress('newest', with1);
      return {};
    }),
  ).toThrow('newest.maxRecords: goes with a window, a time or the wall clock, not with');
});

test('a session of one instant tells what it was, so that a group of sessions takes it out again', async () => {
  const job = topology('sessions', (t) => {
    t.stream(words)
      .window(session({ gap: 5, grace: 0 }))
      .count('n')
      .groupBy('groups', (n, { key }) => [key, n])
      .reduce(
        'total',
        (total, n) => total + n,
        (total, n) => total - n,
      )
      .changes()
      .map(String)
      .to(out);
    return {};
  });
  const driver = await testDriver(job);
  for (const time of [10, 10, 10, 12]) await driver.pipe(words, 'a', 'w', time);
  // The session grows at last: it is withdrawn, and the grown one comes.
  expect(await said(driver)).toEqual(['1 @10', '2 @10', '3 @10', '0 @10', '4 @12']);
  await driver.close();
});

/** Windows as rows of their own: 'key start..end'. */
const windowed: Record<string, (t: TopologyBuilder) => Table<Windowed<string>, number>> = {
  'tumbling windows': (t) =>
    t
      .stream(words)
      .window(tumbling({ size: 20, grace: 10 }))
      .count('n'),
  'hopping windows': (t) =>
    t
      .stream(words)
      .window(hopping({ size: 20, advance: 5, grace: 10 }))
      .aggregate('n', count()),
  'sliding windows': (t) =>
    t
      .stream(words)
      .window(sliding({ size: 10, grace: 10 }))
      .count('n'),
  sessions: (t) =>
    t
      .stream(words)
      .window(session({ gap: 6, grace: 10 }))
      .count('n'),
};

describe.each(Object.entries(windowed))('%s', (_, windows) => {
  const run = async (seed: number, hold: boolean, restart: boolean) => {
    const random = new SeededRandom(seed);
    const job = topology('windows', (t) => {
      const all = windows(t);
      const table = hold ? all.suppress('newest', untilCommit) : all;
      table
        .changes()
        .process<string, string>('texts', {
          record: (context, n) => {
            const { key, start, end } = context.key;
            context.emit(`${key} ${start}..${end}|${n ?? '-'}`);
          },
        })
        .keyBy('all', () => 'all')
        .to(out);
      return {};
    });
    const driver = await testDriver(job, { cacheBytes: 0 });
    // Of each batch: what was said last of each window, and how many changes that took.
    const perCommit: { last: Map<string, string>; changes: number }[] = [];
    for (let now = 0; now < 200; ) {
      const batch = Array.from({ length: 1 + randomBelow(random, 12) }, () => {
        now += randomBelow(random, 4);
        return at(`k${randomBelow(random, 3)}`, 'w', Math.max(0, now - randomBelow(random, 9)));
      });
      await driver.pipeAll(words, batch);
      if (restart) await driver.restart({ dropState: perCommit.length % 2 === 0 });
      const told = (await driver.read(out)).map(
        ({ value }) => String(value).split('|') as [string, string],
      );
      perCommit.push({ last: new Map(told), changes: told.length });
    }
    await driver.close();
    return perCommit;
  };

  test.each([false, true])('agree with every change told; restarted: %s', async (restart) => {
    for (const seed of [1, 2, 3, 4]) {
      const [each, held] = [await run(seed, false, false), await run(seed, true, restart)];
      const before = new Set<string>();
      each.forEach(({ last }, i) => {
        const { last: newest, changes } = held[i] as (typeof held)[number];
        // A session that came and went within the batch was never told: nor need it be withdrawn.
        const wanted = [...last].filter(([row, n]) => n !== '-' || before.has(row));
        expect([...newest].sort(), `seed ${seed}, batch ${i}`).toEqual(wanted.sort());
        expect(changes, `seed ${seed}, batch ${i}: one a row`).toBe(newest.size);
        for (const [row, n] of wanted) n === '-' ? before.delete(row) : before.add(row);
      });
      const total = (runs: typeof each) => runs.reduce((sum, { changes }) => sum + changes, 0);
      expect(total(held)).toBeLessThan(total(each));
    }
  });
});
