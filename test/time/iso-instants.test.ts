/** ISO instants beside a reading of our own: what is a real time is taken, all else is refused. */
import fc from 'fast-check';
import { instantReader } from 'millrace';
import { expect, test } from 'vitest';

const read = instantReader('iso');
const pad = (value: number, width = 2) => String(value).padStart(width, '0');

/** Days of a month, counted by the calendar's rules. */
function daysOf(year: number, month: number): number {
  const isLeap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  if (month === 2) return isLeap ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

/** ms UTC of a day, counted month by month from 1970 on, or back. */
function daysSince1970(year: number, month: number, day: number): number {
  let days = day - 1;
  for (let m = 1; m < month; m++) days += daysOf(year, m);
  const yearDays = (y: number) => 337 + daysOf(y, 2);
  for (let y = 1970; y < year; y++) days += yearDays(y);
  for (let y = year; y < 1970; y++) days -= yearDays(y);
  return days;
}

test('every date and time of the common forms, real and not', () => {
  const parts = fc.record({
    year: fc.oneof(fc.integer({ min: 1900, max: 2150 }), fc.constantFrom(1969, 1970, 2000, 2100)),
    month: fc.integer({ min: 0, max: 13 }),
    day: fc.integer({ min: 0, max: 32 }),
    hour: fc.integer({ min: 0, max: 25 }),
    minute: fc.integer({ min: 0, max: 61 }),
    second: fc.integer({ min: 0, max: 61 }),
    fraction: fc.option(fc.integer({ min: 0, max: 999 })),
    zone: fc.constantFrom('Z', '+00:00', '+02:30', '-0700'),
  });
  fc.assert(
    fc.property(parts, ({ year, month, day, hour, minute, second, fraction, zone }) => {
      const text = `${pad(year, 4)}-${pad(month)}-${pad(day)}T${pad(hour)}:${pad(minute)}:${pad(second)}${fraction === null ? '' : `.${pad(fraction, 3)}`}${zone}`;
      const isReal =
        month >= 1 && month <= 12 && day >= 1 && day <= daysOf(year, month) && hour < 24;
      if (!isReal || minute > 59 || second > 59) {
        expect(read(text), text).toEqual(expect.any(String));
        return;
      }
      const minutes = { Z: 0, '+00:00': 0, '+02:30': 150, '-0700': -420 }[zone] as number;
      const at =
        daysSince1970(year, month, day) * 86_400_000 +
        (hour * 60 + minute - minutes) * 60_000 +
        second * 1_000 +
        (fraction ?? 0);
      expect(read(text), text).toBe(at);
    }),
    { numRuns: 5_000 },
  );
});

test('one character that is another is refused, or another time', () => {
  for (const text of ['2026-01-31T09:30:00Z', '2026-01-31T09:30:00.250Z']) {
    const at = read(text);
    expect(at).toBe(Date.UTC(2026, 0, 31, 9, 30, 0, text.length === 24 ? 250 : 0));
    for (let i = 0; i < text.length; i++) {
      for (const char of ['x', ' ', '/', ':', '-', '.', 'T', 'Z', '\u0660']) {
        if (char === text[i]) continue;
        const other = text.slice(0, i) + char + text.slice(i + 1);
        expect(read(other), other).not.toBe(at);
        expect(typeof read(other), other).toBe('string');
      }
    }
  }
});
