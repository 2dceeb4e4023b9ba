import type { Serde } from './serde.ts';

/** Values as JSON text. What JSON cannot say (undefined, a cycle, a bigint) is an error. */
export function json<T = unknown>(): Serde<T> {
  return {
    format: 'json',
    encode: (value) => {
      const text = JSON.stringify(value);
      if (text === undefined) throw new TypeError('json: undefined has no JSON form');
      return Buffer.from(text);
    },
    decode: (bytes, start, end) => JSON.parse(bytes.toString('utf8', start, end)) as T,
  };
}
