/** The parts that time is made of: promises, marks in repartition topics, the guard, the clock. */
import { expect, test } from 'vitest';
import type { Clock } from '../../engine/base/clock.ts';
import { headerBytesOf, headersOf } from '../../engine/log/kafka/rdkafka/plain-headers.ts';
import { encodeHeaders } from '../../engine/record/headers.ts';
import {
  decodePromises,
  encodePromises,
  markedPlace,
  markedStand,
  standMarkLength,
  withStand,
} from '../../engine/record/marks.ts';
import { judge, type Surroundings } from '../../engine/time/guard.ts';
import { SteadyClock } from '../../engine/time/steady-clock.ts';
import {
  aside,
  isInstant,
  lastInstant,
  SourceTime,
  UpstreamTime,
  Watermark,
} from '../../engine/time/watermark.ts';

test('a watermark is the least of what the inputs promise, and never goes back', () => {
  const source = new SourceTime(5);
  const upstream = new UpstreamTime(2);
  const watermark = new Watermark([source, upstream]);
  source.take(100);
  upstream.tell(0, 80);
  expect(watermark.advance()).toBe(false);
  upstream.tell(1, 70);
  expect([watermark.advance(), watermark.now]).toEqual([true, 70]);
  upstream.tell(1, 60);
  expect([watermark.advance(), watermark.now]).toEqual([false, 70]);
  upstream.passAll(500);
  expect([watermark.advance(), watermark.now]).toEqual([true, 95]);
  source.stepAside();
  expect([watermark.advance(), watermark.now]).toEqual([true, 500]);
  source.take(200);
  expect([watermark.advance(), watermark.now]).toEqual([false, 500]);
  expect(source.stand).toBe(195);
});

test('what an input has promised survives as text', () => {
  const source = new SourceTime(5);
  source.take(1_700_000_000_000);
  source.passIdle(1_700_000_009_000);
  const same = new SourceTime(5);
  same.restore(source.text);
  expect([same.greatest, same.stand]).toEqual([1_700_000_000_000, 1_700_000_009_000]);
  const upstream = new UpstreamTime(4);
  upstream.tell(0, 1_700_000_000_000);
  upstream.tell(1, 1_700_000_000_007);
  upstream.tell(2, aside);
  const other = new UpstreamTime(4);
  other.restore(upstream.text);
  expect(other.promise).toBe(Number.NEGATIVE_INFINITY);
  other.tell(3, 1_700_000_000_003);
  expect([other.promise, other.text]).toEqual([1_700_000_000_000, expect.stringMatching(/^u/)]);
});

test('promises of very many tasks are rounded down to fit, and who stands aside stays so', () => {
  for (const tasks of [400, 1_000, 1_400]) {
    const many = new UpstreamTime(tasks);
    const promise = (i: number) => (i % 7 === 3 ? aside : 1_700_000_000_000 + i * 98_765_432);
    for (let i = 0; i < tasks; i++) many.tell(i, promise(i));
    expect(many.text.length).toBeLessThan(3_001);
    const same = new UpstreamTime(tasks);
    same.restore(many.text);
    expect(same.promise).toBe(many.promise);
    same.promises.forEach((kept, i) => {
      if (promise(i) === aside) expect(kept).toBe(aside);
      else expect(kept).toBeLessThanOrEqual(promise(i));
    });
  }
  // One that was never told of is waited for, also after a restart.
  const partly = new UpstreamTime(1_000);
  for (let i = 1; i < 1_000; i++) partly.tell(i, 1_700_000_000_000 + i * 98_765_432);
  const other = new UpstreamTime(1_000);
  other.restore(partly.text);
  expect(other.promise).toBe(Number.NEGATIVE_INFINITY);
  other.tell(0, 1_700_000_000_000);
  expect(other.promise).toBe(1_700_000_000_000);
  // Too many even so: the least stands for each.
  const many = new UpstreamTime(4_000);
  for (let i = 0; i < 4_000; i++) many.tell(i, 1_700_000_000_000 + i * 977);
  const least = new UpstreamTime(4_000);
  least.restore(many.text);
  expect(least.promise).toBe(many.promise);
});

test('a stand lies before the headers of a record, and a promise is no record', () => {
  const own = encodeHeaders({ trace: 'x' });
  for (const place of [undefined, { partition: 7, offset: 2 ** 40 }]) {
    const marked = Buffer.from(withStand(own, 1_234, place));
    const length = standMarkLength(marked, 0, marked.byteLength);
    expect(marked.subarray(length)).toEqual(own);
    expect([markedStand(marked, 0), markedPlace(marked, 0, length)]).toEqual([1_234, place]);
  }
  expect(standMarkLength(own, 0, own.byteLength)).toBe(0);
  const told = [
    { task: 3, promise: 99 },
    { task: 4, promise: aside },
  ];
  expect(decodePromises(encodePromises(told))).toEqual(told);
  expect(decodePromises(own)).toBeUndefined();
});

