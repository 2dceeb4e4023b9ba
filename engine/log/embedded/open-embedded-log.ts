/**
 * Opens an embedded log. It is first verified without changing the disk, and opened only if it is
 * complete, because opening a database rewrites tables and deletes its write-ahead log.
 */
import { existsSync } from 'node:fs';
import { isMillraceError } from '../../base/errors.ts';
import type { BackendFactory, StateBackend } from '../../storage/backend.ts';
import { makeDirectory, syncDirectory } from '../../storage/directory.ts';
import { isLocked } from '../../storage/storage-errors.ts';
import { corrupt, logError } from './corrupt.ts';
import { EmbeddedLog } from './embedded-log.ts';
import { HeadFile, type Heads, readHeads } from './head.ts';
import { type JournalLimits, journalLimits } from './journal.ts';
import { type Loaded, loadLog } from './load-catalogue.ts';
import { sequenceKey } from './log-keys.ts';
import { isHeld, lockedError, writeOwner } from './owner.ts';

export interface EmbeddedLogOptions {
  /** Directory of the log; created when missing. */
  readonly directory: string;
  /** Name of the application, for the error of another process that finds the log locked. */
  readonly application: string;
  readonly backends: BackendFactory;
  readonly journal?: JournalLimits;
}

/**
 * @throws LOG_CORRUPT with topic, partition and offset of damaged or missing data (the files are
 * unchanged); LOG_LOCKED, LOG_UNAVAILABLE or DISK_FULL
 */
export { EmbeddedLog };

export async function openEmbeddedLog(options: EmbeddedLogOptions): Promise<EmbeddedLog> {
  const { directory, application, backends } = options;
  const database = `${directory}/db`;
  let backend: StateBackend | undefined;
  let head: HeadFile | undefined;
  try {
    await makeDirectory(directory);
    const heads = await readHeads(directory);
    const exists = heads.head !== undefined || heads.damaged || existsSync(`${database}/CURRENT`);
    const looked = exists ? await look(options, heads) : undefined;
    backend = await backends.open(database, { create: !exists });
    const loaded = await sameOrAgain(backend, directory, looked);
    head = await HeadFile.open(directory);
    await syncDirectory(directory);
    await writeOwner(directory, application);
    const { anchors } = heads;
    return new EmbeddedLog({
      ...{ directory, backend, head, loaded, anchors },
      journal: options.journal ?? journalLimits,
    });
  } catch (error) {
    await head?.close();
    await backend?.close();
    if (isLocked(error)) throw await lockedError(directory);
    throw logError(error, directory);
  }
}

/** Reads and verifies everything that a start needs, without changes. */
async function look(options: EmbeddedLogOptions, heads: Heads): Promise<Loaded> {
  const { directory, backends } = options;
  const database = `${directory}/db`;
  let backend: StateBackend | undefined;
  try {
    backend = await backends.open(database, { readOnly: true });
    return await loadLog(backend, heads);
  } catch (error) {
    // Writes of another process may look like damage.
    if (isDamage(error) && (await isHeld(directory))) throw await lockedError(directory);
    if (!isMillraceError(error, 'STORE_CORRUPT')) throw error;
    const place = placeOf(heads);
    throw corrupt(
      place.topic,
      place.partition,
      place.offset,
      String(error.context['problem']),
      error,
    );
  } finally {
    await backend?.close();
  }
}

function isDamage(error: unknown): boolean {
  return isMillraceError(error, 'STORE_CORRUPT') || isMillraceError(error, 'LOG_CORRUPT');
}

/**
 * The place to report for an unreadable database: the first record in HEAD, since everything may be
 * lost.
 */
function placeOf({ head }: Heads): { topic: string; partition: number; offset: number } {
  const [first] = Object.keys(head?.ends ?? {});
  if (first === undefined) return { topic: '(database)', partition: 0, offset: 0 };
  const slash = first.lastIndexOf('/');
  return { topic: first.slice(0, slash), partition: Number(first.slice(slash + 1)), offset: 0 };
}

/** Returns the verified state, or verifies again if another process has committed since. */
async function sameOrAgain(
  backend: StateBackend,
  directory: string,
  looked: Loaded | undefined,
): Promise<Loaded> {
  if (looked !== undefined) {
    const [sequence] = await backend.getMany([sequenceKey]);
    if (
      sequence?.equals(looked.sequenceRow ?? Buffer.alloc(0)) ??
      looked.sequenceRow === undefined
    ) {
      return looked;
    }
  }
  return loadLog(backend, await readHeads(directory));
}
