/**
 * JSON rows: numbers keep their digits, a field that comes twice is refused, and what is nested too
 * deep.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rowsOf } from '../../engine/connect/rows.ts';
import { membersOf, parseJson } from '../../engine/serde/faithful-json.ts';
import { emptyFolder } from '../process/millrace.ts';

const parsedOf = (text: string) => {
  const parsed = parseJson(text);
  return 'value' in parsed ? parsed.value : parsed.problem;
};

describe('numbers', () => {
  test.each([
    ['9007199254740993', '9007199254740993'],
    ['-12345678901234567', '-12345678901234567'],
    ['[12345678901234567890, 1]', ['12345678901234567890', 1]],
    ['0.12345678901234567890123', '0.12345678901234567890123'],
    ['1e400', '1e400'],
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992],
    ['19.989999999999998', 19.989999999999998],
    ['1000000000000000000000', 1e21],
    ['1.50e3', 1500],
    ['0.30000000000000004', 0.30000000000000004],
    ['"12345678901234567890"', '12345678901234567890'],
    ['{"a \\" 12345678901234567891":1}', { 'a " 12345678901234567891': 1 }],
  ])('%s', (text, expected) => {
    expect(parsedOf(text)).toEqual(expected);
  });

  test('each reads as a number of the same value, or as its own text', () => {
    const digits = fc.stringMatching(/^-?(0|[1-9]\d{0,25})(\.\d{1,25})?([eE][+-]?\d{1,2})?$/);
    fc.assert(
      fc.property(digits, (text) => {
        const found = (parsedOf(`{"n":${text}}`) as { n: unknown }).n;
        if (typeof found === 'string') return found === text;
        if (found !== Number(text)) return false;
        const [digits = ''] = exactly(text).replace('-', '').split('e');
        const isDouble = /[.eE]/.test(text) && digits.length <= 17;
        return isDouble || exactly(String(found)) === exactly(text);
      }),
      { numRuns: 3_000, seed: 4 },
    );
  });
});

/** The value as a fraction of whole numbers, in lowest powers of ten. */
function exactly(text: string): string {
  const [, sign = '', whole = '', part = '', power = '0'] =
    /^(-?)(\d+)(?:\.(\d+))?(?:[eE]([+-]?\d+))?$/.exec(text) ?? [];
  let value = BigInt(whole + part);
  let places = Number(power) - part.length;
  if (value === 0n) return '0';
  for (; value % 10n === 0n; places++) value /= 10n;
  return `${sign}${value}e${places}`;
}

describe('refused', () => {
  test.each([
    ['{"a":1,"a":2}', 'has the field "a" twice'],
    ['{"a" :1,"a":2}', 'has the field "a" twice'],
    ['{"x":[{"b":{},"\\u0062":2}]}', 'has the field "b" twice'],
    ['{"t":"\\":","a":1,"a":1}', 'has the field "a" twice'],
    ['{"a":1', /^is not JSON: /],
    ['{"n":01234567890123456789}', /^is not JSON: /],
    [`${'['.repeat(101)}${']'.repeat(101)}`, 'is nested deeper than 100'],
    [`${'{"a":'.repeat(200_000)}1${'}'.repeat(200_000)}`, /nested deeper|is not JSON/],
  ])('%.40s', (text, problem) => {
    expect(parsedOf(text)).toEqual(
      typeof problem === 'string' ? problem : expect.stringMatching(problem),
    );
  });

  test.each([
    '{"a":{"b":1},"c":{"b":1}}',
    '{"a":"x\\":y","b":": \\":"}',
    '{"at":"2026-01-01T10:00:00Z" , "u" : "http://x"}',
    `${'['.repeat(100)}${']'.repeat(100)}`,
  ])('but not %.40s', (text) => {
    expect(parsedOf(text)).toEqual(JSON.parse(text));
  });
});

test('members of a list are told apart whatever they hold', () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { maxLength: 5 }), (values) => {
      const members = membersOf(JSON.stringify(values, undefined, 1)) ?? [];
      expect(members.map((one) => JSON.parse(one))).toEqual(JSON.parse(JSON.stringify(values)));
    }),
    { numRuns: 500, seed: 5 },
  );
});

async function rows(name: string, content: string) {
  const file = join(await emptyFolder(), name);
  await writeFile(file, content);
  const found: unknown[] = [];
  const options = { format: name.endsWith('l') ? 'jsonl' : 'json', needed: [] } as const;
  const unpack = (value: unknown) => (Array.isArray(value) ? value : [value]);
  for await (const { fields, problem, empty } of rowsOf(file, { ...options, unpack })) {
    found.push(fields ?? problem ?? empty);
  }
  return found;
}

test('one bad value a line, or a member, costs no other', async () => {
  const lines = ['{"a":1}', '{"a":1,"a":2}', '7', '"x"', 'null', '[]', '[{"a":2},3]', '{"a":3}'];
  expect(await rows('x.jsonl', lines.join('\r\n'))).toEqual([
    { a: 1 },
    'line 2 has the field "a" twice',
    'line 3 is not a JSON object',
    'line 4 is not a JSON object',
    'line 5 is not a JSON object',
    'an empty list',
    { a: 2 },
    'line 7 is not a JSON object',
    { a: 3 },
  ]);
  expect(await rows('x.json', `[\n{"a":1},\n{"a":1,"a":2},7,\n{"a":3}]`)).toEqual([
    { a: 1 },
    'member 2 has the field "a" twice',
    'member 3 is not a JSON object',
    { a: 3 },
  ]);
});
