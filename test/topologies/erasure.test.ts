/** An erased subject leaves its segments, nothing of it is kept, and it does not come back. */
import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';
import {
  type Event,
  events,
  scores,
  segmentChanges,
  segmentStates,
} from '../../topologies/event.ts';
import personalisation, { type PersonalisationConfig } from '../../topologies/personalisation.ts';

const opened = { count: { event: 'email_open', op: 'ge', n: 1, within: '30d' } };
const config = {
  segments: [
    { id: 'opened', version: 1, when: opened },
    { id: 'silent', version: 1, when: { not: opened } },
  ],
} as unknown as PersonalisationConfig;

async function outcome(withErasure: boolean) {
  const driver = await testDriver(personalisation(config));
  const pipe = (user: string, event: Event, at: number) => driver.pipe(events, user, event, at);
  await pipe('ann', { id: 'secret-1', class: 'email_open', traits: { plan: 'gold' } }, 1_000);
  await pipe('bob', { id: 'b1', class: 'email_open' }, 1_500);
  if (withErasure) {
    await pipe('ann', { id: 'erase', class: 'subject_erased' }, 2_000);
    await pipe('ann', { id: 'secret-2', class: 'email_open' }, 3_000);
  }
  await driver.advanceTo(90 * 86_400_000);
  const result = {
    changes: (await driver.read(segmentChanges)).flatMap(({ value }) => value ?? []),
    states: await driver.read(segmentStates),
    scores: await driver.read(scores),
    rows: await driver.rows({ store: 'profiles' }),
    drops: driver.summary.counters.drops,
  };
  await driver.close();
  return result;
}

test('an erased subject leaves its segments, and nothing more is taken in of it', async () => {
  const { changes, states, scores: told, rows, drops } = await outcome(true);
  const own = changes.filter(({ user }) => user === 'ann');
  expect(
    own.map(({ segment, type, cause, seq, effectiveAt }) => [
      segment,
      type,
      cause,
      seq,
      effectiveAt,
    ]),
  ).toEqual([
    ['opened', 'entered', 'event', 1, 1_000],
    ['opened', 'exited', 'erasure', 2, 2_000],
  ]);
  expect(states.filter(({ key }) => key === 'ann|opened').at(-1)?.value).toBeNull();
  expect(told.filter(({ key }) => key === 'ann').at(-1)?.value).toBeNull();
  expect(drops).toEqual({ 'profiles|erased': 1 });
  const row = JSON.stringify(rows.find(({ key }) => key === 'ann'));
  for (const trace of ['secret', 'gold', 'opened'])
    expect([trace, row.includes(trace)]).toEqual([trace, false]);
});

test('of others nothing changes', async () => {
  const ofBob = ({ changes, rows }: Awaited<ReturnType<typeof outcome>>) => [
    changes.filter(({ user }) => user === 'bob'),
    rows.filter(({ key }) => key === 'bob'),
  ];
  expect(ofBob(await outcome(true))).toEqual(ofBob(await outcome(false)));
});
