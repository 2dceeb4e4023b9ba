/** Translates errors of the RocksDB packages to errors of the catalogue. */
import { MillraceError, messageOf } from '../base/errors.ts';

/** Errors of the disk or the system; the files may be intact. */
const refused =
  /permission denied|operation not permitted|too many open files|input\/output error|read-only file system|cannot allocate|quota exceeded|device or resource busy/i;
const locked = /lock hold by|\bLOCK: /i;
const damaged =
  /corrupt|mismatch|bad (magic|block)|no such file|does not exist|truncated|too short|not an sstable|unknown|unsupported|invalid|missing|not found/i;
/** Codes of rocksdb-native for corruption, a missing file, and invalid or unknown states. */
const statusCodes = new Set(['EIO', 'ENOENT', 'EINVAL', 'ENOSYS']);
/** System errors that Node itself reports. */
const refusedCodes = new Set(['EACCES', 'EPERM', 'EROFS', 'EMFILE', 'ENFILE', 'ENOMEM', 'ENOTDIR']);

/**
 * RocksDB reports errors only as English text: of its Status class, or of the system. Any error
 * that is not from the system or a lock is damage, including a missing file, because the database
 * knows which files it has.
 * @param opening treats any other failure to open a database as damage as well
 */
export function storageError(error: unknown, directory: string, opening = false): MillraceError {
  if (error instanceof MillraceError) return error;
  const problem = reasonOf(error);
  const { code } = causeOf(error) as { code?: string };
  if (/no space left/i.test(problem) || code === 'ENOSPC') {
    return new MillraceError('DISK_FULL', { directory }, { cause: error });
  }
  const isRefused = locked.test(problem) || refused.test(problem) || refusedCodes.has(code ?? '');
  const isDamaged = opening || statusCodes.has(code ?? '') || damaged.test(problem);
  if (!isRefused && isDamaged) {
    return new MillraceError('STORE_CORRUPT', { directory, problem }, { cause: error });
  }
  return new MillraceError('STATE_UNAVAILABLE', { directory, problem }, { cause: error });
}

function causeOf(error: unknown): object {
  const { cause } = error as { cause?: unknown };
  return typeof cause === 'object' && cause !== null ? causeOf(cause) : (error as object);
}

/** The innermost reason; a failed batch wraps it. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) {
    const inner = error.errors.find((one) => one !== undefined && one !== null);
    if (inner !== undefined) return reasonOf(inner);
  }
  const { cause } = error as { cause?: unknown };
  return cause === undefined ? messageOf(error) : reasonOf(cause);
}

/** True for the error of a store that is already open, in this or another process. */
export function isLocked(error: unknown): boolean {
  return locked.test(messageOf(error));
}
