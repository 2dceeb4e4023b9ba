/**
 * The schema of mappings and the check of the code say the same; the examples of the documentation
 * work.
 */

import { readdirSync, readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { checkMapping } from '../../topologies/ingest/check-mapping.ts';
import { eventMap } from '../../topologies/ingest/event-map.ts';

const schema: object = JSON.parse(readFileSync('docs/mapping.schema.json', 'utf8'));
const validate = new Ajv2020({ allowUnionTypes: true, allErrors: false }).compile(schema);
const docs = readFileSync('docs/MAPPINGS.md', 'utf8');
const examples = [...docs.matchAll(/```json\n([\s\S]*?)```/g)].map(([, text = '']) => text);
const folder = 'topologies/ingest/mappings';
const shipped = readdirSync(folder).map((name) => readFileSync(`${folder}/${name}`, 'utf8'));
const mappings = [...examples, ...shipped].map((text) => JSON.parse(text) as object);

function isTaken(mapping: unknown): boolean {
  try {
    checkMapping(mapping, 'mine');
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'MAPPING_INVALID' });
    expect((error as { context: { field: string } }).context.field).not.toBe('');
    return false;
  }
}

test.each(mappings)(
  'mapping %# of the documentation and of those shipped is taken by both',
  (one) => {
    expect(isTaken(one)).toBe(true);
    expect(validate(one) || validate.errors).toBe(true);
  },
);

test('every member is documented, and so is every test of a text', () => {
  const { properties } = schema as { properties: Record<string, object> };
  for (const name of Object.keys(properties)) expect(docs).toContain(`\`${name}\``);
  for (const name of [
    'equals',
    'startsWith',
    'endsWith',
    'contains',
    'pattern',
    'empty',
    'ignoreCase',
  ]) {
    expect(docs).toMatch(new RegExp(`\\|.*\`${name}\`.*\\|`));
  }
});

/** A mapping with one value of it, at any depth, changed, taken away, or one added beside it. */
function mutated(value: unknown, path: number[], nonsense: unknown, how: string): unknown {
  const [at = 0, ...rest] = path;
  if (typeof value !== 'object' || value === null || path.length === 0) return nonsense;
  if (Array.isArray(value)) {
    if (value.length === 0) return [nonsense];
    const i = at % value.length;
    if (rest.length === 0 && how === 'without') return value.filter((_, k) => k !== i);
    return value.map((one, k) => (k === i ? mutated(one, rest, nonsense, how) : one));
  }
  const names = Object.keys(value);
  if (how === 'more' && rest.length === 0) return { ...value, colour: nonsense };
  const name = names[at % Math.max(1, names.length)] ?? 'colour';
  const copy: Record<string, unknown> = { ...value };
  if (rest.length === 0 && how === 'without') delete copy[name];
  else copy[name] = mutated(copy[name], rest, nonsense, how);
  return copy;
}

describe('nonsense', () => {
  test('what one refuses the other refuses, wherever in a mapping it stands', () => {
    // What a schema cannot know: formats, zones, instants, patterns and marks that are one
    // another's.
    const deep = /\.(format(\.\d+)?|zone|since|from|pattern|thousands)$|^columns|\.value$/;
    const values = fc.constantFrom<unknown>(
      7,
      -1,
      2.5,
      '',
      'x',
      true,
      false,
      null,
      [],
      {},
      [7],
      ['a'],
      { value: 1 },
      { a: 'b' },
    );
    fc.assert(
      fc.property(
        fc.constantFrom(...mappings),
        fc.array(fc.nat(9), { minLength: 1, maxLength: 6 }),
        values,
        fc.constantFrom('instead', 'without', 'more'),
        (mapping, path, nonsense, how) => {
          const given = JSON.parse(
            JSON.stringify(mutated(mapping, path, nonsense, how)),
          ) as unknown;
          const { configuration: _, ...shape } = given as { configuration?: unknown };
          let field = '';
          try {
            checkMapping(shape, 'mine');
          } catch (error) {
            field = (error as { context: { field: string } }).context.field;
          }
          const isValid = validate(shape);
          if (field === '') return isValid;
          return !isValid || deep.test(field);
        },
      ),
      { numRuns: 4_000, seed: 16 },
    );
  });
});

describe('the examples read rows as the text beside them says', () => {
  const [first, table, rules] = examples.map((text) =>
    eventMap(checkMapping(JSON.parse(text), 'mine')),
  );

  test('the first mapping', () => {
    const row = { when: '2026-01-31 09:30:00', who: 'ann@shop', what: 'open', campaign: 'c7' };
    expect(first?.(row, 'r')).toEqual({
      key: 'ann@shop',
      timestamp: Date.UTC(2026, 0, 31, 8, 30),
      value: { id: 'r', class: 'email_open', item: 'c7' },
    });
  });

  test('fields of a row', () => {
    const payload = '{"order":{"id":12345678901234567890,"currency":"EUR"}}';
    const row = { email: '', day: '2026-01-31', hour: '09:30', total: '1.234,50', payload };
    expect(table?.(row, 'r')).toEqual({
      key: 'unknown',
      timestamp: Date.UTC(2026, 0, 31, 8, 30),
      value: {
        id: '12345678901234567890',
        class: 'purchase',
        numbers: { amount: 123_450 },
        currency: 'EUR',
      },
    });
  });

  test.each([
    [{ kind: 'ping' }, 'skip'],
    [{ path: '/shop/7' }, 'product_view'],
    [{ path: '/CART' }, 'add_to_cart'],
    [{ kind: 'visit', path: '/' }, 'page_view'],
    [{ kind: 'reactivated' }, 'email_subscribe+address_change'],
    [{ kind: 'visit' }, 'reject'],
    [{ kind: 'visit', path: '/', agent: 'GoogleBot' }, 'skip'],
  ])('classes: %j is %s', (row, expected) => {
    const found = rules?.({ user: 'ann', at: '2026-01-31T00:00:00Z', ...row }, 'r');
    if (found === undefined) throw new Error('there is no such example');
    const told =
      'records' in found
        ? found.records.map(({ value }) => value.class).join('+')
        : 'value' in found
          ? found.value.class
          : Object.keys(found)[0];
    expect(told).toBe(expected);
  });
});
