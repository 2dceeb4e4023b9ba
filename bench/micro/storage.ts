/** engine/storage: cells of 64 bytes in RocksDB. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { rocksBackends } from '../../engine/storage/rocksdb.ts';
import { type Piece, use } from './piece.ts';
import { keys, many } from './record.ts';

export async function storagePieces(): Promise<Piece[]> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-micro-'));
  const backend = await rocksBackends.open(folder);
  const ordered = [...keys].sort(Buffer.compare);
  const value = Buffer.alloc(64, 7);
  const writes = ordered.map((key) => ({ key, value }));
  await backend.write(writes);
  return [
    { name: 'RocksDB: write a cell, 1 000 at once', per: many, run: () => backend.write(writes) },
    {
      name: 'RocksDB: read a cell, 1 000 at once',
      per: many,
      run: async () => use((await backend.getMany(ordered)).length),
      close: async () => {
        await backend.close();
        await rm(folder, { recursive: true });
      },
    },
  ];
}
