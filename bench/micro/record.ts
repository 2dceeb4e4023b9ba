/** engine/record and engine/base: batches, checksums, the hash of keys. */
import { crc32c } from '../../engine/base/crc32c.ts';
import { murmur2 } from '../../engine/base/murmur2.ts';
import { BatchBuilder, type PackedBatch } from '../../engine/record/batch.ts';
import { type Piece, use } from './piece.ts';

export const many = 1_000;
export const keys = Array.from({ length: many }, (_, i) => Buffer.from(`user-${i}`));
const value = Buffer.from('/page/17');

/** `many` records of as many keys, from a time on, ms apart. */
export function batchOfMany(from = 0, apart = 1): PackedBatch {
  const builder = new BatchBuilder(many, 32);
  for (let i = 0; i < many; i++) builder.append(keys[i] as Buffer, value, from + i * apart);
  return builder.finishAt(0);
}

export function recordPieces(): Piece[] {
  const batch = batchOfMany();
  return [
    { name: 'batch: append a record', per: many, run: () => use(batchOfMany().count) },
    {
      name: 'batch: key id and value text of a record',
      per: many,
      run: () => {
        for (let i = 0; i < batch.count; i++) {
          const start = batch.starts[i] as number;
          const from = batch.valueStart(i);
          const end = from + (batch.valueLengths[i] as number);
          use(batch.bytes.toString('latin1', start, from).length);
          use(batch.bytes.toString('utf8', from, end).length);
        }
      },
    },
    {
      name: 'CRC-32C of a KiB',
      per: batch.byteLength / 1024,
      run: () => use(crc32c(new Uint8Array(batch.image)) & 1),
    },
    {
      name: 'murmur2 of a key',
      per: many,
      run: () => {
        for (const key of keys) use(murmur2(key) & 1);
      },
    },
  ];
}
