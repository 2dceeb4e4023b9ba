/**
 * What the mapping language can say: times with their units, texts, numbers, fields made of others,
 * ids.
 */

import { describe, expect, test } from 'vitest';
import { checkMapping } from '../../topologies/ingest/check-mapping.ts';
import { eventMap, type MappedEvent } from '../../topologies/ingest/event-map.ts';

const base = {
  format: 'jsonl',
  subject: 's',
  time: { field: 't', format: 'epoch-s' },
  class: { value: 'seen' },
};
const at = 1_700_000_000;

/** What a mapping makes of a row, of the id 'row'. */
function made(more: object, row: object): MappedEvent {
  return eventMap(checkMapping({ ...base, ...more }, 'mine'))({ s: 'ann', t: at, ...row }, 'row');
}

function value(more: object, row: object): object {
  const found = made(more, row);
  if ('value' in found) return found.value;
  return found;
}

describe('times', () => {
  test.each([
    ['epoch-s', '15', 'cut off, or in another unit?'],
    ['epoch-s', '151165800', 'cut off, or in another unit?'],
    ['epoch-s', 1_511_658, 'cut off, or in another unit?'],
    ['epoch-s', 1_511_658_000_000, 'is it epoch-ms?'],
    ['epoch-ms', 1_511_658_000, 'is it epoch-s?'],
    ['epoch-ms', 151_165_800_000, 'cut off, or in another unit?'],
    ['epoch-us', 1_511_658_000_000, 'is it epoch-ms?'],
    ['epoch-ns', '1511658000000000', 'is it epoch-us?'],
    ['epoch-s', 0, 'cut off, or in another unit?'],
  ])('%s of %s is no time: %s', (format, t, hint) => {
    const found = made({ time: { field: 't', format } }, { t });
    expect(found).toEqual({
      reject: `time "${t}" is outside 1990-01-01 to 2099 as ${format}: ${hint}`,
    });
  });

  test('a count of 1970 whose last digit is missing is never a time, whatever the instant', () => {
    for (let year = 2002; year < 2099; year++) {
      const instant = Date.UTC(year, 5, 1);
      for (const [format, digits] of [
        ['epoch-s', `${instant / 1_000}`],
        ['epoch-ms', `${instant}`],
        ['epoch-us', `${instant}000`],
      ] as const) {
        const time = { time: { field: 't', format } };
        expect(made(time, { t: digits })).toMatchObject({ timestamp: instant });
        expect(made(time, { t: digits.slice(0, -1) })).toHaveProperty('reject');
      }
    }
  });

  test('of two units in one column only one makes a time of a number', () => {
    const time = { field: 't', format: ['epoch-s', 'epoch-ms'] };
    for (const t of [at, at * 1_000]) {
      expect(made({ time }, { t })).toMatchObject({ timestamp: at * 1_000 });
    }
    expect(made({ time }, { t: 17 })).toHaveProperty('reject');
  });

  test('times before 1990 where the mapping says so', () => {
    const time = { field: 't', format: 'epoch-s', from: '1970-01-01T00:00:00Z' };
    expect(made({ time }, { t: 15 })).toMatchObject({ timestamp: 15_000 });
  });

  test('each field has its own unit; the first that is there counts', () => {
    const time = [
      { field: 'ms', format: 'epoch-ms' },
      { field: 'us', format: 'epoch-us' },
      { field: ['day', 'date'], format: 'YYYY-MM-DD', zone: 'Europe/Berlin' },
    ];
    expect(made({ time }, { ms: at * 1_000 })).toMatchObject({ timestamp: at * 1_000 });
    expect(made({ time }, { ms: '', us: at * 1e6 })).toMatchObject({ timestamp: at * 1_000 });
    expect(made({ time }, { date: '2026-07-01' })).toMatchObject({
      timestamp: Date.UTC(2026, 5, 30, 22),
    });
    expect(made({ time }, {})).toEqual({ reject: 'there is no time in ms or us or day or date' });
  });

  test('seconds with a fraction, from JSON as from text', () => {
    for (const t of [1_534_108_637.153125, '1534108637.153125']) {
      expect(made({}, { t })).toMatchObject({ timestamp: 1_534_108_637_153 });
    }
  });
});

