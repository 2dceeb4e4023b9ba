/** The log of an application: the embedded one, Kafka, or one from outside. */
import type { Observer } from '../base/events.ts';
import { after, systemTiming } from '../base/timing.ts';
import { openKafkaLog } from '../log/kafka/adapter/kafka-log.ts';
import type { KafkaSettings } from '../log/kafka/settings/kafka-settings.ts';
import type { Log } from '../log/log.ts';
import { type LogChoice, loadLog } from '../thread/adapters.ts';
import { type Environment, openLog } from './environment.ts';

export interface AnyLog {
  readonly env: Environment;
  readonly application: string;
  /** The log is Kafka. */
  readonly kafka?: KafkaSettings | undefined;
  /** A log from outside. Not with `kafka`. */
  readonly log?: LogChoice | undefined;
}

/** @throws CONFIG_INVALID if the module exports no log, and any error of opening it */
export async function openAnyLog(
  { env, application, kafka, log }: AnyLog,
  observer?: Observer,
): Promise<Log> {
  if (log !== undefined) {
    const factory = await loadLog(log);
    return factory.open({ application, directory: env.logDirectory });
  }
  if (kafka === undefined) return openLog(env, application);
  if (observer === undefined) return openKafkaLog({ settings: kafka, application });
  return openObservedKafkaLog(kafka, application, observer);
}

/** A start that waits longer for brokers reports it, ms. */
const saidAfterMs = 3_000;

/** Kafka, with its events passed to the observer. */
export async function openObservedKafkaLog(
  settings: KafkaSettings,
  application: string,
  observer: Observer,
): Promise<Log> {
  const { clock, scheduler } = systemTiming;
  const begin = clock.monotonic();
  let isTold = false;
  const callOff = after(scheduler, saidAfterMs, () => {
    isTold = true;
    observer.on('logAway', { problem: `${settings.brokers}: no answer since the start` });
  });
  try {
    const log = await openKafkaLog({ settings, application, ...kafkaEvents(observer) });
    if (isTold) observer.on('logBack', { awayMs: clock.monotonic() - begin });
    return log;
  } finally {
    callOff();
  }
}

/** Reports of the Kafka log as events. */
function kafkaEvents(observer: Observer): Partial<Parameters<typeof openKafkaLog>[0]> {
  return {
    onUpkeepFailed: (problem) => observer.on('upkeepFailed', { problem }),
    onTransport: (transport, reason) => observer.on('kafkaTransport', { transport, reason }),
    onHandedBack: ({ topic, partition }, reason) =>
      observer.on('fetchHandedBack', { topic, partition, reason }),
    onStalled: ({ topic, partition }, problem) =>
      observer.on('partitionStalled', { topic, partition, problem }),
    onResumed: ({ topic, partition }, stalledMs) =>
      observer.on('partitionResumed', { topic, partition, stalledMs }),
    onWritesHandedBack: (reason) => observer.on('writesHandedBack', { reason }),
    onAway: (problem) => observer.on('logAway', { problem }),
    onBack: (awayMs) => observer.on('logBack', { awayMs }),
  };
}
