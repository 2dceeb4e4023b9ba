/** Errors of the embedded log. */
import { isMillraceError, MillraceError, messageOf } from '../../base/errors.ts';

/** LOG_CORRUPT at a place. Names in parentheses are no topics. */
export function corrupt(
  topic: string,
  partition: number,
  offset: number,
  problem: string,
  cause?: unknown,
): MillraceError {
  return new MillraceError('LOG_CORRUPT', { topic, partition, offset, problem }, { cause });
}

/** Any other error, as one of the log in a directory. */
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
