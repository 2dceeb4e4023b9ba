/**
 * Topics with schemas: Avro, JSON Schema and Protobuf; what breaks readers is told; wrong bytes are
 * bounded.
 */
import { Ajv2020 } from 'ajv/dist/2020.js';
import avsc from 'avsc';
import { topic, topology } from 'millrace';
import {
  avro,
  type CompatibilityLevel,
  incompatibilities,
  jsonOfSchema,
  protobuf,
  type SchemaType,
} from 'millrace/schemas';
import { testDriver } from 'millrace/testing';
import { describe, expect, test } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { decodeAll } from '../../engine/serde/serde.ts';

interface Order {
  readonly id: string;
  readonly cents: number;
  readonly note?: string | null;
}

const order = {
  type: 'record',
  name: 'Order',
  fields: [
    { name: 'id', type: 'string' },
    { name: 'cents', type: 'long' },
    { name: 'note', type: ['null', 'string'], default: null },
  ],
};
const jsonOrder = {
  type: 'object',
  properties: { id: { type: 'string' }, cents: { type: 'integer', minimum: 0 } },
  required: ['id', 'cents'],
  additionalProperties: false,
};
const protoOrder = 'syntax = "proto3"; message Order { string id = 1; int32 cents = 2; }';

describe('values', () => {
  const serdes = {
    avro: avro<Order>({ schema: order }),
    'json schema': jsonOfSchema<Order>({ schema: jsonOrder }),
    protobuf: protobuf<Order>({ schema: protoOrder }),
  };
  const values: Record<string, Order[]> = {
    avro: [
      { id: 'a', cents: 5, note: null },
      { id: 'ü', cents: -(2 ** 52), note: 'x' },
    ],
    'json schema': [{ id: 'a', cents: 5 }],
    protobuf: [{ id: 'a', cents: 5 }],
  };

  test.each(Object.entries(serdes))(
    '%s: come back as they are, and make topics',
    async (name, serde) => {
      for (const value of values[name] ?? []) {
        expect({ ...decodeAll(serde, serde.encode(value)) }).toEqual(value);
      }
      const orders = topic<string, Order>('orders', { value: serde });
      const sums = topic<string, number>('sums');
      const driver = await testDriver(
        topology('sum', (t) => {
          t.stream(orders)
            .map(({ cents }) => cents)
            .to(sums);
        }),
      );
      await driver.pipe(orders, 'k', { id: 'a', cents: 7 }, 1);
      expect((await driver.read(sums)).map(({ value }) => value)).toEqual([7]);
      // What is none of them is a dead letter, with the reason.
      await driver.pipeBytes(orders as never, [
        { key: Buffer.from('k'), value: Buffer.from([0xff, 0xff, 0xff]), timestamp: 2 },
      ]);
      expect(await driver.deadLetters()).toHaveLength(1);
      await driver.close();
    },
  );

  test.each(Object.entries(serdes))(
    '%s: what the schema does not allow is not written',
    (_, serde) => {
      for (const wrong of [{ id: 'a' }, { id: 5, cents: 5 }, { id: 'a', cents: 1.5 }, null, 'x']) {
        if (serde.format === 'protobuf' && JSON.stringify(wrong) === '{"id":"a"}') continue;
        expect(() => serde.encode(wrong as never), JSON.stringify(wrong)).toThrow();
      }
    },
  );

  test('a package that is not installed is named', async () => {
    const { optionalPackage } = await import('../../engine/serde/schemas/optional.ts');
    expect(optionalPackage('no-such-package', 'avro')).toThrow(/npm install no-such-package/);
  });
});