test('marks come back from a client that makes texts of header values', () => {
  // As node-rdkafka's producer does it: UTF-8, up to a NUL.
  const through = (headers: Uint8Array): Buffer =>
    headerBytesOf(
      headersOf(Buffer.from(headers)).map((pair) => {
        const [[name = '', value = Buffer.alloc(0)] = []] = Object.entries(pair);
        return { [name]: value.toString().split('\0')[0] ?? '' };
      }),
    );
  const own = encodeHeaders({ '~rt': 'a user’s', trace: 'x' });
  for (const place of [undefined, { partition: 7, offset: 2 ** 40 }]) {
    const marked = through(withStand(own, 1_700_000_000_123, place));
    const length = standMarkLength(marked, 0, marked.byteLength);
    expect(marked.subarray(length)).toEqual(own);
    expect(markedStand(marked, 0)).toBe(1_700_000_000_123);
    expect(markedPlace(marked, 0, length)).toEqual(place);
  }
  const told = [
    { task: 200, promise: 1_700_000_000_123 },
    { task: 4, promise: aside },
    { task: 5, promise: Number.NaN },
  ];
  expect(decodePromises(through(encodePromises(told)))).toEqual(told);
});

test('times are whole milliseconds that a date can express', () => {
  for (const time of [0, 1, lastInstant]) expect(isInstant(time)).toBe(true);
  for (const time of [-1, 0.5, lastInstant + 1, Number.NaN, Number.POSITIVE_INFINITY, '5', null]) {
    expect(isInstant(time)).toBe(false);
  }
});

const day = 86_400_000;
const settings = { maxAheadMs: day, maxJumpMs: 10 * day };
function around(given: Partial<Surroundings> & { readonly following?: readonly number[] }) {
  const { following = [], ...rest } = given;
  const next = (n: number) => following[n - 1];
  return { greatest: 0, wall: undefined, more: false, final: false, next, ...rest };
}

test.each<[string, number, ReturnType<typeof around>, string]>([
  ['within the jump', 5 * day, around({}), 'take'],
  ['a lone row at the end', 90 * day, around({}), 'wait'],
  ['a lone row at the end of all', 90 * day, around({ final: true }), 'refuse'],
  ['a lone row amid others', 90 * day, around({ following: [day, 2 * day] }), 'refuse'],
  ['a gap that is confirmed', 90 * day, around({ following: [91 * day] }), 'take'],
  ['a gap, then a straggler', 90 * day, around({ following: [day, 91 * day] }), 'take'],
  ['more may follow', 90 * day, around({ following: [day], more: true }), 'more'],
  [
    'two first rows that do not agree',
    0,
    around({ greatest: Number.NEGATIVE_INFINITY, following: [900 * day] }),
    'take',
  ],
  ['the first row of all', 90 * day, around({ greatest: Number.NEGATIVE_INFINITY }), 'take'],
  [
    'a wrong first row',
    9_000 * day,
    around({ greatest: Number.NEGATIVE_INFINITY, following: [day, 2 * day] }),
    'refuse',
  ],
  ['ahead of the wall clock', 102 * day, around({ wall: 100 * day }), 'refuse'],
  [
    'ahead, and confirmed',
    102 * day,
    around({ wall: 100 * day, following: [102 * day] }),
    'refuse',
  ],
  ['now, after a long silence', 100 * day, around({ wall: 100 * day }), 'take'],
])('the guard: %s', (_, timestamp, surroundings, verdict) => {
  expect(judge(settings, timestamp, surroundings)).toBe(verdict);
});

test('a wall clock that jumps ahead for a moment is not believed; one that stays ahead is', () => {
  let [wall, monotonic] = [1_000_000, 0];
  const clock: Clock = { now: () => wall, monotonic: () => monotonic };
  const steady = new SteadyClock(clock);
  const pass = (ms: number) => {
    wall += ms;
    monotonic += ms;
    return steady.now();
  };
  expect(pass(500)).toBe(1_000_500);
  wall += 3_600_000;
  expect(pass(1_500)).toBe(1_002_000);
  wall -= 3_600_000;
  expect(pass(500)).toBe(1_002_500);
  wall -= 5_000;
  expect(pass(1_000)).toBe(1_002_500);
  wall += 3_600_000;
  expect(pass(1_000)).toBeLessThan(1_010_000);
  expect(pass(61_000)).toBeGreaterThan(4_000_000);
});
