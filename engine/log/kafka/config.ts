/** What may be set of the Kafka log, and the options of each client that follow from it. */

export interface KafkaSettings {
  /** 'host:port', separated by commas. */
  readonly brokers: string;
  /** 'auto': packed where the native helper was built. */
  readonly transport: 'auto' | 'packed' | 'plain';
  /** Static membership: the member keeps its partitions over a restart. Unique in the application. */
  readonly instanceId?: string;
  /** 'consumer' is KIP-848; 'classic' for brokers before Kafka 4.0. */
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
  /** Copies of the topics that Millrace makes; -1: the cluster's default. */
  readonly replicationFactor: number;
}

export const defaultKafkaSettings: Omit<KafkaSettings, 'brokers'> = {
  transport: 'auto',
  groupProtocol: 'consumer',
  guarantee: 'exactly-once',
  commitIntervalMs: 100,
  callTimeoutMs: 15_000,
  connectTimeoutMs: 60_000,
  transactionTimeoutMs: 10_000,
  maxPollIntervalMs: 300_000,
  bufferBytes: 16 * 1024 * 1024,
  replicationFactor: -1,
};

type ClientOptions = Readonly<Record<string, unknown>>;

function common({ brokers }: KafkaSettings): ClientOptions {
  return {
    'bootstrap.servers': brokers,
    'allow.auto.create.topics': false,
    'socket.keepalive.enable': true,
    log_level: 3,
  };
}

const reading: ClientOptions = {
  'auto.offset.reset': 'error',
  'check.crcs': true,
  'enable.auto.commit': false,
  'enable.auto.offset.store': false,
  'enable.partition.eof': true,
  // The default second stalls a partition whenever the prefetch was full.
  'fetch.queue.backoff.ms': 5,
  'fetch.wait.max.ms': 100,
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
    ...common(settings),
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
    ...common(settings),
    'transactional.id': transactionalId,
    'transaction.timeout.ms': settings.transactionTimeoutMs,
    partitioner: 'murmur2_random',
    'compression.type': 'lz4',
    'linger.ms': 5,
    'queue.buffering.max.messages': 500_000,
  };
}

export function adminOptions(settings: KafkaSettings): ClientOptions {
  return common(settings);
}
