import { checked } from './faithful.ts';
import type { Serde } from './serde.ts';

/** Bytes as they are. Decoding copies, because a batch's memory is reused. */
export const raw: Serde<Uint8Array> = checked({
  format: 'raw',
  encode: (value) => {
    if (!(value instanceof Uint8Array)) throw new TypeError('raw: expected a Uint8Array');
    return value;
  },
  decode: (bytes, start, end) => Buffer.from(bytes.subarray(start, end)),
});
