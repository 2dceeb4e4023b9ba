/** Mappings over nested payloads, envelopes and lists, and those that are shipped. */

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { rowsOf } from '../../engine/connect/rows.ts';
import { instantReader } from '../../engine/time/instant-reader.ts';
import { readMapping, rowOptions } from '../../topologies/app/mappings.ts';
import { checkMapping } from '../../topologies/ingest/check-mapping.ts';
import { eventMap, type MappedEvent } from '../../topologies/ingest/event-map.ts';
import type { Mapping } from '../../topologies/ingest/mapping.ts';
import { checkPersonalisation } from '../../topologies/personalisation.ts';
import { emptyFolder } from '../process/millrace.ts';

const base = {
  format: 'jsonl',
  subject: 'who',
  time: { field: 'at', format: 'epoch-s', from: '1970-01-01T00:00:00Z' },
  class: { value: 'seen' },
};

async function mapped(mapping: Mapping, name: string, content: string | Buffer) {
  const file = join(await emptyFolder(), name);
  await writeFile(file, content);
  const map = eventMap(mapping);
  const found: MappedEvent[] = [];
  for await (const { fields, problem } of rowsOf(file, rowOptions(mapping))) {
    found.push(
      fields === undefined ? { reject: problem ?? '' } : map(fields, `row${found.length}`),
    );
  }
  return found;
}

/** `class subject item` of each event, 'skip', or the reason. */
async function told(mapping: Mapping, name: string, content: string | Buffer): Promise<string[]> {
  return (await mapped(mapping, name, content)).flatMap((one) => {
    if ('skip' in one) return [`skip: ${one.skip}`];
    if ('reject' in one) return [one.reject];
    return ('records' in one ? one.records : [one]).map(
      ({ key, value, timestamp }) => `${value.class} ${key} ${value.item ?? '-'} ${timestamp}`,
    );
  });
}

function mappingOf(more: object): Mapping {
  return checkMapping({ ...base, ...more }, 'mine');
}

describe('rows', () => {
  test('a path reaches into nested JSON, the name itself comes first, a list takes what is there', async () => {
    const mapping = mappingOf({ subject: ['user.mail', 'user.ids.0'], item: 'a.b' });
    const rows = [
      { user: { mail: 'ann' }, 'a.b': 'own', a: { b: 'path' }, at: 1 },
      { user: { mail: '', ids: ['bob'] }, a: { b: 'path' }, at: 2 },
      { user: {}, at: 3 },
    ];
    const text = rows.map((row) => JSON.stringify(row)).join('\n');
    expect(await told(mapping, 'x.jsonl', text)).toEqual([
      'seen ann own 1000',
      'seen bob path 2000',
      'there is no subject in user.mail or user.ids.0',
    ]);
  });

  test('lists are opened, envelopes taken off, also such as are JSON in a text', async () => {
    const mapping = mappingOf({
      root: ['body', 'inner'],
      unpack: [['to', 'all']],
      subject: ['to', 'all'],
    });
    const envelope = (inner: object) => JSON.stringify({ body: JSON.stringify([inner]) });
    const lines = [
      JSON.stringify([
        { to: ['ann', 'bob'], at: 1 },
        { all: ['cy'], at: 2 },
      ]),
      envelope({ inner: { to: 'dan', at: 3 } }),
    ];
    const expected = ['seen ann - 1000', 'seen bob - 1000', 'seen cy - 2000', 'seen dan - 3000'];
    expect(await told(mapping, 'x.jsonl', lines.join('\n'))).toEqual(expected);
    const whole = `[${lines.join(',')}]`;
    const document = { ...mapping, format: 'json' as const };
    expect(await told(document, 'x.json.gz', gzipSync(whole))).toEqual(expected);
    expect(await told(document, 'x.ndjson', lines.join('\n'))).toEqual(expected);
    await expect(told(document, 'x.json', lines.join('\n'))).rejects.toThrow('format is jsonl');
  });

  test('columns apart by blanks or another mark', async () => {
    const csv = mappingOf({ format: 'csv', item: 'n' });
    const blanks = ' who   at  n\r\n  ann   1  7\r\n  bob  2\r\n';
    expect(await told({ ...csv, separator: 'blanks' }, 'x.txt', blanks)).toEqual([
      'seen ann 7 1000',
      'line 3: it has 2 columns, the header has 3',
    ]);
    expect(await told({ ...csv, separator: ';' }, 'x.csv', 'who;at;n\nann;1;7\n')).toEqual([
      'seen ann 7 1000',
    ]);
    await expect(told(csv, 'x.csv', 'who,when,n\n')).rejects.toThrow('has no such column');
  });
});

