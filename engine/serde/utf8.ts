import type { Serde } from './serde.ts';

/** Strings as UTF-8. Bytes that are not UTF-8 are an error, never a replacement character. */
export const utf8: Serde<string> = {
  format: 'utf8',
  encode: (value) => {
    if (typeof value !== 'string')
      throw new TypeError(`utf8: expected a string, got ${typeof value}`);
    return Buffer.from(value, 'utf8');
  },
  decode: (bytes, start, end) => {
    const text = bytes.toString('utf8', start, end);
    if (text.includes('\ufffd')) strict.decode(bytes.subarray(start, end));
    return text;
  },
};

const strict = new TextDecoder('utf-8', { fatal: true });
