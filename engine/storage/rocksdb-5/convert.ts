/**
 * Converts a database of the package `rocksdb` (RocksDB 6, tables in Snappy) into one of another
 * backend. It reads the file formats directly, because the package has no binary for Node 22 and
 * later.
 *
 *   folder.new   the new database while it is being written
 *    folder.old   the old one, from the moment the new one is complete until the new one has its name
 *
 * Damaged input throws, and the old folder is unchanged.
 */
import { existsSync } from 'node:fs';
import { readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { BackendWrite, StateBackend } from '../backend.ts';
import { deletion, put, tableEntries } from './block-table.ts';
import { records } from './log-fragments.ts';
import { liveFiles } from './manifest.ts';
import { ByteReader } from './reader.ts';

/** Version of RocksDB in the package `rocksdb-native`. */
const firstNativeVersion = 10;
const batchBytes = 4 * 1024 * 1024;
/** Sequence number and count of a write batch. */
const batchHeaderBytes = 12;

/**
 * True for a database last written by the package `rocksdb`. The other package leaves SESSION_ID.
 */
export async function isOfRocksDb5(directory: string): Promise<boolean> {
  const has = (name: string) => existsSync(join(directory, name));
  if (!has('CURRENT') || has('SESSION_ID')) return false;
  const names = (await readdir(directory)).filter((name) => name.startsWith('OPTIONS-'));
  const newest = names.sort().at(-1);
  if (newest === undefined) return true;
  const version = /^\s*rocksdb_version=(\d+)/m.exec(
    await readFile(join(directory, newest), 'utf8'),
  );
  return version === null || Number(version[1]) < firstNativeVersion;
}

/** Finishes or undoes an interrupted conversion. */
export async function settle(directory: string): Promise<void> {
  const old = `${directory}.old`;
  if (!existsSync(old)) return;
  if (existsSync(directory)) await rm(old, { recursive: true, force: true });
  else await rename(old, directory);
}

/** @param open creates the new database */
export async function convert(
  directory: string,
  open: (directory: string) => Promise<StateBackend>,
): Promise<void> {
  const made = `${directory}.new`;
  await rm(made, { recursive: true, force: true });
  try {
    const to = await open(made);
    try {
      await copy(directory, to);
      await to.flush();
    } finally {
      await to.close();
    }
  } catch (error) {
    await rm(made, { recursive: true, force: true });
    throw error;
  }
  await rename(directory, `${directory}.old`);
  await rename(made, directory);
  await rm(`${directory}.old`, { recursive: true, force: true });
}

/** Copies the oldest entries first: a later one of the same key overwrites. */
async function copy(directory: string, to: StateBackend): Promise<void> {
  let writes: BackendWrite[] = [];
  let bytes = 0;
  const write = async () => {
    if (writes.length > 0) await to.write(writes);
    writes = [];
    bytes = 0;
  };
  for await (const entry of entriesOf(directory)) {
    writes.push(entry);
    bytes += entry.key.byteLength + (entry.value?.byteLength ?? 0);
    if (bytes >= batchBytes) await write();
  }
  await write();
}

async function* entriesOf(directory: string): AsyncGenerator<BackendWrite> {
  const { tables, logNumber } = await liveFiles(directory);
  for (const number of tables) {
    const name = `${String(number).padStart(6, '0')}.sst`;
    yield* tableEntries(await readFile(join(directory, name)), name);
  }
  const logs = (await readdir(directory)).filter((name) => /^\d+\.log$/.test(name)).sort();
  for (const name of logs) {
    if (Number.parseInt(name, 10) < logNumber) continue;
    for (const batch of records(await readFile(join(directory, name)), name)) {
      yield* batchEntries(batch, name);
    }
  }
}

function* batchEntries(batch: Buffer, name: string): Generator<BackendWrite> {
  const reader = new ByteReader(batch, batchHeaderBytes);
  while (!reader.isAtEnd) {
    const tag = reader.u8();
    if (tag === put) yield { key: reader.slice(), value: reader.slice() };
    else if (tag === deletion) yield { key: reader.slice(), value: undefined };
    else throw new Error(`unknown entry in ${name}`);
  }
}
