/**
 * What user code has started and nobody waits for, when it fails: an error that says what, and in
 * which line. Without it Node ends the process, or the thread, with a stack alone.
 */
import { authorFrame } from './call-site.ts';
import { isMillraceError, MillraceError, messageOf, stackText } from './errors.ts';

export type UnhandledKind = 'rejection' | 'exception';

/** The error to end with; one of the catalogue stays what it is. */
export function unhandledError(kind: UnhandledKind, reason: unknown): MillraceError {
  if (isMillraceError(reason)) return reason;
  const where = authorFrame(stackText(reason) ?? '') ?? 'unknown';
  return new MillraceError(
    'UNHANDLED',
    { kind, where, problem: messageOf(reason) },
    { cause: reason },
  );
}

/** The part of a process that tells of them. */
interface Emitter {
  on(event: 'unhandledRejection' | 'uncaughtException', told: (reason: unknown) => void): unknown;
}

/** Has `end` called with the first of them. */
export function onUnhandled(emitter: Emitter, end: (error: MillraceError) => void): void {
  emitter.on('unhandledRejection', (reason) => end(unhandledError('rejection', reason)));
  emitter.on('uncaughtException', (reason) => end(unhandledError('exception', reason)));
}