describe('security', () => {
  test('S17: few bytes of Avro make no large value', () => {
    const lists = avro<unknown>({ schema: { type: 'array', items: 'int' } });
    const maps = avro<unknown>({ schema: { type: 'map', values: 'int' } });
    // Counts of 2^31 and 2^62 in a few bytes, with and without the size of the block.
    for (const bytes of [
      [0x80, 0x80, 0x80, 0x80, 0x10],
      [0x80, 0x80, 0x80, 0x80, 0x10, 0x00],
      [0xff, 0xff, 0xff, 0xff, 0x0f, 0x02, 0x00],
      [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f, 0x00],
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
      [],
    ]) {
      for (const serde of [lists, maps]) {
        expect(() => decodeAll(serde, Buffer.from(bytes))).toThrow(TypeError);
      }
    }
    const empty = { type: 'record', name: 'Nothing', fields: [] };
    const fixed = { type: 'fixed', name: 'None', size: 0 };
    for (const items of ['null', empty, fixed, ['null', 'int']]) {
      const schema = {
        type: 'record',
        name: 'R',
        fields: [{ name: 'a', type: { type: 'array', items } }],
      };
      if (Array.isArray(items)) expect(() => avro({ schema })).not.toThrow();
      else expect(() => avro({ schema })).toThrow(/take no bytes/);
    }
    const nested = {
      type: 'record',
      name: 'Node',
      fields: [{ name: 'next', type: ['null', 'Node'] }],
    };
    const deep = Buffer.concat([Buffer.alloc(100_000, 2), Buffer.from([0])]);
    expect(() => decodeAll(avro({ schema: nested }), deep)).toThrow(/deeper/);
  });

  test('S17: whatever bytes come, they are a value or a TypeError, as avsc has it', () => {
    const random = new SeededRandom(17);
    const schema = {
      type: 'record',
      name: 'All',
      fields: [
        { name: 'a', type: { type: 'array', items: ['null', 'string', 'double'] } },
        {
          name: 'm',
          type: { type: 'map', values: { type: 'enum', name: 'E', symbols: ['X', 'Y'] } },
        },
        { name: 'f', type: { type: 'fixed', name: 'F', size: 3 } },
        { name: 'b', type: 'boolean' },
        { name: 'l', type: 'long' },
      ],
    };
    const serde = avro<unknown>({ schema });
    const type = avsc.Type.forSchema(schema as never, { wrapUnions: 'auto' } as never);
    let good = 0;
    for (let i = 0; i < 3_000; i++) {
      const bytes = Buffer.from(type.toBuffer(type.random()));
      if (i % 3 === 0) bytes[randomBelow(random, bytes.byteLength)] = randomBelow(random, 256);
      if (i % 7 === 0) {
        const cut = bytes.subarray(0, randomBelow(random, bytes.byteLength));
        expect(() => decodeAll(serde, cut)).toThrow();
        continue;
      }
      if (i % 3 === 0) {
        // avsc itself is asked only of what has passed: the rest may keep it busy for minutes.
        let read: unknown;
        try {
          read = decodeAll(serde, bytes);
        } catch {
          continue;
        }
        expect(read).toEqual(type.fromBuffer(bytes));
      } else expect(decodeAll(serde, bytes)).toEqual(type.fromBuffer(bytes));
      good++;
    }
    expect(good).toBeGreaterThan(1_000);
  });

  test('S18, S19: names of the prototype change nothing, whatever the format', () => {
    const open = jsonOfSchema<object>({ schema: { type: 'object' } });
    const text = '{"__proto__":{"polluted":1},"constructor":{"prototype":{"polluted":1}}}';
    const read = decodeAll(open, Buffer.from(text)) as Record<string, unknown>;
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(Object.hasOwn(read, '__proto__')).toBe(true);
    const map = avro<Record<string, number>>({ schema: { type: 'map', values: 'int' } });
    const name = Buffer.from('__proto__');
    const bytes = Buffer.concat([Buffer.from([2, name.byteLength * 2]), name, Buffer.from([4, 0])]);
    decodeAll(map, bytes);
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    const proto = 'syntax = "proto3"; message M { map<string, string> m = 1; }';
    const maps = protobuf<{ m: object }>({ schema: proto });
    const inner = Buffer.concat([Buffer.from([10, 9]), name, Buffer.from([18, 1, 120])]);
    const message = Buffer.concat([Buffer.from([10, inner.byteLength]), inner]);
    expect(() => decodeAll(maps, message)).not.toThrow();
    expect(Object.getPrototypeOf({})).toBe(Object.prototype);
    expect(() => protobuf({ schema: 'import "/etc/passwd"; message' })).toThrow(/Protobuf schema/);
  });
});

