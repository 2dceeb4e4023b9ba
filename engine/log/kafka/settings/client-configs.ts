/** Derives the options of each client from the settings. */

import { optionsFor } from './allowed-options.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { securityOptions } from './security.ts';

/** Overhead that librdkafka counts per record, besides key, value and headers. */
const recordOverheadBytes = 1_024;

type ClientOptions = Readonly<Record<string, unknown>>;

/** Millrace's own options come last, so that user options cannot change them. */
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
 * The library looks for a broker to connect to at half this interval, at least 11 ms. When it
 * learns the brokers' names it connects again, so with the default every client waited 50 ms at its
 * start.
 */
const connecting: ClientOptions = { 'reconnect.backoff.ms': 22 };

/** Defaults that suit Millrace better than the library's; users may override them. */
const tuned: Readonly<Record<'any' | 'consumer' | 'producer', ClientOptions>> = {
  any: {},
  consumer: {
    // The default second stalls a partition whenever the prefetch was full.
    'fetch.queue.backoff.ms': 5,
    // The end of a partition is detected by an empty fetch, after this time.
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

/**
 * Options of a group member: range assignment, so that topics that are read together are assigned
 * together.
 */
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

/** Options of a consumer outside the group that sees committed records. */
export function readerOptions(settings: KafkaSettings, group: string): ClientOptions {
  return {
    ...common(settings, 'consumer'),
    ...reading,
    'group.id': group,
    'isolation.level': 'read_committed',
  };
}

/** Options of a consumer whose ends are high watermarks. */
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

/** Options of the writer of outputs outside of the transaction (at-least-once). */
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
