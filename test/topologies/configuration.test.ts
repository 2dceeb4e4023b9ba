/**
 * Configuration and mappings that cannot work are refused at the start, by the name of the field.
 */

import { isMillraceError } from 'millrace';
import { describe, expect, test } from 'vitest';
import { instantReader } from '../../engine/time/instant-reader.ts';
import { defaultConsent } from '../../topologies/accepted/consent.ts';
import { defaultMachine } from '../../topologies/accepted/machine.ts';
import { defaultEngagement } from '../../topologies/engagement/engagement-config.ts';
import { checkMapping } from '../../topologies/ingest/check-mapping.ts';
import { eventMap } from '../../topologies/ingest/event-map.ts';
import { checkPersonalisation, lintPersonalisation } from '../../topologies/personalisation.ts';

function fieldOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    if (isMillraceError(error)) return error.context['field'];
    throw error;
  }
  return 'accepted';
}

const { classes, channels } = defaultEngagement;
const open = { channel: 'email', weight: 1_000, perHour: 3 };
const email = { halfLifeHours: 336, saturation: 6_000, share: 40 };

describe('engagement', () => {
  test.each([
    ['engagement.classes.open.weight', { classes: { open: { ...open, weight: 0.5 } } }],
    ['engagement.classes.open.perHour', { classes: { open: { ...open, perHour: 0 } } }],
    ['engagement.classes.open.channel', { classes: { open: { ...open, channel: 'fax' } } }],
    [
      'engagement.channels.email.halfLifeHours',
      { classes: {}, channels: { email: { ...email, halfLifeHours: -1 } } },
    ],
    [
      'engagement.channels.email',
      { classes: { open: { ...open, weight: 2 ** 40 } }, channels: { email } },
    ],
    ['engagement.bands.0.from', { bands: [{ name: 'low', from: 1 }] }],
    [
      'engagement.bands.1.from',
      {
        bands: [
          { name: 'low', from: 0 },
          { name: 'high', from: 0 },
        ],
      },
    ],
    ['engagement.hysteresis', { hysteresis: '5' as unknown as number }],
  ])('%s', (field, engagement) => {
    expect(fieldOf(() => checkPersonalisation({ engagement, segments: [] }))).toBe(field);
  });

  test('the defaults are accepted', () => {
    expect(checkPersonalisation({}).engagement).toEqual({
      ...defaultEngagement,
      classes,
      channels,
    });
  });
});

/** Every place of a configuration, as a path. */
function placesOf(config: object, at: readonly string[] = []): string[][] {
  return Object.entries(config).flatMap(([name, value]) => {
    const path = [...at, name];
    return typeof value === 'object' && value !== null ? [path, ...placesOf(value, path)] : [path];
  });
}

function kindOf(value: unknown): string {
  return Array.isArray(value) ? 'list' : value === null ? 'null' : typeof value;
}

describe('a setting of another type, or a number that makes no sense, is refused by its name', () => {
  const whole = {
    engagement: defaultEngagement,
    machine: defaultMachine,
    consent: { ...defaultConsent, needs: { purchase: 'orders' } },
    segments: [],
  };
  const values: readonly unknown[] = [
    ...[null, 'x', '', '5', -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53],
    ...[true, {}, [], [null], { a: null }],
  ];
  test.each(placesOf(whole).map((place) => [place.join('.'), place] as const))(
    '%s',
    (name, place) => {
      const last = place.at(-1) as string;
      // A list of texts is named as a whole.
      const list = name.replace(/\.(classes|clicks|agents)\.\d+$/, '.$1');
      for (const value of values) {
        const config = structuredClone(whole) as Record<string, unknown>;
        const holder = place
          .slice(0, -1)
          .reduce((object, one) => object[one] as Record<string, unknown>, config);
        const before = holder[last];
        holder[last] = value;
        if (value !== '' && typeof before !== 'number' && kindOf(before) === kindOf(value))
          continue;
        const found = fieldOf(() => checkPersonalisation(config as never));
        expect([value, found]).toEqual([value, expect.stringMatching(new RegExp(`^${list}`))]);
      }
    },
  );

  test.each([
    ['null', null],
    ['a list', []],
    ['a text', 'x'],
    ['a number', 5],
  ])('the whole is %s', (_, config) => {
    expect(fieldOf(() => checkPersonalisation(config as never))).toBe('options');
  });

  test('the error has the line that gave it', () => {
    const given = { engagement: { hysteresis: -1 } };
    expect(() => checkPersonalisation(given)).toThrow(/configuration\.test\.ts:\d+/);
  });

  test('two bands of one name', () => {
    const bands = [
      { name: 'low', from: 0 },
      { name: 'low', from: 5 },
    ];
    expect(fieldOf(() => checkPersonalisation({ engagement: { bands } }))).toBe(
      'engagement.bands.1.name',
    );
  });
});