describe('parts', () => {
  test('classes by rules: the first that fits, null for rows that are not wanted', async () => {
    const mapping = mappingOf({
      class: {
        rules: [
          { when: { kind: 'bounce', hard: 'true' }, value: 'email_bounce' },
          { when: { kind: ['bounce', 'block'] }, value: 'email_soft_bounce' },
          { when: { ping: true }, value: null },
        ],
      },
    });
    const rows = [{ kind: 'bounce', hard: true }, { kind: 'block' }, { ping: {} }, { kind: 'x' }];
    const text = rows.map((row) => JSON.stringify({ who: 'ann', at: 1, ...row })).join('\n');
    expect(await told(mapping, 'x.jsonl', text)).toEqual([
      'email_bounce ann - 1000',
      'email_soft_bounce ann - 1000',
      'skip: ping is there',
      'no rule of the class fits: kind "x", hard "", ping ""',
    ]);
  });

  test('constants, evidence, currency, consent and forms of a subject', async () => {
    const mapping = mappingOf({
      subjectForm: 'email',
      item: { value: 'letter' },
      currency: 'money.in',
      purpose: 'why',
      until: { field: 'end', format: 'iso' },
      link: 'url',
      evidence: { machine: 'bot', ip: 'ip', links: 'n', prefetch: 'ahead' },
    });
    const row = {
      who: 'Ann <Ann@Shop.example>',
      at: 1,
      money: { in: 'EUR' },
      why: 'profiling',
      end: '2026-01-31T00:00:00Z',
      url: 'https://shop.example/',
      bot: 'gmail',
      ip: '192.0.2.1',
      n: 4,
      ahead: false,
    };
    const [found] = await mapped(mapping, 'x.jsonl', JSON.stringify(row));
    expect(found).toEqual({
      key: 'ann@shop.example',
      timestamp: 1_000,
      value: {
        id: 'row0',
        class: 'seen',
        item: 'letter',
        link: 'https://shop.example/',
        currency: 'EUR',
        purpose: 'profiling',
        until: Date.UTC(2026, 0, 31),
        evidence: { machine: true, ip: '192.0.2.1', links: 4 },
      },
    });
  });

  test('a time long after it was received is refused', async () => {
    const received = {
      field: 'got',
      format: 'epoch-s',
      from: '1970-01-01T00:00:00Z',
      maxSkewMs: 5_000,
    };
    const text = [5, 6].map((at) => JSON.stringify({ who: 'ann', at, got: 0 })).join('\n');
    expect(await told(mappingOf({ received }), 'x.jsonl', text)).toEqual([
      'seen ann - 5000',
      'time is 6000 ms after the event was received: in the future',
    ]);
  });

  test('of several formats exactly one must fit', async () => {
    const mixed = mappingOf({
      time: { field: 'at', format: ['YYYY/D/M H:mm', 'DD-MM-YYYY HH:mm'] },
    });
    const either = mappingOf({ time: { field: 'at', format: ['DD/MM/YYYY', 'MM/DD/YYYY'] } });
    const row = (at: string) => JSON.stringify({ who: 'ann', at });
    const text = [row('2014/6/5 9:30'), row('13-05-2014 09:30'), row('2014-05-13')].join('\n');
    expect(await told(mixed, 'x.jsonl', text)).toEqual([
      `seen ann - ${Date.UTC(2014, 4, 6, 9, 30)}`,
      `seen ann - ${Date.UTC(2014, 4, 13, 9, 30)}`,
      'time "2014-05-13" does not fit YYYY/D/M H:mm; does not fit DD-MM-YYYY HH:mm',
    ]);
    const days = [row('13/05/2014'), row('05/05/2014'), row('04/05/2014')].join('\n');
    expect(await told(either, 'x.jsonl', days)).toEqual([
      `seen ann - ${Date.UTC(2014, 4, 13)}`,
      `seen ann - ${Date.UTC(2014, 4, 5)}`,
      'time "04/05/2014" is ambiguous: it fits several of the formats',
    ]);
  });
});

