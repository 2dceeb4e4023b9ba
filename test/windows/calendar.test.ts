/** Calendar windows against the calendar that Intl shows, and as windows of a stream. */
import fc from 'fast-check';
import { calendar, count, hours, topic, topology, utf8, type Weekday } from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { CalendarGrid } from '../../engine/time/windows/calendar.ts';

const hourMs = 3_600_000;

function gridOf(unit: 'day' | 'week' | 'month', timeZone: string, weekStart?: Weekday) {
  const week = weekStart === undefined ? {} : { weekStart };
  return new CalendarGrid(calendar({ unit, timeZone, grace: 0, ...week }));
}

/** Local date and time as Intl writes it, e.g. '2026-03-29 00:00:00'. */
function local(timeZone: string, at: number): string {
  return new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    dateStyle: 'short',
    timeStyle: 'medium',
  }).format(at);
}

describe('days', () => {
  test.each<[string, string, string, number]>([
    ['Europe/Berlin', '2026-03-29T12:00Z', '2026-03-29 00:00:00', 23],
    ['Europe/Berlin', '2026-10-25T12:00Z', '2026-10-25 00:00:00', 25],
    ['Europe/Berlin', '2026-10-25T23:00Z', '2026-10-26 00:00:00', 24],
    ['America/New_York', '2026-03-08T12:00Z', '2026-03-08 00:00:00', 23],
    ['America/New_York', '2026-11-01T12:00Z', '2026-11-01 00:00:00', 25],
    // Clocks went forward at midnight: the day began at one.
    ['America/Sao_Paulo', '2018-11-04T12:00Z', '2018-11-04 01:00:00', 23],
    // Half an hour of difference, and a zone without whole hours.
    ['Australia/Lord_Howe', '2026-04-04T20:00Z', '2026-04-05 00:00:00', 24.5],
    ['Asia/Kathmandu', '2026-01-01T18:30Z', '2026-01-02 00:00:00', 24],
    // The 30th of December 2011 was left out.
    ['Pacific/Apia', '2011-12-30T09:00Z', '2011-12-29 00:00:00', 24],
    ['Pacific/Apia', '2011-12-30T10:00Z', '2011-12-31 00:00:00', 24],
    ['UTC', '1970-01-01T00:00Z', '1970-01-01 00:00:00', 24],
  ])('%s at %s: from %s, %f hours', (timeZone, at, from, length) => {
    const { start, end } = gridOf('day', timeZone).windowAt(Date.parse(at));
    expect([local(timeZone, start), (end - start) / hourMs]).toEqual([from, length]);
  });

  test('where clocks go back over midnight, the repeated minutes belong to the day that has begun', () => {
    // St. John's, 2010-11-07: at 00:01 back to 23:01.
    const grid = gridOf('day', 'America/St_Johns');
    const midnight = Date.parse('2010-11-07T02:30Z');
    const [before, after] = [grid.windowAt(midnight - 1), grid.windowAt(midnight)];
    expect(before.end).toBe(midnight);
    for (const minutes of [0, 1, 30, 59, 61]) {
      expect(grid.windowAt(midnight + minutes * 60_000)).toEqual(after);
    }
  });
});

test('weeks begin on the day that is asked for, months on the first', () => {
  const at = Date.parse('2026-03-31T22:30Z');
  const spanOf = (grid: CalendarGrid) => {
    const { start, end } = grid.windowAt(at);
    return [local('Europe/Berlin', start), local('Europe/Berlin', end), (end - start) / hourMs];
  };
  // 2026-04-01 in Berlin is a Wednesday.
  expect(spanOf(gridOf('week', 'Europe/Berlin'))).toEqual([
    '2026-03-30 00:00:00',
    '2026-04-06 00:00:00',
    168,
  ]);
  expect(spanOf(gridOf('week', 'Europe/Berlin', 'sunday'))).toEqual([
    '2026-03-29 00:00:00',
    '2026-04-05 00:00:00',
    167,
  ]);
  expect(spanOf(gridOf('month', 'Europe/Berlin'))).toEqual([
    '2026-04-01 00:00:00',
    '2026-05-01 00:00:00',
    720,
  ]);
});