describe('segments', () => {
  const fields = { event: 'purchase', op: 'ge', n: 1, within: '1s' };
  const when = { count: fields };
  const spent = { event: 'purchase', path: 'amount', op: 'ge', value: 1, within: '1s' };
  const abandoned = { start: 'a', unless: ['b'], key: 'item', after: '4h', for: '3d' };
  const steps = [{ event: 'a' }, { event: 'b' }];
  const of = (condition: unknown, header: object = {}) => [
    { id: 'a', version: 1, ...header, when: condition },
  ];
  test.each([
    ['segments', {}],
    ['segments.0.id', [{ id: 'Has Spaces', version: 1, when }]],
    ['segments.1.id', [...of(when), { id: 'a', version: 2, when }]],
    ['segments.0.version', [{ id: 'a', when }]],
    ['segments.0.owners', of(when, { owners: 'me' })],
    ['segments.0.grace', of(when, { grace: '9d' })],
    ['segments.0.timezone', of(when, { timezone: 'Europe/Londn' })],
    ['segments.0.corrections', of(when, { corrections: 'some' })],
    ['segments.0.cooldown', of(when, { cooldown: '7 days' })],
    ['segments.0.budget.bytes', of(when, { budget: { bytes: 1 } })],
    ['segments.0.when', of({ ...when, absent: { event: 'x', for: '1d' } })],
    ['segments.0.when', of({ count: 'purchase', op: 'ge', n: 1 })],
    ['segments.0.when.count.op', of({ count: { ...fields, op: '>=' } })],
    ['segments.0.when.count.within', of({ count: { ...fields, within: 0 } })],
    [
      'segments.0.when.count.within',
      of({ count: { ...fields, within: 'ever', distinct: 'item' } }),
    ],
    ['segments.0.when.count.withinMs', of({ count: { ...fields, withinMs: 1 } })],
    [
      'segments.0.when.count.where.item.op',
      of({ count: { ...fields, where: { item: { op: 'is' } } } }),
    ],
    ['segments.0.when.and.1', of({ and: [when, {}] })],
    ['segments.0.when.band.in.0', of({ band: { in: ['boiling'] } })],
    ['segments.0.when.inSegment', of({ inSegment: 'b' })],
    ['segments.0.when.bucket.to', of({ bucket: { salt: 'x', from: 5, to: 5 } })],
    ['segments.0.when.abandoned.after', of({ abandoned: { ...abandoned, after: 'soon' } })],
    ['segments.0.when.sum.path', of({ sum: { ...spent, path: 7 } })],
    ['segments.0.when.sum.within', of({ sum: { ...spent, within: 'ever' } })],
    ['segments.0.when.latch.exit', of({ latch: { enter: when } })],
    ['segments.0.when.sequence.for', of({ sequence: { steps, within: '1d' } })],
    [
      'segments.0.when.calendar.days',
      of({ calendar: { count: { event: 'a', op: 'ge', n: 1 }, days: 3, weekStart: 'monday' } }),
    ],
    [
      'segments.0.when.trait.value',
      of({ trait: { path: 'due', op: 'before', value: 'tomorrow' } }),
    ],
    [
      'segments a',
      [...of({ inSegment: 'b' }), { id: 'b', version: 1, when: { not: { inSegment: 'a' } } }],
    ],
  ])('%s', (field, segments) => {
    expect(fieldOf(() => checkPersonalisation({ segments: segments as never }))).toBe(field);
  });
});

