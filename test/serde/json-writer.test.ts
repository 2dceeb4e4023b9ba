/** JSON as it is written, held against JSON.stringify over random values. */
import { isDeepStrictEqual } from 'node:util';
import { json } from 'millrace';
import { afterEach, expect, test, vi } from 'vitest';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import { written } from '../../engine/base/scratch.ts';
import { encodeTo } from '../../engine/serde/serde.ts';
import { withoutCode } from './no-code.ts';

const names = ['a', 'value', 'é', 'quo"te', '7', 'toString', '__proto__', 'x\u2028'];
class Point {
  readonly x = 1;
}
const scalars = [
  ...['', 'plain', 'é', 'a"b', 'back\\slash', '\n\u0000\u001f', '\u007f', '\ud83d\ude00', '\ud83d'],
  ...['x'.repeat(5_000), '"'.repeat(900), '\u2028'],
  ...[
    0,
    -0,
    1,
    -1,
    10,
    99,
    100,
    0.5,
    -3.25,
    2 ** 31,
    -(2 ** 31) - 1,
    2 ** 53,
    2 ** 53 - 1,
    1 - 2 ** 53,
  ],
  ...[1e21, -1.2345678901234567e-100, 5e-324, 1.7976931348623157e308, Number.NaN, -Infinity],
  ...[true, false, null],
];
const others = [
  ...[undefined, () => 1, Symbol('s'), new Date(0), new Point(), [1, 'a'], {}, { b: { c: 1 } }],
  ...[
    { toJSON: () => 'told' },
    { toJSON: 'no function' },
    Object.create(null),
    new String('boxed'),
  ],
];

function drawn<T>(random: SeededRandom, from: readonly T[]): T {
  return from[randomBelow(random, from.length)] as T;
}

/** Objects of a few layouts, over and over; some with values that are not flat. */
function* values(random: SeededRandom): Generator<unknown> {
  const layouts = Array.from({ length: 1 + randomBelow(random, 4) }, () =>
    names.filter(() => randomBelow(random, 3) > 0).sort(() => randomBelow(random, 3) - 1),
  );
  for (let i = 0; i < 40; i++) {
    const value: Record<string, unknown> = {};
    for (const name of drawn(random, layouts)) {
      const own = randomBelow(random, 30) === 0 ? drawn(random, others) : drawn(random, scalars);
      Object.defineProperty(value, name, { value: own, enumerable: true });
    }
    yield randomBelow(random, 40) === 0 ? drawn(random, [...others, ...scalars]) : value;
  }
}

/** Undefined fields count as missing, objects without a prototype as plain ones. */
function withoutUndefined(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value;
  const prototype = Object.getPrototypeOf(value);
  if (prototype !== Object.prototype && prototype !== null) return value;
  const bare = Object.defineProperties({}, {}) as object;
  for (const [name, of] of Object.entries(value)) {
    if (of === undefined) continue;
    const own = { value: withoutUndefined(of), enumerable: true, writable: true };
    Object.defineProperty(bare, name, { ...own, configurable: true });
  }
  return bare;
}

function comesBack(value: unknown, text: string | undefined): boolean {
  if (text === undefined) return false;
  const zeroes = (one: unknown): unknown => {
    if (Object.is(one, -0)) return 0;
    if (typeof one !== 'object' || one === null || Array.isArray(one)) return one;
    const prototype = Object.getPrototypeOf(one);
    if (prototype !== Object.prototype) return one;
    for (const [name, of] of Object.entries(one)) {
      const own = { value: zeroes(of), enumerable: true, writable: true, configurable: true };
      Object.defineProperty(one, name, own);
    }
    return one;
  };
  return isDeepStrictEqual(zeroes(withoutUndefined(value)), JSON.parse(text));
}

test('byte for byte what JSON.stringify writes; what does not come back is refused', () => {
  for (let seed = 1; seed <= 300; seed++) {
    const serde = json();
    for (const value of values(new SeededRandom(seed))) {
      const text = JSON.stringify(value);
      if (!comesBack(value, text)) {
        expect(() => serde.encode(value)).toThrow(/^json: .* come back as it is/s);
        continue;
      }
      const bytes = Buffer.from(serde.encode(value));
      const written = bytes.toString();
      if (written === text) continue;
      // A -0, of which JSON.stringify makes 0, is kept.
      expect(written.replace(/(?<=[:[]|^)-0(?=[,}\]]|$)/g, '0')).toBe(text);
      const kept = serde.decode(bytes, 0, bytes.byteLength);
      expect({ seed, same: isDeepStrictEqual(kept, withoutUndefined(value)) }).toEqual({
        seed,
        same: true,
      });
    }
  }
});

test('after one object of a layout, JSON.stringify is not asked any more; but of one that is not flat', () => {
  const serde = json<object>();
  serde.encode({ a: 1, b: 'x', c: true });
  const stringify = vi.spyOn(JSON, 'stringify');
  expect(Buffer.from(serde.encode({ a: -2, b: 'yz', c: null })).toString()).toBe(
    '{"a":-2,"b":"yz","c":null}',
  );
  expect(stringify).not.toHaveBeenCalled();
  for (const other of [
    { a: [1], b: '', c: 0 },
    { a: 1, b: '' },
    { b: '', a: 1, c: 0 },
  ]) {
    stringify.mockClear();
    const bytes = Buffer.from(serde.encode(other));
    expect(stringify).toHaveBeenCalledWith(other);
    expect(bytes.toString()).toBe(JSON.stringify(other));
  }
});

test('what is inherited is not written, and no name of a field is taken for code', () => {
  const serde = json<object>();
  const name = '"]; throw new Error("run"); //';
  const inherited = Object.assign(Object.create({ [name]: 1 }) as object, { a: 1 });
  for (const value of [{ [name]: 1 }, { [name]: 2 }]) {
    expect(Buffer.from(serde.encode(value)).toString()).toBe(JSON.stringify(value));
  }
  expect(() => serde.encode(inherited)).toThrow('a prototype of its own');
});

test('a text that is longer than the buffer was is whole, after what is there already', () => {
  const serde = json<object>();
  const values = Array.from({ length: 20 }, (_, i) => ({ i, text: '"é'.repeat(2 ** i) }));
  const bytes = written((to) => {
    for (const value of values) {
      to.text('|');
      encodeTo(serde, value, to);
      // Another scratch.
      to.append(serde.encode(value));
    }
  });
  const texts = values.map((value) => `|${JSON.stringify(value)}${JSON.stringify(value)}`);
  expect(bytes.toString() === texts.join('')).toBe(true);
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});

test('where code must not be made at run time, it is written all the same', () => {
  const asked = withoutCode();
  const serde = json<object>();
  for (const a of [1, 2, 3]) expect(Buffer.from(serde.encode({ a })).toString()).toBe(`{"a":${a}}`);
  expect(asked()).toBe(1);
});
