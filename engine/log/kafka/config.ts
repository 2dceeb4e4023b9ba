/** What may be set of the Kafka log, and the options of each client that follow from it. */
import type { Secret } from '../../base/secret.ts';
import { optionsFor } from './client-options.ts';
import { securityOptions } from './security.ts';

export interface KafkaSettings {
  /** 'host:port', separated by commas. */
  readonly brokers: string;
  /** 'auto': the first that can be. `transport.ts` says what each is. */
  readonly transport: 'auto' | 'direct' | 'packed' | 'plain';
  /** Static membership: the member keeps its partitions over a restart. Unique in the application. */
  readonly instanceId?: string;
  /** 'classic' is the protocol that all brokers speak; 'consumer' is KIP-848, better with Kafka 4.2 or later only. */
  readonly groupProtocol: 'consumer' | 'classic';
  /** 'at-least-once' writes outputs before the transaction that holds changelogs and offsets. */
  readonly guarantee: 'exactly-once' | 'at-least-once';
  readonly commitIntervalMs: number;
  /** Deadline of one call of the client, ms. */
  readonly callTimeoutMs: number;
  /** How long brokers that do not answer are waited for at the start, ms. */
  readonly connectTimeoutMs: number;
  /** After so long the brokers abort the transaction of a process that died in it, ms. */
  readonly transactionTimeoutMs: number;
  /** A member that does not come back for so long loses its partitions, ms. */
  readonly maxPollIntervalMs: number;
  /** Records read ahead, bytes a partition. */
  readonly bufferBytes: number;
  /** A record with more bytes goes to the dead letters instead; as the topics' max.message.bytes. */
  readonly maxRecordBytes: number;
  /** As the topics' message.timestamp.after.max.ms. */
  readonly maxTimestampAheadMs: number;
  /** Copies of the topics that Millrace makes; -1: the cluster's default. */
  readonly replicationFactor: number;
  /** What the brokers call the clients in their logs. */
  readonly clientId: string;
  /** Brokers on other machines are spoken to without encryption only when this is true. */
  readonly allowPlaintext: boolean;
  readonly tls: boolean;
  /** PEM files. */
  readonly tlsCaFile?: string;
  readonly tlsCertificateFile?: string;
  readonly tlsKeyFile?: string;
  readonly tlsKeyPassword?: Secret;
  readonly saslMechanism?: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'OAUTHBEARER';
  readonly saslUsername?: string;
  readonly saslPassword?: Secret;
  readonly saslTokenUrl?: string;
  readonly saslClientId?: string;
  readonly saslClientSecret?: Secret;
  readonly saslScope?: string;
  /** librdkafka's own options, of those that may be set. */
  readonly options: Readonly<Record<string, string>>;
}

export const defaultKafkaSettings: Omit<KafkaSettings, 'brokers'> = {
  transport: 'auto',
  groupProtocol: 'classic',
  guarantee: 'exactly-once',
  commitIntervalMs: 100,
  callTimeoutMs: 15_000,
  connectTimeoutMs: 60_000,
  transactionTimeoutMs: 10_000,
  maxPollIntervalMs: 300_000,
  bufferBytes: 16 * 1024 * 1024,
  maxRecordBytes: 1_000_000,
  maxTimestampAheadMs: 3_600_000,
  replicationFactor: -1,
  clientId: 'millrace',
  allowPlaintext: false,
  tls: false,
  options: {},
};

/** What librdkafka counts to a record beside its key, value and headers. */
const recordOverheadBytes = 1_024;

type ClientOptions = Readonly<Record<string, unknown>>;

/** What Millrace sets comes last: nobody's options may change it. */
function common(settings: KafkaSettings, role: 'any' | 'consumer' | 'producer'): ClientOptions {
  return {
    ...connecting,
    ...tuned[role],
    ...optionsFor(role, settings.options),
    'bootstrap.servers': settings.brokers,
    'client.id': settings.clientId,
    'allow.auto.create.topics': false,
    'socket.keepalive.enable': true,
    log_level: 3,
    ...securityOptions(settings),
  };
}

/**
 * Half of it is also how often the library looks for a broker to connect to, 11 ms at least. When a cluster has told its brokers'
 * names it begins anew with these, so the default made every client wait for 50 ms at its start.
 */
const connecting: ClientOptions = { 'reconnect.backoff.ms': 22 };

/** Better than the library's defaults for what we do; a user may know better still. */
const tuned: Readonly<Record<'any' | 'consumer' | 'producer', ClientOptions>> = {
  any: {},
  consumer: {
    // The default second stalls a partition whenever the prefetch was full.
    'fetch.queue.backoff.ms': 5,
    // A partition is known to be at its end when a fetch came back empty, after so long.
    'fetch.wait.max.ms': 20,
  },
  producer: {
    'compression.type': 'lz4',
    'linger.ms': 5,
    'queue.buffering.max.messages': 500_000,
  },
};

const reading: ClientOptions = {
  'auto.offset.reset': 'error',
  'check.crcs': true,
  'enable.auto.commit': false,
  'enable.auto.offset.store': false,
  'enable.partition.eof': true,
};

/** Of a member of the group: range assignment, so that topics read together are given together. */
export function consumerOptions(settings: KafkaSettings, group: string): ClientOptions {
  const { groupProtocol, instanceId, maxPollIntervalMs } = settings;
  return {
    ...readerOptions(settings, group),
    'max.poll.interval.ms': maxPollIntervalMs,
    ...(groupProtocol === 'consumer'
      ? { 'group.protocol': 'consumer', 'group.remote.assignor': 'range' }
      : { 'partition.assignment.strategy': 'range' }),
    ...(instanceId === undefined ? {} : { 'group.instance.id': instanceId }),
  };
}

/** Of a consumer outside the group that sees what is committed. */
export function readerOptions(settings: KafkaSettings, group: string): ClientOptions {
  return {
    ...common(settings, 'consumer'),
    ...reading,
    'group.id': group,
    'isolation.level': 'read_committed',
  };
}

/** Of a consumer whose ends are high watermarks. */
export function probeOptions(settings: KafkaSettings, group: string): ClientOptions {
  return { ...readerOptions(settings, group), 'isolation.level': 'read_uncommitted' };
}

export function producerOptions(settings: KafkaSettings, transactionalId: string): ClientOptions {
  return {
    ...common(settings, 'producer'),
    'transactional.id': transactionalId,
    'transaction.timeout.ms': settings.transactionTimeoutMs,
    partitioner: 'murmur2_random',
    'message.max.bytes': settings.maxRecordBytes + recordOverheadBytes,
  };
}

/** Of the writer of outputs that are not part of the transaction (at-least-once). */
export function plainProducerOptions(settings: KafkaSettings): ClientOptions {
  const {
    'transactional.id': _,
    'transaction.timeout.ms': __,
    ...options
  } = producerOptions(settings, '');
  return { ...options, 'enable.idempotence': true };
}

export function adminOptions(settings: KafkaSettings): ClientOptions {
  return common(settings, 'any');
}