test.each([
  [{ counts: {} }, 'did you mean count?'],
  [{ count: { event: 'a', op: 'gee', n: 1, within: '1d' } }, 'did you mean ge?'],
  [{ count: { event: 'a', op: 'ge', n: 1, withn: '1d' } }, 'did you mean within?'],
  [{ count: { event: 'a', op: 'ge', n: 1, within: '30 days' } }, 'did you mean 30d?'],
  [{ count: { event: 'a', op: 'ge', n: 1, within: '2 months' } }, 'did you mean 60d?'],
  [{ band: { in: ['wram'] } }, 'did you mean warm?'],
  [{ count: 'a', op: 'ge' }, 'put op into the object of count'],
])('a slip of the pen is answered with the nearest spelling: %j', (when, hint) => {
  const segments = [{ id: 'a', version: 1, when }] as never;
  expect(() => checkPersonalisation({ segments })).toThrow(hint);
});

test('all mistakes are told at once', () => {
  const segments = [
    { id: 'A', version: 0, when: { count: { event: [], op: '>', n: -1, within: '' } } },
    { id: 'b', version: 1, when: { and: [{ nott: {} }, { held: { expr: {}, for: 1 } }] } },
  ] as never;
  expect(lintPersonalisation({ segments }).map(({ path }) => path)).toEqual([
    'segments.0.id',
    'segments.0.version',
    'segments.0.when.count.event',
    'segments.0.when.count.op',
    'segments.0.when.count.n',
    'segments.0.when.count.within',
    'segments.1.when.and.0',
    'segments.1.when.and.1.held.expr',
  ]);
});

describe('mapping', () => {
  const mapping = {
    format: 'csv',
    subject: 'user',
    time: { field: 'at', format: 'DD-MM-YY H:mm', zone: 'Europe/London' },
    class: { field: 'action', map: { o: 'email_open' } },
  };
  test.each([
    ['(all)', []],
    ['(all)', null],
    ['colour', { ...mapping, colour: 1 }],
    ['format', { ...mapping, format: 'xml' }],
    ['subject', { ...mapping, subject: undefined }],
    ['time.field', { ...mapping, time: {} }],
    ['time.format', { ...mapping, time: { field: 'at', format: 'YYYY-MM' } }],
    ['time.zone', { ...mapping, time: { ...mapping.time, zone: 'Mars/Olympus' } }],
    ['class', { ...mapping, class: {} }],
    ['class.map.o', { ...mapping, class: { field: 'action', map: { o: 7 } } }],
    ['columns', { ...mapping, columns: 'a,b' }],
    ['id', { ...mapping, id: 'message' }],
    ['skip.0', { ...mapping, skip: [{ field: 'x' }] }],
    ['traits.plan', { ...mapping, traits: { plan: 3 } }],
  ])('%s', (field, given) => {
    expect(fieldOf(() => checkMapping(given, 'mine'))).toBe(field);
  });

  test('numbers are kept whole, digit by digit', () => {
    const numbers = { amount: { field: 'paid', decimals: 2 } };
    const map = eventMap(checkMapping({ ...mapping, numbers }, 'mine'));
    const row = (paid: unknown) =>
      map({ user: 'ann', at: '01-07-26 9:05', action: 'o', paid }, 'r');
    expect(row('12.5')).toMatchObject({ value: { numbers: { amount: 1_250 } } });
    expect(row('-0.070')).toMatchObject({ value: { numbers: { amount: -7 } } });
    expect(row(19)).toMatchObject({ value: { numbers: { amount: 1_900 } } });
    expect(row('')).toMatchObject({ value: { id: 'r' } });
    for (const wrong of ['1,5', '1.005', '1e3', 'free']) {
      expect(row(wrong)).toEqual({
        reject: `paid ${JSON.stringify(wrong)} is not a number with 2 decimals`,
      });
    }
  });

  test('rows become events, or are refused with the reason', () => {
    const map = eventMap(checkMapping(mapping, 'mine'));
    const row = (at: string, action = 'o', user = 'ann') => map({ user, at, action }, 'row');
    expect(row('01-07-26 9:05')).toMatchObject({
      key: 'ann',
      timestamp: Date.UTC(2026, 6, 1, 8, 5),
      value: { id: 'row', class: 'email_open' },
    });
    expect(row('07/01/2026 9:05')).toEqual({
      reject: 'time "07/01/2026 9:05" does not fit DD-MM-YY H:mm',
    });
    expect(row('01-07-26 9:05', 'x')).toEqual({
      reject: 'action "x" is not a class that the mapping knows',
    });
    expect(row('01-07-26 9:05', 'o', ' ')).toEqual({ reject: 'there is no subject in user' });
  });
});

