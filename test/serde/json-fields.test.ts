/**
 * Fields of JSON read from the bytes, held against JSON.parse over random texts, whole and damaged.
 */
import { json } from 'millrace';
import { afterEach, expect, test, vi } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { withoutCode } from './no-code.ts';

const names = ['a', 'value', 'é', 'quo"te', 'nested', 'x'];
const serde = json<Record<string, unknown>>({ only: names });
const scalars = [
  ...['', 'plain', 'é', 'a"b', 'back\\slash', '\n', '}', ',', '{"value":1}', '\ud83d\ude00'],
  ...[0, -0, 1, -1, 10, 0.5, -3.25, 123456789012345, 1234567890123456, 0.1, 1e21, 5e-324],
  ...[7.389056098930649, 999999999999999.9, 1.7976931348623157e308, true, false, null],
];

function drawnValue(random: SeededRandom, depth: number): unknown {
  const kind = randomBelow(random, depth > 2 ? 8 : 10);
  if (kind === 7) return randomBelow(random, 1_000_000) / 10 ** randomBelow(random, 8);
  if (kind < 8) return scalars[randomBelow(random, scalars.length)];
  const parts = Array.from({ length: randomBelow(random, 4) }, () => drawnValue(random, depth + 1));
  return kind === 8
    ? parts
    : Object.fromEntries(parts.map((part, i) => [names[i] ?? `n${i}`, part]));
}

/** JSON text with white space anywhere, names in any order, some spelt with escapes, some twice. */
function textOf(random: SeededRandom): string {
  const gap = () => ['', '', '', ' ', '\n\t ', '\r'][randomBelow(random, 6)] as string;
  const fields = Array.from({ length: randomBelow(random, 9) }, () => {
    const known = randomBelow(random, 3) > 0;
    const name = known ? (names[randomBelow(random, names.length)] as string) : 'other';
    const spelt =
      randomBelow(random, 5) === 0
        ? `"${[...name].map((c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`).join('')}"`
        : JSON.stringify(name);
    return `${gap()}${spelt}${gap()}:${gap()}${JSON.stringify(drawnValue(random, 0))}${gap()}`;
  });
  return `${gap()}{${fields.length === 0 ? gap() : fields.join(',')}}${gap()}`;
}

function decoded(text: string): unknown {
  // Amid other bytes, as in a batch.
  const bytes = Buffer.from(`"}${text}{"`);
  return serde.decode(bytes, 2, bytes.byteLength - 2);
}

function picked(text: string): unknown {
  const whole = JSON.parse(text) as Record<string, unknown>;
  return Object.fromEntries(names.filter((n) => n in whole).map((n) => [n, whole[n]]));
}

test('as JSON.parse says, without the fields not asked for', () => {
  for (let seed = 1; seed <= 5_000; seed++) {
    const text = textOf(new SeededRandom(seed));
    expect({ seed, text, fields: decoded(text) }).toEqual({ seed, text, fields: picked(text) });
  }
});

/**
 * Objects of a few layouts, written without white space, over and over: they get readers of their
 * own.
 */
function* written(random: SeededRandom): Generator<string> {
  const layouts = Array.from({ length: 1 + randomBelow(random, 4) }, () => {
    const order = [...names, 'other', 'more'].filter(() => randomBelow(random, 3) > 0);
    return order
      .sort(() => randomBelow(random, 3) - 1)
      .map((name) => ({ name, value: drawnValue(random, 0) }));
  });
  for (let i = 0; i < 40; i++) {
    const layout = layouts[randomBelow(random, layouts.length)] as (typeof layouts)[number];
    const fields = layout.map(({ name, value }) => {
      const other = [1, 'a', 'bc', 0.25, -7, 1e-7, '\u00e9', '"', value][randomBelow(random, 9)];
      const sameKind = typeof other === typeof value || randomBelow(random, 10) === 0;
      return [name, sameKind ? other : value] as const;
    });
    yield JSON.stringify(Object.fromEntries(fields));
  }
}

test('layouts that come again, as JSON.parse says; the order of fields does not tell which reader read them', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const warm = json<Record<string, unknown>>({ only: names });
    for (const text of written(new SeededRandom(seed))) {
      const bytes = Buffer.from(`"}${text}{"`);
      const fields = warm.decode(bytes, 2, bytes.byteLength - 2);
      expect({ seed, text, fields: JSON.stringify(fields) }).toEqual({
        seed,
        text,
        fields: JSON.stringify(picked(text)),
      });
    }
  }
});