const field = (name: string, type: unknown, more = {}) => ({ name, type, ...more });
const avroOf = (...fields: object[]) => JSON.stringify({ type: 'record', name: 'R', fields });
const jsonOf = (schema: object) => JSON.stringify(schema);
const a = field('a', 'string');
const closed = (properties: object, required: string[] = []) =>
  jsonOf({ type: 'object', properties, required, additionalProperties: false });
const protoOf = (fields: string) => `syntax = "proto3"; message M { ${fields} }`;

/** What goes on working when the first is replaced by the second. */
const changes: [string, SchemaType, string, string, boolean, boolean][] = [
  ['nothing', 'AVRO', avroOf(a), avroOf(a), true, true],
  [
    'a field with a default',
    'AVRO',
    avroOf(a),
    avroOf(a, field('b', 'int', { default: 0 })),
    true,
    true,
  ],
  ['a field without one', 'AVRO', avroOf(a), avroOf(a, field('b', 'int')), false, true],
  ['a field less', 'AVRO', avroOf(a, field('b', 'int')), avroOf(a), true, false],
  ['wider', 'AVRO', avroOf(field('a', 'int')), avroOf(field('a', 'long')), true, false],
  ['another type', 'AVRO', avroOf(a), avroOf(field('a', 'int')), false, false],
  ['one more property, closed', 'JSON', closed({ a: {} }), closed({ a: {}, b: {} }), true, false],
  ['one less, closed', 'JSON', closed({ a: {}, b: {} }), closed({ a: {} }), false, true],
  ['required now', 'JSON', closed({ a: {} }), closed({ a: {} }, ['a']), false, true],
  ['one more value', 'JSON', jsonOf({ enum: ['x'] }), jsonOf({ enum: ['x', 'y'] }), true, false],
  [
    'a bound',
    'JSON',
    jsonOf({ type: 'integer' }),
    jsonOf({ type: 'integer', minimum: 0 }),
    false,
    true,
  ],
  [
    'number to integer',
    'JSON',
    jsonOf({ type: 'number' }),
    jsonOf({ type: 'integer' }),
    false,
    true,
  ],
  [
    'one more field',
    'PROTOBUF',
    protoOf('string a = 1;'),
    protoOf('string a = 1; int32 b = 2;'),
    true,
    true,
  ],
  ['another number', 'PROTOBUF', protoOf('string a = 1;'), protoOf('string a = 2;'), true, true],
  ['another kind', 'PROTOBUF', protoOf('string a = 1;'), protoOf('int32 a = 1;'), false, false],
  ['alike on the wire', 'PROTOBUF', protoOf('int32 a = 1;'), protoOf('int64 a = 1;'), true, true],
  [
    'a list now',
    'PROTOBUF',
    protoOf('int32 a = 1;'),
    protoOf('repeated int32 a = 1;'),
    false,
    false,
  ],
];

