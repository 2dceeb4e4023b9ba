/** The options of each client that follow from the settings. */

import { optionsFor } from './allowed-options.ts';
import type { KafkaSettings } from './kafka-settings.ts';
import { securityOptions } from './security.ts';

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
 * Half of it is also how often the library looks for a broker to connect to, 11 ms at least. When a
 * cluster has told its brokers' names it begins anew with these, so the default made every client
 * wait for 50 ms at its start.
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
