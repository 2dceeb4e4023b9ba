/**
 * Windowed keys against the format of Kafka Streams: the key's bytes, then times as signed 64-bit
 * integers, big-endian.
 */
import { type Serde, sessionWindowed, timeWindowed, utf8 } from 'millrace';
import { expect, test } from 'vitest';
import { partitionOf } from '../../engine/record/partitioner.ts';

const times = [0, 1, 255, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 1_700_000_000_123, -1, -(2 ** 32), -5e12];

function long(time: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64BE(BigInt(time));
  return bytes;
}

/** Knows nothing of short cuts. */
const own: Serde<string> = {
  format: 'own',
  encode: (value) => Buffer.from(value, 'latin1'),
  decode: (bytes, start, end) => bytes.toString('latin1', start, end),
};

test.each([
  ['utf8', utf8],
  ['a serde of its own', own],
])('the key is %s', (_, key) => {
  const timed = timeWindowed(key, 60_000);
  const session = sessionWindowed(key);
  for (const base of ['', 'user-7', 'Zoë', 'x'.repeat(300)]) {
    for (const start of times) {
      const end = start + 60_000;
      const window = { key: base, start, end };
      const bytes = Buffer.from(key.encode(base));
      const encoded = Buffer.from(timed.encode(window));
      expect(encoded).toEqual(Buffer.concat([bytes, long(start)]));
      expect(timed.decode(encoded, 0, encoded.byteLength)).toEqual(window);
      const of = Buffer.from(session.encode(window));
      expect(of).toEqual(Buffer.concat([bytes, long(end), long(start)]));
      expect(session.decode(of, 0, of.byteLength)).toEqual(window);
      for (const [whole, serde] of [
        [encoded, timed],
        [of, session],
      ] as const) {
        const deciding = serde.partitionLength?.(whole.byteLength);
        expect(partitionOf(whole, 7, deciding)).toBe(partitionOf(bytes, 7));
      }
    }
  }
});
