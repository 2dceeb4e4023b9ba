/**
 * MessagePack through msgpackr, the default serde. With declared fields a record costs one structure
 * byte instead of its field names: the structures are fixed when the serde is made, the same in
 * every thread and every run, so no dictionary has to be stored or agreed upon. An object with other
 * fields is written in full, self-contained.
 */
import { Packr } from 'msgpackr';
import type { Serde } from './serde.ts';

/** Field names in order, of each object shape that is to be written compactly. */
export type Structures = readonly (readonly string[])[];

const chunkBytes = 256 * 1024;

/**
 * @param structures object shapes known in advance; at most 32. Changing their order or fields makes
 * older bytes unreadable: append new shapes at the end.
 */
export function msgpack<T = unknown>(structures: Structures = []): Serde<T> {
  const shapes = structures.map((fields) => [...fields]);
  const packr =
    shapes.length === 0
      ? new Packr({ useRecords: false, encodeUndefinedAsNil: false })
      : new Packr({ structures: shapes, maxSharedStructures: shapes.length });
  // It goes on with chunks of the same size; its own of 8 KiB hold a few values each, and each is a trip to malloc.
  packr.useBuffer(Buffer.allocUnsafeSlow(chunkBytes));
  return {
    format: `msgpack${JSON.stringify(structures)}`,
    encode: (value) => packr.pack(value),
    decode: (bytes, start, end) => packr.unpack(bytes, { start, end }) as T,
  };
}
