/**
 * Fields of MessagePack read from the bytes, held against msgpackr over random values, whole and
 * damaged.
 */
import { isDeepStrictEqual } from 'node:util';
import { msgpack } from 'millrace';
import { Packr } from 'msgpackr';
import { afterEach, expect, test, vi } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { withoutCode } from './no-code.ts';

const names = ['a', 'value', 'é', 'nested', 'x'.repeat(40), '7'];
const packr = new Packr({ useRecords: false, encodeUndefinedAsNil: false });
const scalars = [
  ...['', 'plain', 'é', 'x'.repeat(31), 'y'.repeat(32), 'z'.repeat(300), 'z'.repeat(70_000)],
  ...[0, 1, 127, 128, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 53 - 1, 2 ** 53],
  ...[-0, -1, -32, -33, -128, -129, -32_768, -32_769, -(2 ** 31), -(2 ** 31) - 1, 0.5, -1e300],
  ...[Number.NaN, Infinity, true, false, null, undefined, 12n, 2n ** 63n],
  ...[
    Buffer.from('bytes'),
    Buffer.alloc(300, 1),
    Buffer.alloc(70_000, 2),
    new Date(1e12),
    new Date(0.5),
  ],
];

function drawn(random: SeededRandom, depth = 0): unknown {
  const kind = randomBelow(random, depth > 2 ? 8 : 10);
  if (kind < 8) return scalars[randomBelow(random, scalars.length)];
  const size = randomBelow(random, 30) === 0 ? 20 : randomBelow(random, 4);
  const parts = Array.from({ length: size }, () => drawn(random, depth + 1));
  return kind === 8
    ? parts
    : Object.fromEntries(parts.map((part, i) => [names[i] ?? `n${i}`, part]));
}

/** Of a few layouts, over and over; rarely with very many fields. */
function* objects(random: SeededRandom): Generator<Record<string, unknown>> {
  const layouts = Array.from({ length: 1 + randomBelow(random, 3) }, () =>
    [...names, 'other', 'more']
      .filter(() => randomBelow(random, 3) > 0)
      .sort(() => randomBelow(random, 3) - 1),
  );
  for (let i = 0; i < 20; i++) {
    const layout = layouts[randomBelow(random, layouts.length)] as string[];
    const fields = layout.map((name) => [name, drawn(random)] as const);
    const many = Array.from(
      { length: randomBelow(random, 40) === 0 ? 2_000 : 0 },
      (_, k) => [`m${k}`, k] as const,
    );
    yield Object.fromEntries([...many, ...fields]);
  }
}

/** Amid other bytes, as in a batch. */
function read(
  serde: { decode(bytes: Buffer, start: number, end: number): unknown },
  bytes: Uint8Array,
): unknown {
  const amid = Buffer.concat([Buffer.from([0x81]), bytes, Buffer.from([0xa1, 0x61])]);
  return serde.decode(amid, 1, 1 + bytes.byteLength);
}

function picked(bytes: Uint8Array): unknown {
  const whole = packr.unpack(bytes) as Record<string, unknown>;
  return Object.fromEntries(names.filter((n) => whole[n] !== undefined).map((n) => [n, whole[n]]));
}

test('as msgpackr says, without the fields not asked for', () => {
  for (let seed = 1; seed <= 150; seed++) {
    const serde = msgpack<Record<string, unknown>>([], { only: names });
    for (const object of objects(new SeededRandom(seed))) {
      const bytes = Buffer.from(packr.pack(object));
      const [fields, wanted] = [read(serde, bytes), picked(bytes)];
      // Its own comparison of long values takes seconds.
      if (!isDeepStrictEqual(fields, wanted)) expect({ seed, fields }).toEqual({ seed, wanted });
    }
  }
});

test('every head of the format is passed over by its length', () => {
  const after = Buffer.from(packr.pack('after'));
  const serde = msgpack<Record<string, unknown>>([], { only: ['a'] });
  const filled = (head: number[], length: number) =>
    Buffer.concat([Buffer.from(head), Buffer.alloc(length)]);
  const values = [
    ...[0x00, 0x7f, 0xe0, 0xff, 0xc0, 0xc2, 0xc3, 0x80, 0x90, 0xa0].map((head) =>
      Buffer.from([head]),
    ),
    ...[filled([0xc4, 3], 3), filled([0xc5, 1, 0], 256), filled([0xc6, 0, 1, 0, 0], 65_536)],
    ...[filled([0xc7, 3], 4), filled([0xc8, 1, 0], 257), filled([0xc9, 0, 1, 0, 0], 65_537)],
    ...[filled([0xca], 4), filled([0xcb], 8), ...[1, 2, 4, 8].map((n, i) => filled([0xcc + i], n))],
    ...[1, 2, 4, 8].map((n, i) => filled([0xd0 + i], n)),
    ...[1, 2, 4, 8, 16].map((n, i) => filled([0xd4 + i], n + 1)),
    ...[filled([0xd9, 3], 3), filled([0xda, 1, 0], 256), filled([0xdb, 0, 1, 0, 0], 65_536)],
    ...[filled([0x93], 3), filled([0xdc, 1, 0], 256), filled([0xdd, 0, 1, 0, 0], 65_536)],
    ...[filled([0x83], 6), filled([0xde, 1, 0], 512), filled([0xdf, 0, 1, 0, 0], 131_072)],
    Buffer.from([0x92, 0x81, 0xa1, 0x62, 0x91, 0x01, 0xc3]),
  ];
  for (const value of values) {
    const bytes = Buffer.concat([
      Buffer.from([0x82, 0xa1, 0x62]),
      value,
      Buffer.from([0xa1, 0x61]),
      after,
    ]);
    expect([value[0], read(serde, bytes)]).toEqual([value[0], { a: 'after' }]);
  }
});

test('bytes that end too early or too late are refused', () => {
  for (let seed = 1; seed <= 40; seed++) {
    const random = new SeededRandom(seed);
    const serde = msgpack<Record<string, unknown>>([], { only: names });
    for (const object of objects(random)) {
      const bytes = Buffer.from(packr.pack(object));
      read(serde, bytes);
      const cut = bytes.subarray(0, randomBelow(random, bytes.byteLength));
      expect(() => read(serde, cut), `seed ${seed}`).toThrow();
      expect(() => read(serde, Buffer.concat([bytes, Buffer.of(0)])), `seed ${seed}`).toThrow(
        RangeError,
      );
    }
  }
});

test('declared structures are read as well; what is no object is refused', () => {
  const serde = msgpack<{ a: number; b: string }>([['a', 'b']], { only: ['b'] });
  const bytes = Buffer.from(serde.encode({ a: 1, b: 'x' }));
  expect(bytes[0]).toBeLessThan(0x80);
  expect(read(serde, bytes)).toEqual({ b: 'x' });
  for (const other of ['text', 7, null, [1]]) {
    expect(() => read(serde, Buffer.from(packr.pack(other)))).toThrow('no object');
  }
  expect(() => msgpack<Record<string, unknown>>([], { only: ['__proto__'] })).toThrow(TypeError);
});

afterEach(() => void vi.unstubAllGlobals());

test('where code must not be made at run time, layouts that come again are read all the same', () => {
  const asked = withoutCode();
  const serde = msgpack<Record<string, unknown>>([], { only: names });
  for (const object of objects(new SeededRandom(1))) {
    const bytes = Buffer.from(packr.pack(object));
    expect(read(serde, bytes)).toEqual(picked(bytes));
  }
  expect(asked()).toBe(1);
});
