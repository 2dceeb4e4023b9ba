/** What is late for a subject depends on its own events, not on how far others' time has come. */
import { testDriver } from 'millrace/testing';
import { expect, test } from 'vitest';
import { events, type SegmentChange, segmentChanges } from '../../topologies/event.ts';
import personalisation, { type PersonalisationConfig } from '../../topologies/personalisation.ts';
import { fold } from '../../topologies/segments/membership.ts';

const day = 86_400_000;
const config = {
  segments: [
    { id: 'silent', version: 1, when: { absent: { event: 'email_open', for: '30d' } } },
    {
      id: 'graced',
      version: 1,
      grace: '2d',
      when: { count: { event: 'email_open', op: 'ge', n: 1, within: '30d' } },
    },
  ],
} as unknown as PersonalisationConfig;

/** @param others how far the time of others has come before the second event, days */
async function told(others: number): Promise<[string, { at: number; in: boolean }[]][]> {
  const driver = await testDriver(personalisation(config));
  const open = (id: string, at: number) =>
    driver.pipe(events, 'ann', { id, class: 'email_open' }, at * day);
  await open('1', 1);
  await driver.advanceTo(others * day);
  // Newer than all that ann had before; out of order only for who has seen the time of others.
  await open('2', 20);
  await driver.advanceTo(100 * day);
  const changes = (await driver.read(segmentChanges)).flatMap(({ value }) => value ?? []);
  expect(driver.summary.counters.drops).toEqual({});
  await driver.close();
  const of = (id: string) => changes.filter((one: SegmentChange) => one.segment === id);
  return ['silent', 'graced'].map((id) => [
    id,
    fold(of(id)).map(({ at, in: isIn }) => ({ at: at / day, in: isIn })),
  ]);
}

test('an event that is newer than all of its subject is taken, wherever the time of others is', async () => {
  const expected = [
    ['silent', [{ at: 50, in: true }]],
    [
      'graced',
      [
        { at: 1, in: true },
        { at: 50, in: false },
      ],
    ],
  ];
  for (const others of [1, 19, 31, 60, 99]) {
    expect([others, await told(others)]).toEqual([others, expected]);
  }
});

test('an event that is older than the grace of its own subject allows is late, and told so', async () => {
  const driver = await testDriver(personalisation(config));
  for (const [id, at] of [
    ['1', 1],
    ['2', 20],
    ['3', 12.9],
    ['4', 13],
  ] as const) {
    await driver.pipe(events, 'ann', { id, class: 'email_open' }, at * day);
  }
  expect(driver.summary.counters.drops).toEqual({ 'profiles|late': 1 });
  await driver.close();
});
