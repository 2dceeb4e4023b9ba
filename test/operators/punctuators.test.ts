/** Timers of `process` on the machine's clock, and by the calendar. */
import { calendarTimes, topic, topology, utf8 } from 'millrace';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';

const words = topic<string, string>('words', { value: utf8 });
const out = topic<string, string>('out', { value: utf8 });

/** Says a key's last word so many ms after it came, by the machine's clock. */
function echo(delayMs: number, resolutionMs: number) {
  return topology('echo', (t) => {
    t.stream(words)
      .process<string, string>('echoes', {
        clock: 'wall',
        resolutionMs,
        state: utf8,
        record(context, word) {
          context.state = word;
          context.setTimer('say', context.wallNow + delayMs);
        },
        timer(context, name, at) {
          context.emit(
            `${name} ${context.state} after ${context.wallNow - at}, now ${context.now}`,
          );
        },
      })
      .to(out);
  });
}

describe('on the wall clock', () => {
  test('fires when the machine’s time has come, whatever the records’ times', async () => {
    const driver = await testDriver(echo(5_000, 1));
    await driver.pipe(words, 'a', 'hello', 7);
    await driver.pipe(words, 'b', 'far ahead', 3_600_000);
    await driver.advanceWallClock(4_999);
    expect(await driver.read(out)).toEqual([]);
    await driver.advanceWallClock(1);
    const said = (await driver.read(out)).map(({ key, value }) => `${key}: ${value}`);
    expect(said.sort()).toEqual([
      'a: say hello after 0, now 7',
      'b: say far ahead after 0, now 3600000',
    ]);
    await driver.close();
  });

  test('is looked at in steps, and a timer outlives a restart', async () => {
    const driver = await testDriver(echo(1_500, 1_000));
    await driver.pipe(words, 'a', 'hello', 7);
    await driver.advanceWallClock(1_000);
    await driver.restart();
    expect(await driver.read(out)).toEqual([]);
    await driver.advanceWallClock(1_000);
    expect((await driver.read(out)).map(({ value }) => value)).toEqual([
      'say hello after 500, now 7',
    ]);
    await driver.advanceWallClock(60_000);
    expect(await driver.read(out)).toEqual([]);
    await driver.close();
  });

  test('a step of no time is refused when the topology is built', () => {
    expect(() => echo(1, 0)).toThrow(/echoes\.resolutionMs/);
  });
});

describe('calendar', () => {
  const berlin = (text: string) => Date.parse(text);

  test.each([
    ['day', 1, '2026-03-28T12:00+01:00', '2026-03-29T09:30+02:00', '2026-03-30T09:30+02:00'],
    ['week', 5, '2026-03-27T09:30+01:00', '2026-04-03T09:30+02:00', '2026-04-10T09:30+02:00'],
    ['month', 31, '2026-01-31T09:30+01:00', '2026-02-28T09:30+01:00', '2026-03-31T09:30+02:00'],
  ] as const)('every %s', (every, on, from, first, second) => {
    const times = calendarTimes({ every, on, at: '09:30', zone: 'Europe/Berlin' });
    const next = times.after(berlin(from));
    expect(new Date(next).toISOString()).toBe(new Date(berlin(first)).toISOString());
    expect(new Date(times.after(next)).toISOString()).toBe(new Date(berlin(second)).toISOString());
  });

  test('a local time that a day skips comes later, one that comes twice is the first', () => {
    const times = calendarTimes({ every: 'day', at: '02:30', zone: 'Europe/Berlin' });
    expect(times.after(berlin('2026-03-28T12:00+01:00'))).toBe(berlin('2026-03-29T03:30+02:00'));
    expect(times.after(berlin('2026-10-24T12:00+02:00'))).toBe(berlin('2026-10-25T02:30+02:00'));
    expect(times.after(berlin('2026-10-25T02:30+02:00'))).toBe(berlin('2026-10-26T02:30+01:00'));
  });

  test.each([
    [{ every: 'day', at: '9:30', zone: 'UTC' }, /at: 9:30 is no time/],
    [{ every: 'day', at: '09:30', zone: 'Mars/Base' }, /zone: /],
    [{ every: 'week', at: '09:30', zone: 'UTC', on: 8 }, /on: 8 is no whole number from 1 to 7/],
    [{ every: 'hour', at: '09:30', zone: 'UTC' }, /every: hour is none of/],
  ])('%j is refused', (rule, problem) => {
    expect(() => calendarTimes(rule as never)).toThrow(problem);
  });

  test('as durable timers: every Monday, by the stream’s time', async () => {
    const mondays = calendarTimes({ every: 'week', on: 1, at: '00:00', zone: 'UTC' });
    const job = topology('weekly', (t) => {
      t.stream(words)
        .process<number, string>('weeks', {
          record(context, _word, timestamp) {
            context.state = (context.state ?? 0) + 1;
            context.setTimer('week', mondays.after(timestamp));
          },
          timer(context, _name, at) {
            context.emit(`${context.state} by ${new Date(at).toISOString().slice(0, 10)}`);
            context.state = 0;
          },
        })
        .to(out);
    });
    const driver = await testDriver(job);
    const day = (text: string) => Date.parse(`${text}T12:00Z`);
    await driver.pipe(words, 'a', 'x', day('2026-11-25'));
    await driver.pipe(words, 'a', 'y', day('2026-11-26'));
    await driver.pipe(words, 'a', 'z', day('2026-12-01'));
    await driver.advanceTo(day('2026-12-08'));
    expect((await driver.read(out)).map(({ value }) => value)).toEqual([
      '2 by 2026-11-30',
      '1 by 2026-12-07',
    ]);
    await driver.close();
  });
});
