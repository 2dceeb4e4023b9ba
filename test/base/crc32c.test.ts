/** The checksum without its binary, as with `npm install --omit=optional`. */
import { expect, test } from 'vitest';
import { crc32c, crc32cOfScript } from '../../engine/base/crc32c.ts';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';

test('known values of CRC-32C', () => {
  // RFC 3720, B.4.
  expect(crc32cOfScript(Buffer.alloc(32))).toBe(0x8a9136aa);
  expect(crc32cOfScript(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
  expect(crc32cOfScript(Buffer.from('123456789'))).toBe(0xe3069283);
});

test('in JavaScript as in the binary, whole and in pieces', () => {
  const random = new SeededRandom(4);
  for (let length = 0; length < 300; length++) {
    const bytes = Buffer.from(Array.from({ length }, () => randomBelow(random, 256)));
    const cut = randomBelow(random, length + 1);
    const [left, right] = [bytes.subarray(0, cut), bytes.subarray(cut)];
    expect(crc32cOfScript(bytes)).toBe(crc32c(bytes));
    expect(crc32cOfScript(right, crc32cOfScript(left))).toBe(crc32c(bytes));
  }
});
