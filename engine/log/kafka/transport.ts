/** Chooses how messages cross: packed where the native helper was built, else plain. */
import { MillraceError, messageOf } from '../../base/errors.ts';
import type { MessageTransport } from './messages.ts';
import { loadPacked } from './packed-messages.ts';
import { plainTransport } from './plain-messages.ts';

export interface ChosenTransport {
  readonly transport: MessageTransport;
  /** Why it is not the packed one; undefined when it is, or was asked for. */
  readonly reason: string | undefined;
}

/** node-rdkafka must be loaded. 'packed' throws CONFIG_INVALID where the helper is not there. */
export function chooseTransport(wanted: 'auto' | 'packed' | 'plain'): ChosenTransport {
  if (wanted === 'plain') return { transport: plainTransport, reason: undefined };
  try {
    return { transport: loadPacked(), reason: undefined };
  } catch (error) {
    const [problem = ''] = messageOf(error).split('\n');
    const reason = `the native helper does not load: ${problem}`;
    if (wanted === 'auto') return { transport: plainTransport, reason };
    throw new MillraceError('CONFIG_INVALID', { field: 'transport', problem: reason });
  }
}
