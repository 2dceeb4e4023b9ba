/** Errors of the embedded log. */
import { isMillraceError, MillraceError, messageOf } from '../../base/errors.ts';

/** LOG_CORRUPT with its place. Names in parentheses are not topics. */
export function corrupt(
  topic: string,
  partition: number,
  offset: number,
  problem: string,
  cause?: unknown,
): MillraceError {
  return new MillraceError('LOG_CORRUPT', { topic, partition, offset, problem }, { cause });
}

/** Converts any other error to one of the log in a directory. */
export function logError(error: unknown, directory: string): unknown {
  if (isMillraceError(error, 'STATE_UNAVAILABLE')) {
    const problem = String(error.context['problem']);
    return new MillraceError('LOG_UNAVAILABLE', { directory, problem }, { cause: error });
  }
  if (error instanceof MillraceError) return error;
  const { code } = error as { code?: string };
  if (code === 'ENOSPC') return new MillraceError('DISK_FULL', { directory }, { cause: error });
  const problem = messageOf(error);
  return new MillraceError('LOG_UNAVAILABLE', { directory, problem }, { cause: error });
}
