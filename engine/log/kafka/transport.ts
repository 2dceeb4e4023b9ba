/**
 * Chooses how messages cross: packed where the native helper was built, else plain. Beside packed calls records are
 * fetched past librdkafka where the settings let us.
 */
import { systemClock } from '../../base/clock.ts';
import { MillraceError, messageOf } from '../../base/errors.ts';
import type { KafkaSettings } from './config.ts';
import { directAccess } from './fetch/access.ts';
import { DirectFetcher, type Fetcher, type FetchListener } from './fetch/fetcher.ts';
import type { MessageTransport } from './messages.ts';
import { loadPacked } from './packed-messages.ts';
import { plainTransport } from './plain-messages.ts';

export interface ChosenTransport {
  readonly transport: MessageTransport;
  /** Undefined: records come by the transport. */
  readonly fetcher: ((listener: FetchListener) => Fetcher) | undefined;
  readonly kind: 'direct' | MessageTransport['kind'];
  /** Why it is not the best one; undefined when it is, or was asked for. */
  readonly reason: string | undefined;
}

/** node-rdkafka must be loaded. What was insisted on and cannot be is CONFIG_INVALID. */
export function chooseTransport(settings: KafkaSettings): ChosenTransport {
  const { transport: wanted } = settings;
  const plain = { transport: plainTransport, fetcher: undefined, kind: 'plain' } as const;
  if (wanted === 'plain') return { ...plain, reason: undefined };
  let transport: MessageTransport;
  try {
    transport = loadPacked();
  } catch (error) {
    const [problem = ''] = messageOf(error).split('\n');
    const reason = `the native helper does not load: ${problem}`;
    if (wanted === 'auto') return { ...plain, reason };
    throw new MillraceError('CONFIG_INVALID', { field: 'transport', problem: reason });
  }
  const packed = { transport, fetcher: undefined, kind: 'packed' } as const;
  const { unpack } = transport;
  if (wanted === 'packed' || unpack === undefined) return { ...packed, reason: undefined };
  const access = directAccess(settings);
  if (typeof access !== 'string') {
    const options = { ...access, unpack, clock: systemClock };
    const fetcher = (listener: FetchListener) => new DirectFetcher(options, listener);
    return { transport, fetcher, kind: 'direct', reason: undefined };
  }
  if (wanted === 'auto') return { ...packed, reason: access };
  throw new MillraceError('CONFIG_INVALID', { field: 'transport', problem: access });
}
