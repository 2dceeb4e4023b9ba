/**
 * Cleaning: one form for each text, and done twice it is what it was; wall times by a stated
 * policy.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { instantReader, zonePolicies } from '../../engine/time/instant-reader.ts';
import { emailForm, numberForm, textForm } from '../../topologies/ingest/forms.ts';

const forms = { textForm, emailForm, numberForm };
const odd = [
  '\u0041\u030a',
  '\u212b',
  ' ',
  '\u200b',
  '\ufeff',
  '<',
  '>',
  '@',
  'mailto:',
  'İ',
  'ß',
  '.0',
  '1',
  'A',
  '\u1e9b\u0323',
  '\u0345',
  '\u03b1',
];
const texts = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 30 }),
  fc.array(fc.constantFrom(...odd), { maxLength: 12 }).map((parts) => parts.join('')),
);

test.each(Object.entries(forms))('%s of its own result is that result', (_, form) => {
  fc.assert(
    fc.property(texts, (text) => {
      const once = form(text);
      expect(form(once)).toBe(once);
      expect(once).toBe(once.normalize('NFC'));
      expect(once.trim()).toBe(once);
    }),
    { numRuns: 5_000, seed: 33 },
  );
});

test.each([
  [' Ann <Ann@Shop.example> ', 'ann@shop.example'],
  ['"A <b>" <ANN@X.example>', 'ann@x.example'],
  ['mailto:Ann@x.example', 'ann@x.example'],
  ['\u200bann@x.example\ufeff', 'ann@x.example'],
  ['ann+tag@x.example', 'ann+tag@x.example'],
])('the address in %j is %s', (text, address) => {
  expect(emailForm(text)).toBe(address);
});

describe('wall times of a zone', () => {
  const berlin = (text: string, policy = {}) =>
    instantReader('iso-local', 'Europe/Berlin', undefined, policy)(text);
  const told = (at: number | string) => (typeof at === 'number' ? new Date(at).toISOString() : at);

  test('a gap and an overlap are refused, or go to the side that is said', () => {
    const gap = '2026-03-29T02:30:00';
    expect(berlin(gap)).toMatch(/does not exist/);
    expect(told(berlin(gap, { gap: 'later' }))).toBe('2026-03-29T01:30:00.000Z');
    expect(told(berlin(gap, { gap: 'earlier' }))).toBe('2026-03-29T00:30:00.000Z');
    expect(berlin(gap, { overlap: 'later' })).toMatch(/does not exist/);
    const overlap = '2026-10-25T02:30:00';
    expect(berlin(overlap)).toMatch(/ambiguous/);
    expect(told(berlin(overlap, { overlap: 'earlier' }))).toBe('2026-10-25T00:30:00.000Z');
    expect(told(berlin(overlap, { overlap: 'later' }))).toBe('2026-10-25T01:30:00.000Z');
    expect(berlin(overlap, { gap: 'later' })).toMatch(/ambiguous/);
  });

  test('every other time is the same under each policy', () => {
    for (const zone of [
      'Europe/Berlin',
      'America/St_Johns',
      'Australia/Lord_Howe',
      'Asia/Kolkata',
    ]) {
      const strict = instantReader('iso-local', zone);
      for (let hour = 0; hour < 24 * 365; hour += 41) {
        const text = new Date(Date.UTC(2026, 0, 1, hour, 15)).toISOString().slice(0, 19);
        const wanted = strict(text);
        if (typeof wanted === 'string') continue;
        for (const policy of zonePolicies) {
          const read = instantReader('iso-local', zone, undefined, {
            gap: policy,
            overlap: policy,
          });
          expect([zone, text, policy, read(text)]).toEqual([zone, text, policy, wanted]);
        }
      }
    }
  });
});
