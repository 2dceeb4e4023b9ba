/**
 * Chooses the transport of messages: packed if the native helper was built, else plain. With packed
 * calls, records are also fetched and written without librdkafka if the settings allow it.
 */
import { MillraceError, messageOf } from '../../../base/errors.ts';
import type { Timing } from '../../../base/timing.ts';
import type { Reach } from '../direct/cluster.ts';
import { ClusterView } from '../direct/cluster-view.ts';
import { DirectFetcher } from '../direct/direct-fetcher.ts';
import type { DirectTransactionsOptions } from '../direct/direct-transactions.ts';
import type { Fetcher, FetchListener } from '../direct/fetching.ts';
import { unpackPlainly } from '../direct/unpack-plainly.ts';
import type { DirectCalls, MessageTransport } from '../rdkafka/messages.ts';
import { loadPacked } from '../rdkafka/packed-messages.ts';
import { plainTransport } from '../rdkafka/plain-messages.ts';
import { directAccess } from '../settings/direct-access.ts';
import { directBatchBytes } from '../settings/direct-batch-size.ts';
import type { KafkaSettings } from '../settings/kafka-settings.ts';

/** How to write without librdkafka. */
export interface DirectWriting extends Reach, Pick<DirectTransactionsOptions, 'pack'> {
  readonly membership: DirectCalls['membership'];
}

export interface ChosenTransport {
  readonly transport: MessageTransport;
  /** How to reach the brokers without the client; a string says why that is not possible. */
  readonly reach: Reach | string;
  /** Creates the direct fetcher; undefined: the settings do not allow it. */
  readonly fetcher: ((listener: FetchListener) => Fetcher) | undefined;
  /**
   * True: the fetcher reads everything it can; false: only what the client cannot read because a
   * codec is not built in.
   */
  readonly isDirect: boolean;
  /** Undefined: records are written by the transport. */
  readonly writing: DirectWriting | undefined;
  readonly kind: 'direct' | MessageTransport['kind'];
  /** Why it is not the best one; undefined if it is, or was requested. */
  readonly reason: string | undefined;
}

/**
 * Chooses the transport; node-rdkafka must be loaded.
 * @throws CONFIG_INVALID if the requested transport is not possible
 */
export function chooseTransport(settings: KafkaSettings, timing: Timing): ChosenTransport {
  const { transport: wanted } = settings;
  const found = directAccess(settings);
  const reach: Reach | string =
    typeof found === 'string'
      ? found
      : { view: new ClusterView(found.bootstrap), access: found.access, timing };
  const fetching = (direct?: DirectCalls) => {
    if (typeof found === 'string' || typeof reach === 'string') return undefined;
    const unpack = direct?.unpack ?? unpackPlainly;
    const options = { ...reach, limits: found.limits, unpack, readsLz4: direct !== undefined };
    return (listener: FetchListener) => new DirectFetcher(options, listener);
  };
  const plain = {
    ...{ transport: plainTransport(timing.scheduler), writing: undefined, kind: 'plain' as const },
    ...{ reach, fetcher: fetching(), isDirect: false },
  };
  if (wanted === 'plain') return { ...plain, reason: undefined };
  let transport: MessageTransport;
  try {
    transport = loadPacked(timing.scheduler);
  } catch (error) {
    const [problem = ''] = messageOf(error).split('\n');
    const reason = `the native helper does not load: ${problem}`;
    if (wanted === 'auto') return { ...plain, reason };
    throw new MillraceError('CONFIG_INVALID', { field: 'transport', problem: reason });
  }
  const { direct } = transport;
  const fetcher = fetching(direct);
  const packed = {
    transport,
    reach,
    fetcher,
    isDirect: false,
    writing: undefined,
    kind: 'packed' as const,
  };
  if (wanted === 'packed' || direct === undefined) return { ...packed, reason: undefined };
  if (typeof reach !== 'string') {
    const writing = directWriting(settings, direct, reach);
    return { ...packed, isDirect: true, writing, kind: 'direct', reason: undefined };
  }
  if (wanted === 'auto') return { ...packed, reason: reach };
  throw new MillraceError('CONFIG_INVALID', { field: 'transport', problem: reach });
}

/** Undefined if an option needs librdkafka for writing. */
function directWriting(
  settings: KafkaSettings,
  { pack, membership }: DirectCalls,
  reach: Reach,
): DirectWriting | undefined {
  const bytesMax = directBatchBytes(settings);
  if (typeof bytesMax === 'string') return undefined;
  return { ...reach, pack: (image) => pack(image, bytesMax), membership };
}
