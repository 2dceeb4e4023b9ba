/** One meaning, one hash, in JSON and by the builder. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { defaultEngagement } from '../../topologies/engagement/engagement-config.ts';
import { checkPersonalisation } from '../../topologies/personalisation.ts';
import * as b from '../../topologies/segments/builder.ts';
import { definitionHash } from '../../topologies/segments/canonical.ts';
import { checkSegments } from '../../topologies/segments/check-segments.ts';
import type { SegmentDefinition } from '../../topologies/segments/definition.ts';
import { nodeKinds } from '../../topologies/segments/node-kinds.ts';
import { segmentToJson } from '../../topologies/segments/unparse.ts';

const vocabulary = { bands: ['hot'], channels: ['email'] };

function one(text: unknown): SegmentDefinition {
  return checkSegments([text], vocabulary)[0] as SegmentDefinition;
}

const opens = { event: 'email_open', op: 'ge', n: 2, within: '7d' } as const;
const amount = { event: 'purchase', path: 'amount', op: 'gt', value: 5, within: '1h' } as const;

/** The same in JSON and by the builder. */
const pairs: Readonly<Record<string, readonly [json: object, built: b.Condition]>> = {
  trait: [
    { trait: { path: 'plan', op: 'eq', value: 'gold' } },
    b.trait({ path: 'plan', op: 'eq', value: 'gold' }),
  ],
  consent: [{ consent: { purpose: 'x' } }, b.consent('x')],
  score: [{ score: { op: 'lt', value: 30 } }, b.score({ op: 'lt', value: 30 })],
  band: [{ band: { in: ['hot'] } }, b.band('hot')],
  openSignal: [{ openSignal: 'unreliable' }, b.openSignal('unreliable')],
  count: [{ count: { ...opens, within: 604_800_000, event: ['email_open'] } }, b.count(opens)],
  sum: [{ sum: amount }, b.sum(amount)],
  avg: [{ avg: amount }, b.avg(amount)],
  min: [{ min: amount }, b.min(amount)],
  max: [{ max: amount }, b.max(amount)],
  absent: [{ absent: { event: 'a', for: '1d', where: {} } }, b.absent({ event: 'a', for: '24h' })],
  sequence: [
    {
      sequence: { steps: [{ event: 'a', bind: 'item' }], within: '1d', for: '1d', notBetween: [] },
    },
    b.sequence({ steps: [{ event: 'a', bind: 'item' }], within: '1d', for: '1d' }),
  ],
  abandoned: [
    { abandoned: { start: 'a', unless: ['b'], after: '4h', for: '3d', key: 'item' } },
    b.abandoned({ start: 'a', unless: 'b', after: '4h', for: '3d' }),
  ],
  calendar: [
    { calendar: { days: 7, weekStart: 'monday', count: { event: 'a', op: 'ge', n: 1 } } },
    b.calendar({ count: { event: 'a', op: 'ge', n: 1 }, days: 7, tz: 'UTC', weekStart: 'monday' }),
  ],
  and: [{ and: [{ count: opens }, { sum: amount }] }, b.count(opens).and(b.sum(amount))],
  or: [{ or: [{ count: opens }, { sum: amount }] }, b.any(b.count(opens), b.sum(amount))],
  not: [{ not: { count: opens } }, b.not(b.count(opens))],
  held: [{ held: { expr: { count: opens }, for: '1d' } }, b.held(b.count(opens), '1d')],
  latch: [
    { latch: { enter: { count: opens }, exit: { sum: amount } } },
    b.latch(b.count(opens), b.sum(amount)),
  ],
  once: [{ once: { expr: { count: opens } } }, b.once(b.count(opens))],
  inSegment: [{ inSegment: 's' }, b.inSegment('s')],
  bucket: [{ bucket: { salt: 'x', from: 0, to: 9 } }, b.bucket('x', 0, 9)],
};

test('every kind has a function of the builder', () => {
  expect(Object.keys(pairs).sort()).toEqual(Object.keys(nodeKinds).sort());
});

test.each(Object.entries(pairs).filter(([kind]) => kind !== 'inSegment'))(
  '%s: JSON, builder and what is written back have one hash',
  (_, [json, built]) => {
    const [a, c] = [json, built].map((when) => one({ id: 's', version: 1, when }));
    const hash = definitionHash(a as SegmentDefinition);
    expect(definitionHash(c as SegmentDefinition)).toBe(hash);
    expect(definitionHash(one(segmentToJson(a as SegmentDefinition)))).toBe(hash);
    const other = one({ id: 's', version: 1, cooldown: '1d', when: json });
    expect(definitionHash(other)).not.toBe(hash);
    const renamed = one({ id: 's', version: 1, owner: 'somebody', when: json });
    expect(definitionHash(renamed)).toBe(hash);
  },
);

test('the eight examples are valid, alone and together', () => {
  const folder = 'topologies/segments/examples';
  const segments = readdirSync(folder).map((file) =>
    JSON.parse(readFileSync(`${folder}/${file}`, 'utf8')),
  );
  expect(segments).toHaveLength(8);
  for (const segment of segments) checkPersonalisation({ segments: [segment] });
  const known = checkPersonalisation({ segments }).segments;
  const classes = Object.keys(defaultEngagement.classes);
  expect(classes).toContain('purchase');
  expect(new Set(known.map(definitionHash)).size).toBe(8);
});

const [composed, decomposed] = ['Caf\u00e9', 'Cafe\u0301'];

test.each<[op: string, value: unknown, read: unknown]>([
  ['eq', ` ${decomposed} `, composed],
  ['ne', decomposed, composed],
  ['ge', decomposed, composed],
  ['in', [decomposed, composed, 5], [5, composed]],
  ['contains', ` ${decomposed}`, ` ${composed}`],
  ['startsWith', `${decomposed} `, `${composed} `],
])('the value of a trait has the form in which traits come in: %s', (op, value, read) => {
  const when = { trait: { path: 'place', op, value } };
  expect(one({ id: 'a', version: 1, when }).when).toMatchObject({ value: read });
  for (const path of ['traits.place', 'place', 'item']) {
    const count = { event: 'a', op: 'ge', n: 1, within: '1d', where: { [path]: { op, value } } };
    // Items keep the text of their source.
    const expected = path === 'item' && op !== 'in' ? value : read;
    const { when: counted } = one({ id: 'a', version: 1, when: { count } });
    const found = (counted as unknown as { where: { value: unknown }[] }).where[0]?.value;
    if (path !== 'item' || op !== 'in') expect(found).toEqual(expected);
  }
});
