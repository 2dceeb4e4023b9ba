/**
 * Reads which files of a database are live from its manifest, a log of edits (RocksDB 6,
 * VersionEdit).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { records } from './log-fragments.ts';
import { ByteReader } from './reader.ts';

export interface LiveFiles {
  /** Numbers of the tables, oldest entries first. */
  readonly tables: readonly number[];
  /** Write-ahead logs from this number on are not in tables yet. */
  readonly logNumber: number;
}

/** Tags of an edit, by what follows them. */
const [comparator, logNumber, nextFile, lastSequence, compactPointer] = [1, 2, 3, 4, 5];
const [deletedFile, prevLogNumber, minLogToKeep, newFile4] = [6, 9, 10, 103];
const [columnFamily, columnFamilyAdd, maxColumnFamily, inAtomicGroup] = [200, 201, 203, 300];
/** Tags with this bit may be ignored. */
const ignorable = 1 << 13;
const endOfFields = 1;

interface Table {
  readonly level: number;
  readonly number: number;
}

export async function liveFiles(directory: string): Promise<LiveFiles> {
  const name = (await readFile(join(directory, 'CURRENT'), 'utf8')).trim();
  const manifest = await readFile(join(directory, name));
  const tables = new Map<number, Table>();
  let log = 0;
  for (const edit of records(manifest, name)) {
    const reader = new ByteReader(edit);
    while (!reader.isAtEnd) {
      const tag = reader.varint();
      if (tag === logNumber) log = Math.max(log, reader.varint());
      else if (tag === deletedFile) {
        reader.varint();
        tables.delete(reader.varint());
      } else if (tag === newFile4) {
        const table = readTable(reader);
        tables.set(table.number, table);
      } else skip(reader, tag);
    }
  }
  // Deeper levels are older, and on the first one the tables with lower numbers.
  const ordered = [...tables.values()].sort((a, b) => b.level - a.level || a.number - b.number);
  return { tables: ordered.map(({ number }) => number), logNumber: log };
}

function readTable(reader: ByteReader): Table {
  const level = reader.varint();
  const number = reader.varint();
  reader.varint();
  reader.slice();
  reader.slice();
  reader.varint();
  reader.varint();
  while (reader.varint() !== endOfFields) reader.slice();
  return { level, number };
}

function skip(reader: ByteReader, tag: number): void {
  switch (tag) {
    case comparator:
    case columnFamilyAdd:
      reader.slice();
      return;
    case nextFile:
    case lastSequence:
    case prevLogNumber:
    case minLogToKeep:
    case columnFamily:
    case maxColumnFamily:
    case inAtomicGroup:
      reader.varint();
      return;
    case compactPointer:
      reader.varint();
      reader.slice();
      return;
    default:
      if ((tag & ignorable) === 0) throw new Error(`unknown tag ${tag} in the manifest`);
      reader.slice();
  }
}
