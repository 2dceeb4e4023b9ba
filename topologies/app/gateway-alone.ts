/**
 * `gateway`: takes events in for an application on Kafka that runs elsewhere. Any number of
 * gateways may run. Questions go to `serve`.
 */
import { MillraceError } from 'millrace';
import {
  deadLetterTopic,
  type Log,
  type Observer,
  requestMetrics,
  type TopicDescription,
  type TopicPartition,
} from 'millrace/engine';
import {
  allObservers,
  isPassing,
  type KafkaFlags,
  kafkaConfiguration,
  type LogLevel,
  logObserver,
  metricsObserver,
  onInterrupt,
  openObservedKafkaLog,
  type PartitionLag,
  systemScheduler,
  whileStarting,
} from '../../engine/cli/index.ts';
import { events } from '../event.ts';
import { serveGateway } from '../gateway/gateway-server.ts';
import {
  cachedBacklog,
  declaredFields,
  openIntake,
  readGateway,
  withRequests,
  world,
  writerName,
} from './gateway-listener.ts';

export interface GatewayAloneOptions extends KafkaFlags {
  /**
   * The application whose events they are. It names dead letters, and the group whose lag is the
   * backlog.
   */
  readonly application: string;
  readonly gateway?: string;
  readonly http: number;
  readonly httpHost?: string;
  readonly logLevel: LogLevel;
  readonly stopWithin?: number;
}

/** Interval at which missing topics are looked for, ms. */
const lookEveryMs = 1_000;

/** Runs until it is interrupted. @throws CONFIG_INVALID, HTTP_UNAVAILABLE, and errors of Kafka */
export async function gatewayAlone(options: GatewayAloneOptions): Promise<void> {
  const settings = (await kafkaConfiguration(options))?.settings;
  if (settings === undefined) {
    const problem =
      'must name a Kafka cluster; an embedded log belongs to one process, and `serve` has its gateway';
    throw new MillraceError('CONFIG_INVALID', { field: '--brokers', problem });
  }
  const { application, httpHost: host = '127.0.0.1', http, stopWithin } = options;
  const config = await readGateway(options.gateway);
  const catalogue = await declaredFields(config);
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const signal = onInterrupt(say, stopWithin);
  const state = new GatewayState();
  let opened: ReturnType<typeof openIntake> | undefined;
  let lags = async (): Promise<readonly PartitionLag[]> => [];
  const requests = requestMetrics();
  const metrics = metricsObserver(() => lags());
  const observer = allObservers([logObserver(options.logLevel), metrics.observer, state.observer]);
  const endpoint = await serveGateway({
    port: http,
    host,
    config,
    intake: () => opened?.intake,
    backlog: cachedBacklog(() => lags()),
    health: () => ({ status: state.status, application }),
    metrics: withRequests(
      async () => ({
        contentType: metrics.registry.contentType,
        text: await metrics.registry.metrics(),
      }),
      requests,
    ),
    requests,
    questions: [],
    ...world,
  });
  process.stderr.write(`events on http://${host}:${endpoint.port}\n`);
  let log: Log | undefined;
  try {
    const started = whileStarting(signal, say);
    log = await openObservedKafkaLog(settings, application, observer);
    started();
    const topics = await topicsOf(log, application, signal);
    if (topics === undefined) return;
    lags = groupLags(log, application, topics);
    const partitionsOf = Object.fromEntries(
      topics.map(({ name, partitions }) => [name, partitions]),
    );
    const writer = writerName(settings.instanceId);
    opened = openIntake({ log, application, partitionsOf, writer, requests, catalogue });
    state.started();
    await aborted(signal);
  } finally {
    // Closed first, because requests under way still write to the log.
    await endpoint.close();
    await opened?.appender.close();
    await log?.close();
  }
}

/**
 * The topics to write, once the application has made them; undefined when the signal came first.
 */
async function topicsOf(
  log: Log,
  application: string,
  signal: AbortSignal,
): Promise<readonly TopicDescription[] | undefined> {
  const names = [events.name, deadLetterTopic(application)];
  for (let said = false; !signal.aborted; ) {
    const found = (await log.topics()).filter(({ name }) => names.includes(name));
    if (found.length === names.length) return found;
    const missing = names.filter((name) => !found.some((topic) => topic.name === name));
    if (!said) {
      const remedy = `start the application ${application}, which creates them`;
      process.stderr.write(`waiting for the topics ${missing.join(', ')}: ${remedy}\n`);
    }
    said = true;
    await systemScheduler.sleep(lookEveryMs, signal);
  }
  return undefined;
}

/**
 * The number of events that the application has not read. Transaction markers without records after
 * them are counted too, so it may be a little too high.
 */
function groupLags(log: Log, application: string, topics: readonly TopicDescription[]) {
  const all = topics
    .filter(({ name }) => name === events.name)
    .flatMap(({ name: topic, partitions }) =>
      Array.from({ length: partitions }, (_, partition): TopicPartition => ({ topic, partition })),
    );
  return (): Promise<PartitionLag[]> =>
    Promise.all(
      all.map(async (at) => {
        const end = await log.endOffset(at);
        const from = (await log.committed(application, at))?.offset ?? (await log.startOffset(at));
        return { ...at, records: Math.max(0, end - from) };
      }),
    ).catch((error: unknown) => {
      // While no broker answers, the log itself refuses events, and the lag is unknown.
      if (isPassing(error)) return [];
      throw error;
    });
}

/** Health of the gateway: it runs when the log is open and answers. */
class GatewayState {
  #started = false;
  #away = false;
  readonly observer: Observer = {
    on: (name) => {
      if (name === 'logAway' || name === 'logBack') this.#away = name === 'logAway';
    },
  };

  started(): void {
    this.#started = true;
  }

  get status(): string {
    if (!this.#started) return 'starting';
    return this.#away ? 'waiting' : 'running';
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((done) => {
    if (signal.aborted) done();
    else signal.addEventListener('abort', () => done(), { once: true });
  });
}