test.each([
  ['epoch-s', '1534108637.153125', Date.UTC(2018, 7, 12, 21, 17, 17, 153)],
  ['epoch-us', '1534108637153125', Date.UTC(2018, 7, 12, 21, 17, 17, 153)],
  ['epoch-ns', '1534108637153125999', Date.UTC(2018, 7, 12, 21, 17, 17, 153)],
  ['iso', '2016-04-27T16:28:50.3963933-04:00', Date.UTC(2016, 3, 27, 20, 28, 50, 396)],
  ['iso-local', '2026-07-01 09:05:30.5', Date.UTC(2026, 6, 1, 8, 5, 30, 500)],
  [
    'YYYY-MM-DDTHH:mm:ss.SSSZ',
    '2026-07-01T09:05:30.250+02:00',
    Date.UTC(2026, 6, 1, 7, 5, 30, 250),
  ],
  ['D MMM YYYY h:mm A', '1 Jul 2026 12:05 am', Date.UTC(2026, 5, 30, 23, 5)],
  ['D MMM YYYY h:mm A', '1 Jul 2026 12:05 PM', Date.UTC(2026, 6, 1, 11, 5)],
  ['D MMM YYYY h:mm A', '1 Jul 2026 13:05 PM', 'names no real day and time'],
  ["YYYY-MM-DD 'um' HH", '2026-07-01 um 09', Date.UTC(2026, 6, 1, 8)],
  ['hours', '1.5', Date.UTC(2026, 0, 1, 1, 30)],
  ['hours', '2.3', Date.UTC(2026, 0, 1, 2, 18)],
  ['hours', '0.3333333333333333', Date.UTC(2026, 0, 1, 0, 20)],
  ['days', '0.7', Date.UTC(2026, 0, 1, 16, 48)],
  ['minutes', '0.1', Date.UTC(2026, 0, 1, 0, 0, 6)],
  ['seconds', '1.001', Date.UTC(2026, 0, 1, 0, 0, 1, 1)],
  ['seconds', '-1', 'does not fit seconds'],
])('%s reads %s', (format, text, expected) => {
  expect(instantReader(format, 'Europe/London', '2026-01-01T00:00:00Z')(text)).toBe(expected);
});

test.each([
  ['hours', "need 'since'"],
  ['YYYY-MM-DD h:mm', 'h and A come together'],
])('the format %s alone is refused', (format, problem) => {
  expect(() => instantReader(format)).toThrow(problem);
});

