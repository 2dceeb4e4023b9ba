/** What the packages of RocksDB report becomes an error of the catalogue. */
import { MillraceError, messageOf } from '../base/errors.ts';

/** The disk or the system refuses; the files may be whole. */
const refused =
  /permission denied|operation not permitted|too many open files|input\/output error|read-only file system|cannot allocate|quota exceeded|device or resource busy/i;
const locked = /lock hold by|\bLOCK: /i;
const damaged =
  /corrupt|mismatch|bad (magic|block)|no such file|does not exist|truncated|too short|not an sstable|unknown|unsupported|invalid|missing|not found/i;
/** By which rocksdb-native names corruption, a missing file and what is invalid or unknown. */
const statusCodes = new Set(['EIO', 'ENOENT', 'EINVAL', 'ENOSYS']);
/** Of the system, met by Node itself. */
const refusedCodes = new Set(['EACCES', 'EPERM', 'EROFS', 'EMFILE', 'ENFILE', 'ENOMEM', 'ENOTDIR']);

/**
 * RocksDB says what happened in English only; the texts are those of its Status class and of the
 * system. What neither system nor lock refuses is damage: also a file that is missing, since the
 * database knows which files it has.
 * @param opening any other failure to open a database is damage as well
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

/** The innermost reason; a batch that failed wraps it. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError) {
    const inner = error.errors.find((one) => one !== undefined && one !== null);
    if (inner !== undefined) return reasonOf(inner);
  }
  const { cause } = error as { cause?: unknown };
  return cause === undefined ? messageOf(error) : reasonOf(cause);
}

/** True for the error of a store that another process, or this one, has open. */
export function isLocked(error: unknown): boolean {
  return locked.test(messageOf(error));
}
