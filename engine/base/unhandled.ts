/**
 * Turns unhandled rejections and exceptions of user code into errors that name the line. Otherwise
 * Node ends the process or thread with only a stack.
 */
import { authorFrame } from './call-site.ts';
import { isMillraceError, MillraceError, messageOf, stackText } from './errors.ts';

export type UnhandledKind = 'rejection' | 'exception';

/** The error to end with; an error of the catalogue is returned unchanged. */
export function unhandledError(kind: UnhandledKind, reason: unknown): MillraceError {
  if (isMillraceError(reason)) return reason;
  const where = authorFrame(stackText(reason) ?? '') ?? 'unknown';
  return new MillraceError(
    'UNHANDLED',
    { kind, where, problem: messageOf(reason) },
    { cause: reason },
  );
}

/** The part of a process that emits these events. */
interface Emitter {
  on(event: 'unhandledRejection' | 'uncaughtException', told: (reason: unknown) => void): unknown;
}

/** Calls `end` with the first one. */
export function onUnhandled(emitter: Emitter, end: (error: MillraceError) => void): void {
  emitter.on('unhandledRejection', (reason) => end(unhandledError('rejection', reason)));
  emitter.on('uncaughtException', (reason) => end(unhandledError('exception', reason)));
}