const zones = [
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'America/Sao_Paulo',
  'America/St_Johns',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Pacific/Apia',
  'Africa/Cairo',
  'Asia/Tehran',
];

test('windows lie side by side, and all of a day is in one of each unit', () => {
  const weekStarts = fc.constantFrom<Weekday>('monday', 'saturday', 'sunday');
  const instants = fc.integer({ min: 0, max: Date.UTC(2040, 0, 1) });
  fc.assert(
    fc.property(fc.constantFrom(...zones), weekStarts, instants, (timeZone, weekStart, at) => {
      const spans = (['day', 'week', 'month'] as const).map((unit) => {
        const grid = gridOf(unit, timeZone, weekStart);
        const span = grid.windowAt(at);
        expect(span.start <= at && at < span.end).toBe(true);
        expect(grid.windowAt(span.start)).toEqual(span);
        expect(grid.windowAt(span.end - 1)).toEqual(span);
        expect(grid.windowAt(span.end).start).toBe(span.end);
        expect(grid.windowAt(span.start - 1).end).toBe(span.start);
        return span;
      });
      const [day, ...longer] = spans as [(typeof spans)[0]];
      for (const { start, end } of longer) expect(start <= day.start && day.end <= end).toBe(true);
    }),
    { seed: 11, numRuns: 400 },
  );
});

test.each<[Record<string, unknown>, string]>([
  [{ timeZone: 'Europe/Nowhere' }, 'window.timeZone: must be a time zone'],
  [{ unit: 'year' }, "window.unit: must be one of 'day', 'week', 'month'"],
  [{ weekStart: 'mon' }, 'window.weekStart: must be one of '],
  [{ grace: -1 }, 'window.grace: must be a whole number of milliseconds'],
])('%j is refused: %s', (wrong, message) => {
  const right = { unit: 'day', timeZone: 'UTC', grace: 0 } as const;
  expect(() => calendar({ ...right, ...wrong } as never)).toThrow(message);
});

const visits = topic<string, string>('visits', { value: utf8 });

test('a day of 25 hours closes after its grace, by emit close and by suppress alike', async () => {
  const late = topic<string, string>('late', { value: utf8 });
  const outs = ['a', 'b'].map((name) => topic<string, string>(name, { value: utf8 }));
  const built = topology('out', (t) => {
    const days = calendar({ unit: 'day', timeZone: 'Europe/Berlin', grace: hours(1) });
    const windows = t.stream(visits).window(days);
    const tables = [
      windows.aggregate('closed', count(), { emit: 'close', late }),
      windows.aggregate('held', count()).suppress('final', { untilClosed: true }),
    ];
    for (const [i, table] of tables.entries()) {
      table
        .changes()
        .map((n, window) => `${n} in ${(window.end - window.start) / hourMs} h`)
        .keyBy(`out-${i}`, () => 'all')
        .to(outs[i] as (typeof outs)[number]);
    }
    return {};
  });
  const driver = await testDriver(built);
  const said = async () =>
    Promise.all(outs.map(async (out) => (await driver.read(out)).map(({ value }) => value)));
  const pipe = (at: string) => driver.pipe(visits, 'ann', at, Date.parse(at));
  // The 25th of October 2026 lasts from 22:00 UTC on the 24th to 23:00 UTC on the 25th.
  for (const at of ['2026-10-24T22:00Z', '2026-10-25T22:59Z', '2026-10-25T23:59Z']) await pipe(at);
  expect(await said()).toEqual([[], []]);
  await driver.restart({ dropState: true });
  await pipe('2026-10-25T22:58Z');
  await pipe('2026-10-26T00:00Z');
  expect(await said()).toEqual([['3 in 25 h'], ['3 in 25 h']]);
  await pipe('2026-10-25T22:57Z');
  expect((await driver.read(late)).map(({ value }) => value)).toEqual(['2026-10-25T22:57Z']);
  expect(driver.summary.counters.drops).toEqual({ 'closed|late': 1, 'held|late': 1 });
  await driver.close();
});
