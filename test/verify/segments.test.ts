/** Every kind of node in SQL against the engine: random conditions over random histories. */

import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';
import { SeededRandom } from '../../engine/base/random.ts';
import { events, segmentChanges } from '../../topologies/event.ts';
import personalisation, { type PersonalisationConfig } from '../../topologies/personalisation.ts';
import type { Profile } from '../../topologies/subject/profile.ts';
import { compareWithSql } from '../../topologies/verify/compare.ts';
import type { LoggedEvent } from '../../topologies/verify/database.ts';
import { nodes } from '../topologies/segment-draws.ts';
import { randomHistory } from '../topologies/segment-histories.ts';

const minute = 60_000;
// The score is read too, so time is in hours: its bounds are crossed by waiting alone.
const reading = {
  score: { score: { op: 'ge', value: 20 } },
  'score-of-a-channel': { score: { channel: 'email', op: 'lt', value: 40 } },
  band: { band: { in: ['warm', 'hot'] } },
  unreliable: { openSignal: 'unreliable' },
  reliable: { openSignal: 'reliable' },
  'in-another': { not: { inSegment: 'band' } },
};

test.each([1, 2])('0 differences in any node (seed %i)', { timeout: 300_000 }, async (seed) => {
  const random = new SeededRandom(seed);
  const drawn = Object.entries(nodes).map(([name, draw]) => {
    return [name.replaceAll(' ', '-'), draw(random, minute)] as const;
  });
  const segments = [...drawn, ...Object.entries(reading)].map(([id, when]) => {
    return { id, version: 1, when };
  });
  const config = { segments } as unknown as PersonalisationConfig;
  const logged = Array.from({ length: 40 }, (_, i) =>
    randomHistory(random, minute).map(({ event, at }): LoggedEvent => {
      return { subject: `s${i}`, at, event: { ...event, id: `${i}-${event.id}` } };
    }),
  ).flat();
  const driver = await testDriver(personalisation(config));
  await driver.pipeAll(
    events,
    logged.map(({ subject, at, event }) => ({ key: subject, value: event, timestamp: at })),
  );
  const end = 500 * minute;
  await driver.advanceTo(end);
  const rows = await driver.rows({ store: 'profiles' });
  const changes = (await driver.read(segmentChanges)).flatMap(({ value }) => value ?? []);
  await driver.close();
  const profiles = new Map(rows.map((row) => [String(row.key), row.value as Profile]));
  const parts = await compareWithSql(config, logged, { end, profiles, changes, labels: [] });
  const differing = parts.filter((part) => part.differing > 0);
  expect({ seed, differing }).toEqual({ seed, differing: [] });
  expect(parts.length).toBe(segments.length + 3);
});