describe('fields', () => {
  test('a path into JSON that stands in a cell', () => {
    const more = {
      item: { field: 'payload', path: 'order.lines.0.sku' },
      link: [{ field: 'payload', path: 'url' }, 'url'],
    };
    const payload = JSON.stringify({
      order: { lines: [{ sku: 12345678901234567890n.toString() }] },
    });
    expect(value(more, { payload, url: 'u' })).toMatchObject({
      item: '12345678901234567890',
      link: 'u',
    });
    expect(
      value(more, { payload: '{"order":{"lines":[{"sku":12345678901234567890}]}}' }),
    ).toMatchObject({
      item: '12345678901234567890',
    });
    expect(value(more, { payload: '' })).toEqual({ id: 'row', class: 'seen' });
    expect(value(more, { payload: { url: 'inner' } })).toMatchObject({ link: 'inner' });
    expect(made(more, { payload: "{'url': 1}" })).toEqual({
      reject: expect.stringMatching(/^payload is not JSON/),
    });
  });

  test('one of two columns, and the first that is there of several', () => {
    const time = { field: { join: ['day', 'hour'], with: ' ' }, format: 'YYYY-MM-DD HH:mm' };
    const subject = [{ join: ['first', 'last'] }, 'nick', { value: 'nobody' }];
    const row = { day: '2026-01-31', hour: '09:30', first: 'Ann', last: 'Lee', nick: 'al' };
    expect(made({ time, subject }, row)).toMatchObject({
      key: 'Ann Lee',
      timestamp: Date.UTC(2026, 0, 31, 9, 30),
    });
    expect(made({ time, subject }, { ...row, last: '' })).toMatchObject({ key: 'al' });
    expect(made({ time, subject }, { ...row, last: null, nick: '' })).toMatchObject({
      key: 'nobody',
    });
    expect(made({ time, subject }, { ...row, hour: '' })).toEqual({
      reject: 'there is no time in day and hour',
    });
  });

  test.each([
    ['item', { item: 'x' }],
    ['link', { link: 'x' }],
    ['currency', { currency: 'x' }],
    ['subject', { subject: 'x' }],
    ['time', { time: { field: 'x', format: 'iso' } }],
    ['id', { id: ['x'] }],
    ['class', { class: { field: 'x' } }],
    ['trait', { traits: { t: 'x' } }],
    ['number', { numbers: { n: { field: 'x' } } }],
    ['evidence', { evidence: { ip: 'x' } }],
    ['skip rule', { skip: [{ field: 'x', equals: 'a' }] }],
    [
      'class rule with a test',
      { class: { rules: [{ when: { x: { contains: 'a' } }, value: 'b' }] } },
    ],
  ])('an object or a list is no %s', (_, more) => {
    expect(made(more, { x: { a: 1 } })).toEqual({
      reject: 'x is an object, where one value is expected',
    });
    expect(made(more, { x: ['20.00'] })).toEqual({
      reject: 'x is a list, where one value is expected',
    });
  });

  test.each(['constructor', '__proto__', 'toString', 'hasOwnProperty'])(
    'a field, a class, a trait and an item named %s are ordinary names',
    (name) => {
      const row = Object.fromEntries([
        ['s', 'ann'],
        ['t', at],
        [name, name],
      ]);
      const more = {
        class: { field: name, map: Object.fromEntries([[name, name]]) },
        item: name,
        traits: Object.fromEntries([[name, name]]),
        numbers: Object.fromEntries([[name, { field: { value: 7 } }]]),
      };
      const found = eventMap(checkMapping({ ...base, ...more }, 'mine'))(row, 'row');
      expect(found).toEqual({
        key: 'ann',
        timestamp: at * 1_000,
        value: {
          id: 'row',
          class: name,
          item: name,
          traits: Object.fromEntries([[name, name]]),
          numbers: Object.fromEntries([[name, 7]]),
        },
      });
      // Of a row that does not have it there is nothing, least of all what every object inherits.
      const other = eventMap(checkMapping({ ...base, item: name }, 'mine'));
      expect(other({ s: 'ann', t: at }, 'row')).toMatchObject({
        value: { id: 'row', class: 'seen' },
      });
    },
  );
});

