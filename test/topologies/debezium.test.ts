/** Change events of Debezium as rows of a mapping. */

import { expect, test } from 'vitest';
import { checkMapping } from '../../topologies/ingest/check-mapping.ts';
import { eventMap } from '../../topologies/ingest/event-map.ts';
import { unpacker } from '../../topologies/ingest/unpack.ts';

const rows = unpacker({ envelope: 'debezium' });
const source = {
  version: '3.0.0.Final',
  connector: 'postgresql',
  db: 'shop',
  schema: 'public',
  table: 'orders',
  ts_ms: 1_767_225_600_005,
  lsn: 24_023_128,
};
const told = {
  __db: 'shop',
  __schema: 'public',
  __table: 'orders',
  __source_ts_ms: 1_767_225_600_005,
  __lsn: 24_023_128,
  __ts_ms: 9,
};
const change = (op: string, before: unknown, after: unknown) => ({
  op,
  before,
  after,
  source,
  ts_ms: 9,
  transaction: null,
});

test.each([
  ['r', null, { id: 1 }, { id: 1 }],
  ['c', null, { id: 1 }, { id: 1 }],
  ['u', { id: 1, a: 1 }, { id: 1, a: 2 }, { id: 1, a: 2, __before: { id: 1, a: 1 } }],
  ['d', { id: 1 }, null, { id: 1, __before: { id: 1 } }],
])('op %s', (op, before, after, row) => {
  const expected = [{ ...row, ...told, __op: op, __deleted: op === 'd' }];
  expect(rows(change(op, before, after))).toEqual(expected);
  // With the schema around it, as the JSON converter writes it unless it is told not to.
  expect(rows({ schema: { type: 'struct' }, payload: change(op, before, after) })).toEqual(
    expected,
  );
});

test('a tombstone is no row, a truncation has none of its own, and a plain row stays', () => {
  expect(rows(null)).toEqual([]);
  expect(rows({ schema: null, payload: null })).toEqual([]);
  expect(rows({ op: 't', source, ts_ms: 9 })).toEqual([{ ...told, __op: 't', __deleted: false }]);
  expect(rows({ id: 1, op: 'sale' })).toEqual([{ id: 1, op: 'sale' }]);
  expect(rows([change('c', null, { id: 1 }), null])).toHaveLength(1);
});

test('values are read as the schema says, and keep their digits', () => {
  const field = (field: string, name: string, parameters = {}) => ({ field, name, parameters });
  const fields = [
    field('day', 'io.debezium.time.Date'),
    field('ms', 'io.debezium.time.Timestamp'),
    field('us', 'io.debezium.time.MicroTimestamp'),
    field('ns', 'io.debezium.time.NanoTimestamp'),
    field('before', 'io.debezium.time.MicroTimestamp'),
    field('price', 'org.apache.kafka.connect.data.Decimal', { scale: '2' }),
    field('less', 'org.apache.kafka.connect.data.Decimal', { scale: '3' }),
    field('none', 'io.debezium.time.Date'),
  ];
  const after = {
    day: 20_454,
    ms: 1_767_225_600_123,
    us: 1_767_225_600_123_456,
    ns: '1767225600123456789',
    before: -1,
    price: 'MDk=',
    less: '/w==',
    none: null,
  };
  const payload = change('c', null, after);
  const [row] = rows({ schema: { fields: [{ field: 'after', fields }] }, payload });
  expect(row).toMatchObject({
    day: '2026-01-01',
    ms: '2026-01-01T00:00:00.123Z',
    us: '2026-01-01T00:00:00.123456Z',
    ns: '2026-01-01T00:00:00.123456789Z',
    before: '1969-12-31T23:59:59.999999Z',
    price: '123.45',
    less: '-0.001',
    none: null,
  });
});

test('a mapping decides what a deleted row means', () => {
  const mapping = checkMapping(
    {
      format: 'jsonl',
      envelope: 'debezium',
      subject: 'email',
      time: { field: '__source_ts_ms', format: 'epoch-ms' },
      id: ['__table', 'id', '__lsn'],
      class: { field: '__op', map: { c: 'purchase', r: 'purchase', d: 'refund', u: null } },
    },
    'orders',
  );
  const map = eventMap(mapping);
  const become = (op: string, before: unknown, after: unknown) =>
    unpacker(mapping)(change(op, before, after)).map((row) => map(row as never, 'x'));
  const ann = { id: 7, email: 'ann' };
  const record = { key: 'ann', timestamp: 1_767_225_600_005 };
  expect(become('c', null, ann)).toMatchObject([{ ...record, value: { class: 'purchase' } }]);
  expect(become('d', ann, null)).toMatchObject([{ ...record, value: { class: 'refund' } }]);
  expect(become('u', ann, ann)).toMatchObject([{ skip: expect.any(String) }]);
  const wrong = { ...mapping, envelope: 'maxwell' };
  expect(() => checkMapping(wrong, 'orders')).toThrow(/envelope: must be one of debezium/);
});