describe('what breaks', () => {
  test.each(changes)('%s (%s)', (_, type, before, after, backward, forward) => {
    const fits = (level: 'backward' | 'forward' | 'full') =>
      incompatibilities(type, before, after, level).length === 0;
    expect([fits('backward'), fits('forward'), fits('full')]).toEqual([
      backward,
      forward,
      backward && forward,
    ]);
  });

  test('a transitive level looks at all versions, another one at the newest', () => {
    const record = (...more: object[]) =>
      JSON.stringify({
        type: 'record',
        name: 'r',
        fields: [{ name: 'id', type: 'string' }, ...more],
      });
    // Each reads what the one before wrote; the last one does not read the first.
    const note = { name: 'note', type: 'string' };
    const before = [record(), record({ ...note, default: '' })];
    const after = record(note);
    const problems = (level: CompatibilityLevel) =>
      incompatibilities('AVRO', before, after, level).map((one) => one.split(':', 2).join(':'));
    expect(problems('backward')).toEqual([]);
    expect(problems('backward-transitive')).toEqual(['version 1: backward']);
    expect(problems('forward-transitive')).toEqual([]);
    expect(problems('full')).toEqual([]);
    expect(problems('full-transitive')).toEqual(['version 1: backward']);
    // The other way round, what comes first reads none of the last.
    const first = incompatibilities('AVRO', [after, before[1] as string], record(), 'forward');
    expect(first).toEqual([]);
    const all = incompatibilities(
      'AVRO',
      [after, before[1] as string],
      record(),
      'forward-transitive',
    );
    expect(all).toEqual([expect.stringMatching(/^version 1: forward/)]);
  });

  test('JSON: what is called compatible is: no value of the one is refused by the other', () => {
    const random = new SeededRandom(11);
    const ajv = new Ajv2020({ strict: false });
    const pick = <T>(list: readonly T[]): T => list[randomBelow(random, list.length)] as T;
    const schemaOf = (depth: number): object | boolean => {
      const kind = randomBelow(random, depth > 2 ? 6 : 9);
      if (kind === 0) return pick([true, {}, { type: ['string', 'null'] }]);
      if (kind === 1) return { type: 'string', maxLength: randomBelow(random, 4) };
      if (kind === 2) return { type: 'integer', minimum: randomBelow(random, 4) };
      if (kind === 3) return { type: pick(['number', 'integer', 'boolean', 'null']) };
      if (kind === 4) return { enum: pick([['x'], ['x', 'y'], [1, null], [true]]) };
      if (kind === 5) return { const: pick(['x', 1, null]) };
      if (kind === 6)
        return { type: 'array', items: schemaOf(depth + 1), maxItems: 1 + randomBelow(random, 3) };
      if (kind === 7) return { anyOf: [schemaOf(depth + 1), schemaOf(depth + 1)] };
      const properties = Object.fromEntries(
        ['a', 'b']
          .filter(() => randomBelow(random, 3) > 0)
          .map((name) => [name, schemaOf(depth + 1)]),
      );
      return {
        type: 'object',
        properties,
        required: ['a', 'b'].filter(() => randomBelow(random, 3) === 0),
        ...pick([
          {},
          { additionalProperties: false },
          { additionalProperties: { type: 'string' } },
        ]),
      };
    };
    const drawnValue = (depth: number): unknown => {
      const kind = randomBelow(random, depth > 2 ? 6 : 8);
      if (kind < 6) return pick(['x', 'y', 'longer', '', 1, 2.5, -3, 7, null, true, false, 0]);
      if (kind === 6)
        return Array.from({ length: randomBelow(random, 4) }, () => drawnValue(depth + 1));
      const names = ['a', 'b', 'c'].filter(() => randomBelow(random, 2) === 0);
      return Object.fromEntries(names.map((name) => [name, drawnValue(depth + 1)]));
    };
    const values = Array.from({ length: 400 }, () => drawnValue(0));
    const schemas = Array.from({ length: 120 }, () => {
      const schema = schemaOf(0);
      const check = ajv.compile(schema);
      return { text: JSON.stringify(schema), allowed: values.map((value) => check(value)) };
    });
    let compatible = 0;
    for (const writer of schemas) {
      for (const reader of schemas) {
        if (incompatibilities('JSON', writer.text, reader.text, 'backward').length > 0) continue;
        compatible++;
        const broken = values.findIndex((_, i) => writer.allowed[i] && !reader.allowed[i]);
        expect([writer.text, reader.text, broken < 0 ? 'fits' : values[broken]]).toEqual([
          writer.text,
          reader.text,
          'fits',
        ]);
      }
    }
    expect(compatible).toBeGreaterThan(schemas.length);
  });
});