describe('texts', () => {
  const rules = [
    { when: { path: { pattern: '^/shop/[0-9]+$' } }, value: 'product_view' },
    { when: { path: { contains: ['basket', 'cart'] } }, value: 'add_to_cart' },
    {
      when: { path: { startsWith: '/', endsWith: '.HTML', ignoreCase: true } },
      value: 'page_view',
    },
    { when: { path: { empty: true } }, value: null },
    { when: { path: 'home', kind: true }, value: ['page_view', 'home_view'] },
  ];

  test.each([
    ['/shop/12', 'product_view'],
    ['/shop/12a/cart', 'add_to_cart'],
    ['/a.html', 'page_view'],
    ['/a.htm', 'no rule of the class fits: path "/a.htm", kind ""'],
    ['', 'skip: path is empty'],
  ])('class rules: %s is %s', (path, expected) => {
    const found = made({ class: { rules } }, { path });
    const told =
      'value' in found
        ? found.value.class
        : 'skip' in found
          ? `skip: ${found.skip}`
          : 'reject' in found
            ? found.reject
            : '';
    expect(told).toBe(expected);
  });

  test('a rule may make several events of one row, each with an id of its own', () => {
    expect(made({ class: { rules } }, { path: 'home', kind: 1 })).toEqual({
      records: [
        { key: 'ann', timestamp: at * 1_000, value: { id: 'row', class: 'page_view' } },
        { key: 'ann', timestamp: at * 1_000, value: { id: 'row/home_view', class: 'home_view' } },
      ],
    });
  });

  test('a pattern takes time in proportion to the text', () => {
    const evil = { when: { path: { pattern: '(a+)+$' } }, value: 'seen' };
    const found = made({ class: { rules: [evil] } }, { path: `${'a'.repeat(50_000)}!` });
    expect(found).toHaveProperty('reject');
  });

  test.each([
    [{ equals: 0 }, '0', 'note equals 0'],
    [{ equals: ['a', true] }, true, 'note equals a or true'],
    [{ startsWith: 'C' }, 'C1', 'note startsWith C'],
    [{ contains: 'b' }, 'abc', 'note contains b'],
    [{ pattern: '[0-9]{2}' }, 'x42', 'note pattern [0-9]{2}'],
    [{ empty: true }, null, 'note is empty'],
    [{ empty: false }, 'x', 'note is not empty'],
  ])('rows are left out by %j', (rule, note, reason) => {
    const skip = [{ field: 'note', ...rule }];
    expect(made({ skip }, { note })).toEqual({ skip: reason });
    expect(
      made({ skip }, { note: 'empty' in rule && rule.empty === false ? '' : 'q' }),
    ).toHaveProperty('value');
  });
});

