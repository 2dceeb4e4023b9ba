/**
 * Text made letter by letter, beside what Buffer makes: every length around the one at which the
 * way changes.
 */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { withoutCode } from './no-code.ts';

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

async function expectSame(): Promise<void> {
  const { latin1 } = await import('../../engine/base/bytes.ts');
  const bytes = Buffer.from(Array.from({ length: 300 }, (_, i) => (i * 83) & 0xff));
  for (let from = 0; from < 256; from++) {
    for (let length = 0; length <= 40; length++) {
      const to = from + length;
      expect(latin1(bytes, from, to)).toBe(bytes.toString('latin1', from, to));
    }
  }
}

describe('Latin-1 text', () => {
  it('is a letter a byte', expectSame);

  it('is the same where code must not be made at run time', async () => {
    vi.resetModules();
    const asked = withoutCode();
    await expectSame();
    expect(asked()).toBe(1);
  });
});
