/**
 * The librdkafka options that a user may set. Others are refused: an option may load code, weaken a
 * check, or break exactly-once.
 */
import { MillraceError } from '../../../base/errors.ts';

/** The clients that an option is for: all, or consumers or producers. */
export type ClientRole = 'any' | 'consumer' | 'producer';

const any = [
  'broker.address.family',
  'broker.address.ttl',
  'client.dns.lookup',
  'client.rack',
  'connections.max.idle.ms',
  'enable.metrics.push',
  'log.connection.close',
  'metadata.max.age.ms',
  'receive.message.max.bytes',
  'reconnect.backoff.max.ms',
  'reconnect.backoff.ms',
  'retry.backoff.max.ms',
  'retry.backoff.ms',
  'socket.connection.setup.timeout.ms',
  'socket.nagle.disable',
  'socket.receive.buffer.bytes',
  'socket.send.buffer.bytes',
  'socket.timeout.ms',
  'ssl.cipher.suites',
  'ssl.crl.location',
  'ssl.curves.list',
  'ssl.sigalgs.list',
  'topic.metadata.propagation.max.ms',
  'topic.metadata.refresh.fast.interval.ms',
  'topic.metadata.refresh.interval.ms',
];
const consumer = [
  'fetch.error.backoff.ms',
  'fetch.max.bytes',
  'fetch.min.bytes',
  'fetch.queue.backoff.ms',
  'fetch.wait.max.ms',
  'heartbeat.interval.ms',
  'max.partition.fetch.bytes',
  'queued.max.messages.kbytes',
  'queued.min.messages',
  'session.timeout.ms',
];
const producer = [
  'batch.num.messages',
  'batch.size',
  'compression.level',
  'compression.type',
  'linger.ms',
  'queue.buffering.max.kbytes',
  'queue.buffering.max.messages',
];

/** Every option that may be set -> the clients it is for. */
export const allowedOptions: ReadonlyMap<string, ClientRole> = new Map([
  ...any.map((name) => [name, 'any'] as const),
  ...consumer.map((name) => [name, 'consumer'] as const),
  ...producer.map((name) => [name, 'producer'] as const),
]);

/** With KIP-848 the brokers decide these. */
const classicOnly = new Set(['heartbeat.interval.ms', 'session.timeout.ms']);

/** Reasons of refusals; the first matching pattern applies. */
const refusals: readonly (readonly [RegExp, string])[] = [
  [/^(plugin\.library\.paths|interceptors)$/, 'it loads code into the process'],
  [/^ssl[._](engine|providers)/, 'it loads code into the process'],
  [/^sasl\.kerberos\./, 'it runs a command of the shell; log in by PLAIN, SCRAM or OAUTHBEARER'],
  [
    /^(enable\.ssl\.certificate\.verification|ssl\.endpoint\.identification\.algorithm|enable\.sasl\.oauthbearer\.unsecure\.jwt|ssl\.certificate\.verify_cb)$/,
    'certificates and host names are always verified; name your own authority with tlsCaFile',
  ],
  [/(_cb|^opaque)$/, 'it is a callback'],
  [/^(bootstrap\.servers|metadata\.broker\.list)$/, 'set brokers'],
  [/^client\.id$/, 'set clientId'],
  [/^group\.instance\.id$/, 'set instanceId'],
  [/^group\.protocol$/, 'set groupProtocol'],
  [/^message\.max\.bytes$/, 'set maxRecordBytes'],
  [/^transaction\.timeout\.ms$/, 'set transactionTimeoutMs'],
  [/^max\.poll\.interval\.ms$/, 'set maxPollIntervalMs'],
  [/^security\.protocol$/, 'it follows from tls and saslMechanism'],
  [/^sasl\./, 'set the field of Millrace that begins with sasl'],
  [/^(ssl|https)[._]/, 'set the field of Millrace that begins with tls'],
  [
    /^(acks|request\.required\.acks|allow\.auto\.create\.topics|auto\.offset\.reset|check\.crcs|enable\.auto\.(commit|offset\.store)|auto\.commit\.|enable\.idempotence|enable\.partition\.eof|group\.(id|remote\.assignor)|isolation\.level|max\.in\.flight|message\.send\.max\.retries|retries|partition\.assignment\.strategy|partitioner|transactional\.id)/,
    'Millrace sets it; that nothing is lost or counted twice depends on it',
  ],
];

/** @throws CONFIG_INVALID for an option that may not be set, with the reason or a similar name */
export function checkOptions(
  options: Readonly<Record<string, string>>,
  groupProtocol: 'consumer' | 'classic',
): void {
  for (const name of Object.keys(options)) {
    const problem = problemOf(name, groupProtocol);
    if (problem === undefined) continue;
    throw new MillraceError('CONFIG_INVALID', { field: `options.${name}`, problem });
  }
}

function problemOf(name: string, groupProtocol: 'consumer' | 'classic'): string | undefined {
  if (allowedOptions.has(name)) {
    if (groupProtocol === 'classic' || !classicOnly.has(name)) return undefined;
    return 'with the group protocol consumer the brokers decide it; set groupProtocol to classic, or the broker’s group.consumer settings';
  }
  const reason = refusals.find(([pattern]) => pattern.test(name))?.[1];
  if (reason !== undefined) return `refused: ${reason}`;
  return `not one of the options that may be set: ${[...allowedOptions.keys()].sort().join(', ')}`;
}

/** The options set for a client of a role. */
export function optionsFor(
  role: ClientRole,
  options: Readonly<Record<string, string>>,
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(options).filter(([name]) => {
      const of = allowedOptions.get(name);
      return of === 'any' || of === role;
    }),
  );
}
