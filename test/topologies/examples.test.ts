/**
 * The rewritten example applications against the same questions asked of all events at once, and
 * their page.
 */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Topic, Windowed } from 'millrace';
import { type TestDriver, testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import anomalousUsers, { anomalous, clicks } from '../../topologies/examples/anomalous-users.ts';
import playSessions, { perSession, plays } from '../../topologies/examples/play-sessions.ts';
import viewsByRegion, {
  byRegion,
  profiles,
  views,
} from '../../topologies/examples/views-by-region.ts';

const root = resolve(import.meta.dirname, '../..');
const minute = 60_000;
const users = 7;

interface Event {
  readonly user: string;
  readonly at: number;
}

/** In the order of arrival; each up to 50 s older than the newest before it. */
function eventsOf(seed: number): Event[] {
  const random = new SeededRandom(seed);
  let now = 100 * minute;
  return Array.from({ length: 900 }, () => {
    now += randomBelow(random, 8_000);
    return { user: `user-${randomBelow(random, users)}`, at: now - randomBelow(random, 50_000) };
  });
}

/** The newest value of each key and window, as text. */
async function newest(driver: TestDriver, from: Topic<Windowed<string>, number>) {
  const last = new Map<string, number | null>();
  for (const { key, value } of await driver.read(from)) {
    const { key: name, start, end } = key as Windowed<string>;
    last.set(`${name}@${start}-${end}`, value);
  }
  const held = [...last].filter(([, value]) => value !== null);
  return Object.fromEntries(held.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function counted(keys: readonly string[], least = 1): Record<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  const held = [...counts].filter(([, count]) => count >= least);
  return Object.fromEntries(held.sort(([a], [b]) => (a < b ? -1 : 1)));
}

describe.each([1, 2, 3])('seed %i', (seed) => {
  const events = eventsOf(seed);

  test('anomalous users: who clicked three times in a minute', async () => {
    const driver = await testDriver(anomalousUsers, { partitions: 3 });
    // One by one: a repartition topic takes what a cycle has read of one partition after the other.
    for (const [i, { user, at }] of events.entries()) await driver.pipe(clicks, `c${i}`, user, at);
    const windows = events.map(({ user, at }) => {
      const start = at - (at % minute);
      return `${user}@${start}-${start + minute}`;
    });
    const expected = counted(windows, 3);
    expect(Object.keys(expected).length).toBeGreaterThan(20);
    expect(await newest(driver, anomalous)).toEqual(expected);
    await driver.close();
  });

  test('page views by region, in windows of five minutes every minute', async () => {
    const driver = await testDriver(viewsByRegion, { partitions: 3 });
    const regionOf = (user: string) =>
      user === 'user-0' ? 'unknown' : ['asia', 'europe'][Number(user.slice(5)) % 2];
    for (let i = 1; i < users; i++) {
      const region = regionOf(`user-${i}`) as string;
      await driver.pipe(profiles, `user-${i}`, { region }, minute);
    }
    for (const [i, { user, at }] of events.entries()) {
      await driver.pipe(views, `v${i}`, { user, page: '/' }, at);
    }
    const windows = events.flatMap(({ user, at }) =>
      Array.from({ length: 5 }, (_, i) => {
        const start = at - (at % minute) - i * minute;
        return `${regionOf(user)}@${start}-${start + 5 * minute}`;
      }),
    );
    expect(await newest(driver, byRegion)).toEqual(counted(windows));
    await driver.close();
  });

  test('plays by session, ended by half an hour of silence', async () => {
    const driver = await testDriver(playSessions, { partitions: 3 });
    // Sparser: most gaps are shorter than half an hour, some are not.
    const sparse = events.filter((_, i) => i % 20 < 2).map((one) => ({ ...one, at: one.at * 6 }));
    for (const [i, { user, at }] of sparse.entries()) {
      await driver.pipe(plays, user, { song: `s${i}` }, at);
    }
    const sessions: string[] = [];
    for (let i = 0; i < users; i++) {
      const own = sparse.filter(({ user }) => user === `user-${i}`).map(({ at }) => at);
      own.sort((a, b) => a - b);
      let open: number[] = [];
      for (const at of [...own, Number.POSITIVE_INFINITY]) {
        if (open.length > 0 && at - (open.at(-1) as number) > 30 * minute) {
          sessions.push(...open.map(() => `user-${i}@${open[0]}-${open.at(-1)}`));
          open = [];
        }
        open.push(at);
      }
    }
    const expected = counted(sessions);
    expect(Object.keys(expected).length).toBeGreaterThan(users);
    expect(await newest(driver, perSession)).toEqual(expected);
    await driver.close();
  });
});

test.each(['anomalous-users', 'views-by-region', 'play-sessions'])(
  'the page shows %s as it is, and its length',
  (name) => {
    const page = readFileSync(join(root, 'docs/EXAMPLES.md'), 'utf8');
    const source = readFileSync(join(root, `topologies/examples/${name}.ts`), 'utf8');
    expect(page).toContain(`\`\`\`ts\n${source}\`\`\``);
    const lines = source.split('\n').filter((line) => line.trim() !== '').length;
    expect(page).toMatch(new RegExp(`${name}\\.ts\\)[^\\n]* ${lines} \\|`));
  },
);