describe('instants', () => {
  const read = (format: string, text: string, zone = 'UTC') => instantReader(format, zone)(text);
  test.each([
    ['DD-MM-YY H:mm', '31-12-25 7:30', Date.UTC(2025, 11, 31, 7, 30)],
    ['DD-MM-YY H:mm', '13-13-25 7:30', 'names no real day and time'],
    ['DD-MM-YY H:mm', '29-02-25 7:30', 'names no real day and time'],
    ['DD-MM-YY H:mm', '29-02-24 7:30', Date.UTC(2024, 1, 29, 7, 30)],
    ['DD-MM-YY H:mm', '12-31-25 7:30', 'names no real day and time'],
    ['DD-MM-YY H:mm', '31-12-25 24:00', 'names no real day and time'],
    ['DD-MM-YY H:mm', ' 31-12-25 7:30', 'does not fit DD-MM-YY H:mm'],
    ['iso', '2026-01-01T00:00:00Z', Date.UTC(2026, 0, 1)],
    ['iso', '2026-01-01T00:00:00+02:00', Date.UTC(2025, 11, 31, 22)],
    ['iso', '2026-01-01 00:00:00', 'does not fit iso, e.g. 2026-01-31T09:30:00Z'],
    ['iso', '2026-01-01T00:00:00', 'does not fit iso, e.g. 2026-01-31T09:30:00Z'],
    ['iso', '2026-02-30T00:00:00Z', 'names no real day and time'],
    ['epoch-ms', '1767225600000', Date.UTC(2026, 0, 1)],
    ['epoch-s', '1767225600', Date.UTC(2026, 0, 1)],
    ['epoch-s', '1.7e9', 'does not fit epoch-s'],
  ])('%s reads %s', (format, text, expected) => {
    expect(read(format, text)).toBe(expected);
  });

  test('summer time: an hour that does not exist is refused, one that comes twice is ambiguous', () => {
    const zone = 'Europe/London';
    expect(read('YYYY-MM-DD HH:mm', '2026-03-29 00:59', zone)).toBe(Date.UTC(2026, 2, 29, 0, 59));
    expect(read('YYYY-MM-DD HH:mm', '2026-03-29 01:30', zone)).toMatch(
      'does not exist in Europe/London',
    );
    expect(read('YYYY-MM-DD HH:mm', '2026-03-29 02:00', zone)).toBe(Date.UTC(2026, 2, 29, 1));
    expect(read('YYYY-MM-DD HH:mm', '2026-10-25 01:30', zone)).toMatch(
      'is ambiguous in Europe/London',
    );
    expect(read('YYYY-MM-DD HH:mm', '2026-10-25 02:00', zone)).toBe(Date.UTC(2026, 9, 25, 2));
  });

  test('a pattern that could be read in two ways is refused', () => {
    expect(() => instantReader('DMMYY', 'UTC')).toThrow('ambiguous');
    expect(() => instantReader('HH:mm', 'UTC')).toThrow('year, month and day');
  });
});

describe('machine, consent and engagement', () => {
  test.each([
    ['machine.networks.0', { machine: { networks: ['300.1.1.1/8'] } }],
    ['machine.agents', { machine: { agents: 'bot' } }],
    ['machine.burstMs', { machine: { burstMs: 0 } }],
    ['machine.colour', { machine: { colour: 1 } }],
    ['machine.of.email_open', { machine: { of: { email_open: 1 } } }],
    ['consent.unknown', { consent: { unknown: 'maybe' } }],
    ['consent.needs.page_view', { consent: { needs: { page_view: '' } } }],
    ['consent.colour', { consent: { colour: 1 } }],
    ['engagement.zone', { engagement: { zone: 'Mars/Olympus' } }],
    ['engagement.gatedChannel', { engagement: { gatedChannel: 'fax' } }],
    ['engagement.colour', { engagement: { colour: 1 } }],
    ['colour', { colour: 1 }],
  ])('%s', (field, config) => {
    expect(fieldOf(() => checkPersonalisation(config as never))).toBe(field);
  });
});