test('damage to a layout that came again is found as in one that did not', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = new SeededRandom(seed);
    const warm = json<Record<string, unknown>>({ only: names });
    for (const text of written(random)) {
      const bytes = Buffer.from(text);
      warm.decode(bytes, 0, bytes.byteLength);
      const at = randomBelow(random, text.length);
      const letter = '{}[]",:0 -.ex\\\n'[randomBelow(random, 15)];
      const changed = Buffer.from(text.slice(0, at) + letter + text.slice(at + 1));
      const cold = json<Record<string, unknown>>({ only: names });
      expect(answer(warm, changed), changed.toString()).toEqual(answer(cold, changed));
      const cut = bytes.subarray(0, at);
      expect(answer(warm, cut), cut.toString()).toBe('refused');
    }
  }
});

afterEach(() => void vi.unstubAllGlobals());

test('where code must not be made at run time, layouts that come again are read all the same', () => {
  const asked = withoutCode();
  const fresh = json<Record<string, unknown>>({ only: names });
  for (const text of written(new SeededRandom(1))) {
    const bytes = Buffer.from(text);
    expect(fresh.decode(bytes, 0, bytes.byteLength), text).toEqual(picked(text));
  }
  expect(asked()).toBe(1);
});

function answer({ decode }: typeof serde, bytes: Buffer): unknown {
  try {
    return decode(bytes, 0, bytes.byteLength);
  } catch (error) {
    expect(error).toBeInstanceOf(SyntaxError);
    return 'refused';
  }
}

test('every way to write a number', () => {
  for (const number of [
    '0',
    '-0',
    '0.0',
    '10',
    '1.50',
    '1e3',
    '1E-2',
    '-12.5e+1',
    '100000000000000000000',
  ]) {
    expect([number, decoded(`{"value":${number}}`)]).toEqual([
      number,
      picked(`{"value":${number}}`),
    ]);
  }
  for (const wrong of [
    '01',
    '-',
    '.5',
    '5.',
    '+1',
    '1e',
    '0x1',
    '1.2.3',
    '--1',
    '1a',
    'nul',
    '',
    ']',
  ]) {
    expect(() => decoded(`{"value":${wrong}}`), wrong).toThrow(SyntaxError);
  }
});

test('damage where it is asked for, and anywhere in brackets and quotes, is an error', () => {
  for (const wrong of [
    '',
    '[]',
    'null',
    '1',
    '"a"',
    '{',
    '{"a"',
    '{"a":',
    '{"a":1',
    '{"a":1,',
    '{"a":1,}',
  ]) {
    expect(() => decoded(wrong), wrong).toThrow(SyntaxError);
  }
  for (const wrong of [
    '{"o":"',
    '{"o":[}',
    '{"o":1}}',
    '{"o" 1}',
    '{o:1}',
    '{"o":1 "a":2}',
    '{"a":"\n"}',
    '{"a":"\\x"}',
  ]) {
    expect(() => decoded(wrong), wrong).toThrow(SyntaxError);
  }
  let refused = 0;
  for (let seed = 1; seed <= 3_000; seed++) {
    const random = new SeededRandom(seed);
    const text = textOf(random).trim();
    const cut = text.slice(0, randomBelow(random, text.length));
    expect(() => decoded(cut), cut).toThrow(SyntaxError);
    // One letter changed: what JSON.parse accepts is told the same; what it refuses may be passed
    // over.
    const at = randomBelow(random, text.length);
    const letter = '{}[]",:0 -.ex'[randomBelow(random, 13)];
    const changed = text.slice(0, at) + letter + text.slice(at + 1);
    let expected: unknown;
    try {
      expected = picked(Buffer.from(changed).toString());
    } catch {
      refused++;
      continue;
    }
    expect({ changed, fields: decoded(changed) }).toEqual({ changed, fields: expected });
  }
  expect(refused).toBeGreaterThan(1_000);
});

test('a value is written whole, and a prototype is not set', () => {
  const value = { a: 1, other: 2 };
  expect(JSON.parse(Buffer.from(serde.encode(value)).toString())).toEqual(value);
  expect(() => json<Record<string, unknown>>({ only: ['__proto__'] })).toThrow('__proto__');
});
