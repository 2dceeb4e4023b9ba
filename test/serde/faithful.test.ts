/** Values of serdes that others wrote: which ones are decoded again and compared. */
import { expect, test } from 'vitest';
import { comparedAll, faithful } from '../../engine/serde/faithful.ts';
import { int64 } from '../../engine/serde/int64.ts';
import type { Serde } from '../../engine/serde/serde.ts';

/** Loses numbers above 255. */
const byte: Serde<number> = {
  format: 'byte',
  encode: (value) => Buffer.of(value % 256),
  decode: (bytes, start) => bytes[start] as number,
};

test('each of the first values is compared', () => {
  for (const at of [0, 1, comparedAll - 1]) {
    const serde = faithful(byte);
    for (let i = 0; i < at; i++) serde.encode(i % 256);
    expect(() => serde.encode(256), `value ${at}`).toThrow('does not come back as it is');
  }
});

test('then one in sixteen, and all once one was refused', () => {
  const serde = faithful(byte);
  for (let i = 0; i < comparedAll; i++) serde.encode(1);
  const refused = Array.from({ length: 64 }, () => {
    try {
      serde.encode(300);
      return 0;
    } catch {
      return 1;
    }
  });
  const first = refused.indexOf(1);
  expect(first).toBeLessThan(16);
  expect(refused.slice(first)).toEqual(refused.slice(first).fill(1));
});

test('int64 writes no -0, which would come back as 0', () => {
  expect(() => int64.encode(-0)).toThrow('-0 has no bytes of its own');
  expect(int64.decode(Buffer.from(int64.encode(0)), 0, 8)).toBe(0);
});