test.each([
  ['separator', { separator: 'comma' }],
  ['subject', { subject: [] }],
  ['subject', { subject: { value: null } }],
  ['subjectForm', { subjectForm: 'phone' }],
  ['unpack', { unpack: 'to' }],
  ['unpack.0.1', { unpack: [['a', 7]] }],
  ['root.0', { root: [''] }],
  ['received.maxSkewMs', { received: { field: 'a', format: 'iso', maxSkewMs: -1 } }],
  ['received.format', { received: { field: 'a', format: 'x' } }],
  ['class.rules.0.when', { class: { rules: [{ value: 'a' }] } }],
  ['class.rules.0.value', { class: { rules: [{ when: { a: 'b' } }] } }],
  ['class.rules.0.when.a', { class: { rules: [{ when: { a: 7 }, value: 'a' }] } }],
  ['evidence.colour', { evidence: { colour: 'x' } }],
  ['evidence.ip', { evidence: { ip: 7 } }],
  ['time.format', { time: { field: 'at', format: [] } }],
  ['(all)', undefined],
  ['formt', { formt: 'csv' }],
  ['format', { format: 'xml' }],
  ['separator', { format: 'csv', separator: '"' }],
  ['columns', { columns: ['a'] }],
  ['columns.2', { format: 'csv', columns: ['a', 'b', 'a'] }],
  ['root', { format: 'csv', root: ['a'] }],
  ['unpack.0', { unpack: [[]] }],
  ['name', { name: 7 }],
  ['order', { order: 'TIME' }],
  ['subject.value', { subject: { value: 'a', or: 'b' } }, 'subject.or'],
  ['subject.1', { subject: ['a', 7] }],
  ['item.join', { item: { join: ['a'] } }],
  ['item.with', { item: { join: ['a', 'b'], with: 7 } }],
  ['item.path', { item: { field: 'a', path: '' } }],
  ['item.content', { item: { content: 'yes' } }],
  ['id', { id: [] }],
  ['id', { id: 'a' }],
  ['id.0', { id: [{}] }],
  ['time', { time: 'at' }],
  ['time.feld', { time: { field: 'at', format: 'iso', feld: 'x' } }],
  ['time.zone', { time: { field: 'at', format: 'iso-local', zone: 'Mars/Base' } }],
  ['time.since', { time: { field: 'at', format: 'hours', since: 'yesterday' } }],
  ['time.from', { time: { field: 'at', format: 'epoch-s', from: 2000 } }],
  ['time.1.field', { time: [{ field: 'at', format: 'iso' }, { format: 'iso' }] }],
  ['time.format.1', { time: { field: 'at', format: ['iso', 7] } }],
  ['until.format', { until: { field: 'a', format: 'someday' } }],
  ['class', { class: {} }],
  ['class', { class: { value: 'a', field: 'b' } }],
  ['class.map', { class: { field: 'a', map: {} } }],
  ['class.map.b', { class: { field: 'a', map: { b: 7 } } }],
  ['class.rules', { class: { rules: [] } }],
  ['class.rules.0.if', { class: { rules: [{ when: { a: 'b' }, if: 'a', value: 'a' }] } }],
  ['class.rules.0.when', { class: { rules: [{ when: {}, value: 'a' }] } }],
  [
    'class.rules.0.when.a.pattern',
    { class: { rules: [{ when: { a: { pattern: '(' } }, value: 'a' }] } },
  ],
  [
    'class.rules.0.when.a.pattern',
    { class: { rules: [{ when: { a: { pattern: '(?=a)' } }, value: 'a' }] } },
  ],
  [
    'class.rules.0.when.a',
    { class: { rules: [{ when: { a: { ignoreCase: true } }, value: 'a' }] } },
  ],
  ['class.rules.0.value', { class: { rules: [{ when: { a: 'b' }, value: ['x', 'x'] }] } }],
  ['skip', { skip: { field: 'a', empty: true } }],
  ['skip.0', { skip: [{ field: 'a' }] }],
  ['skip.0.startswith', { skip: [{ field: 'a', startswith: 'b' }] }],
  ['skip.0.empty', { skip: [{ field: 'a', empty: 'yes' }] }],
  ['traits.plan', { traits: { plan: null } }],
  ['numbers.n.field', { numbers: { n: 'a' } }, 'numbers.n'],
  ['numbers.n.decimals', { numbers: { n: { field: 'a', decimals: 2.5 } } }],
  ['numbers.n.decimal', { numbers: { n: { field: 'a', decimal: ';' } } }],
  ['numbers.n.thousands', { numbers: { n: { field: 'a', thousands: '.' } } }],
  ['numbers.n.classes.0', { numbers: { n: { field: 'a', classes: [7] } } }],
  ['configuration', { configuration: [] }],
] as [string, object | undefined, string?][])(
  'a mapping with a mistake names %s',
  (name, more, field = name) => {
    expect(() => (more === undefined ? checkMapping([], 'mine') : mappingOf(more))).toThrow(
      expect.objectContaining({
        code: 'MAPPING_INVALID',
        context: expect.objectContaining({ mapping: 'mine', field }),
      }),
    );
  },
);