describe('numbers', () => {
  test.each([
    ['1.234,56', { decimals: 2, decimal: ',', thousands: '.' }, 123_456],
    ['1234,5', { decimals: 2, decimal: ',' }, 123_450],
    ['-1 234 567', { thousands: ' ' }, -1_234_567],
    ['1\u202f234,50', { decimals: 2, decimal: ',', thousands: ' ' }, 123_450],
    ["12'345.60", { decimals: 1, thousands: "'" }, 123_456],
    [19.9, { decimals: 2, decimal: ',' }, 1_990],
    ['12.5', { decimals: 2 }, 1_250],
    ['12.500', { decimals: 1 }, 125],
  ])('%s with %j is %s', (n, form, expected) => {
    expect(value({ numbers: { n: { field: 'n', ...form } } }, { n })).toMatchObject({
      numbers: { n: expected },
    });
  });

  test.each([
    ['20,50', { decimals: 2 }],
    ['1.23.4', { decimal: ',', thousands: '.' }],
    ['1,2345', { thousands: ',' }],
    ['1.005', { decimals: 2 }],
    [true, {}],
    ['12345678901234567890', {}],
    ['very good', {}],
  ])('%s with %j is refused', (n, form) => {
    expect(made({ numbers: { n: { field: 'n', ...form } } }, { n })).toHaveProperty('reject');
  });

  test('of other classes than those named a number is not read, so it need not be one', () => {
    const more = {
      class: { field: 'c' },
      numbers: { amount: { field: 'n', decimals: 2, classes: ['purchase'] } },
    };
    expect(value(more, { c: 'survey', n: 'very good' })).toEqual({ id: 'row', class: 'survey' });
    expect(value(more, { c: 'purchase', n: 5 })).toMatchObject({ numbers: { amount: 500 } });
    expect(made(more, { c: 'purchase', n: 'very good' })).toHaveProperty('reject');
  });
});

describe('traits', () => {
  test('null and an empty text of JSON clear a trait; what is not there, or an empty cell, says nothing', () => {
    const traits = { traits: { plan: 'user.plan', size: 'size' } };
    expect(value(traits, { user: { plan: null } })).toMatchObject({ traits: { plan: null } });
    expect(value(traits, { user: { plan: '' }, size: 0 })).toMatchObject({
      traits: { plan: null, size: 0 },
    });
    expect(value(traits, { user: {} })).toEqual({ id: 'row', class: 'seen' });
    const table = { format: 'csv', traits: { plan: 'plan' } };
    expect(value(table, { plan: '' })).toEqual({ id: 'row', class: 'seen' });
  });
});

describe('ids', () => {
  test('a part that is missing makes the row one of its own, unless a part stands in for it', () => {
    const loose = { id: ['a', 'b'] };
    expect(value(loose, { a: '1', b: '2' })).toMatchObject({ id: '1/2' });
    expect(value(loose, { b: '2' })).toMatchObject({ id: 'row' });
    expect(value(loose, { a: 12345678901 })).toMatchObject({ id: 'row' });
    const optional = { id: ['a', ['b', { value: '' }]] };
    expect(value(optional, { a: '1' })).toMatchObject({ id: '1/' });
  });

  test('of the content: equal rows have the same, others another', () => {
    const more = { id: [['event_id', { content: true }], 'kind'] };
    const idOf = (row: object) => (value(more, row) as { id: string }).id;
    expect(idOf({ kind: 'x', n: 1 })).toBe(idOf({ kind: 'x', n: 1 }));
    expect(idOf({ kind: 'x', n: 1 })).not.toBe(idOf({ kind: 'x', n: 2 }));
    expect(idOf({ kind: 'x', event_id: 'e' })).toBe('e/x');
  });
});

describe('merges', () => {
  test.each([
    ['email', 'Bob <Bob@Example.com>', 'bob@example.com'],
    ['number', '17850.0', '17850'],
    ['text', 'e\u0301', '\u00e9'],
  ])('the other subject is brought into the form %s', (subjectForm, item, expected) => {
    const more = { subjectForm, class: { value: 'subject_merged' }, item: 'i' };
    expect(value(more, { i: item })).toMatchObject({ item: expected });
    expect(made(more, {})).toEqual({
      reject: 'item must name the other subject, with which it is merged',
    });
    expect(value({ ...more, class: { value: 'purchase' } }, { i: item })).toMatchObject({ item });
  });
});