describe('a shipped mapping', () => {
  const at = 1_700_000_000;
  const iso = '2023-11-14T22:13:20.5Z';
  const ms = at * 1_000;
  const ses = {
    messageId: 'm',
    destination: ['ann@shop.example', 'bob@shop.example'],
    timestamp: iso,
  };

  test.each([
    [
      'sendgrid',
      [
        [
          { event: 'processed', email: 'Ann@Shop.example', timestamp: at, sg_message_id: 'm' },
          { event: 'bounce', type: 'blocked', email: 'ann@shop.example', timestamp: at },
          { event: 'bounce', type: 'bounce', email: 'ann@shop.example', timestamp: at },
        ],
      ],
      [
        `email_sent ann@shop.example m ${ms}`,
        `email_soft_bounce ann@shop.example - ${ms}`,
        `email_bounce ann@shop.example - ${ms}`,
      ],
    ],
    [
      'mailgun',
      [
        {
          signature: {},
          'event-data': {
            event: 'failed',
            severity: 'permanent',
            recipient: 'ann@shop.example',
            timestamp: at + 0.25,
            message: { headers: { 'message-id': 'm' } },
          },
        },
      ],
      [`email_bounce ann@shop.example m ${ms + 250}`],
    ],
    [
      'postmark',
      [
        { RecordType: 'Open', Recipient: 'ann@shop.example', ReceivedAt: iso, MessageID: 'm' },
        {
          RecordType: 'SubscriptionChange',
          Recipient: 'ann@shop.example',
          ChangedAt: iso,
          SuppressSending: false,
        },
      ],
      [
        `email_open ann@shop.example m ${ms + 500}`,
        `email_subscribe ann@shop.example - ${ms + 500}`,
        `address_change ann@shop.example - ${ms + 500}`,
      ],
    ],
    [
      'sparkpost',
      [
        [
          { msys: {} },
          {
            msys: {
              track_event: {
                type: 'click',
                rcpt_to: 'ann@shop.example',
                timestamp: `${at}`,
                message_id: 'm',
              },
            },
          },
        ],
      ],
      [
        'skip: type is not there, event_id is not there, rcpt_to is not there, timestamp is not there, relay_message is not there',
        `email_click ann@shop.example m ${ms}`,
      ],
    ],
    [
      'amazon-ses',
      [
        { eventType: 'Send', send: {}, mail: ses },
        {
          Type: 'Notification',
          Message: JSON.stringify({
            notificationType: 'Bounce',
            bounce: {
              bounceType: 'Permanent',
              bouncedRecipients: [{ emailAddress: 'bob@shop.example' }],
              timestamp: iso,
            },
            mail: ses,
          }),
        },
      ],
      [
        `email_sent ann@shop.example m ${ms + 500}`,
        `email_sent bob@shop.example m ${ms + 500}`,
        `email_bounce bob@shop.example m ${ms + 500}`,
      ],
    ],
    [
      'segment-spec',
      [
        {
          type: 'track',
          event: 'Order Completed',
          userId: 'ann',
          timestamp: iso,
          properties: { order_id: 'o', total: 9.5 },
        },
        { type: 'group', userId: 'ann', timestamp: iso },
      ],
      [`purchase ann o ${ms + 500}`, 'skip: type equals group'],
    ],
  ])('%s', async (name, payloads, expected) => {
    const mapping = await readMapping(name);
    expect(await told(mapping, 'x.json', JSON.stringify(payloads))).toEqual(expected);
    const lines = (payloads as object[]).map((one) => JSON.stringify(one)).join('\n');
    expect(await told(mapping, 'x.jsonl', lines)).toEqual(expected);
  });

  test.each(['wikipedia-edits', 'starbucks-offers'])(
    '%s brings a configuration along',
    async (name) => {
      const { configuration } = await readMapping(name);
      expect(
        Object.keys(checkPersonalisation(configuration as object).engagement.classes).length,
      ).toBeGreaterThan(1);
    },
  );
});
