/**
 * Sends the metrics of `/metrics` to a DogStatsD agent, with the same names and labels: gauges as
 * values, counters as increments, and of a histogram `_sum` and `_count` without the buckets.
 */
import type { StatsD } from 'hot-shots';
import { MillraceError, messageOf } from '../base/errors.ts';
import type { Observer } from '../base/events.ts';
import { optionalPackage } from '../base/optional-package.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { Metrics } from './observe.ts';

type Registry = Metrics['registry'];

export interface StatsdOptions {
  readonly host: string;
  readonly port: number;
  /** Called each time, because some are created while the process starts. */
  readonly registries: () => readonly Registry[];
  readonly observer: Observer;
  readonly scheduler: Scheduler;
  /** Interval between sends, ms. */
  readonly everyMs?: number;
  /** Maximal number of series; the rest is left out, which is reported once. */
  readonly seriesMost?: number;
}

/** The current value of a series. */
interface Sample {
  readonly name: string;
  readonly kind: 'gauge' | 'counter';
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const defaultEveryMs = 10_000;
const defaultSeriesMost = 5_000;
/** Packet size that fits most networks, bytes. */
const packetBytes = 1_432;
const portMost = 65_535;

/** `host:port`, or a host alone for the usual port. @throws CONFIG_INVALID that names `statsd` */
export function statsdAddress(text: string): { readonly host: string; readonly port: number } {
  const [, ipv6, host = ipv6, port = '8125'] =
    /^(?:\[([\da-fA-F:.]+)\]|([\w.-]+))(?::(\d+))?$/.exec(text) ?? [];
  const number = Number(port);
  if (host !== undefined && number > 0 && number <= portMost) return { host, port: number };
  const problem = `must be host:port, such as 127.0.0.1:8125, is ${JSON.stringify(text)}`;
  throw new MillraceError('CONFIG_INVALID', { field: 'option `statsd`', problem });
}

export class StatsdEmitter {
  readonly #options: StatsdOptions;
  readonly #client: StatsD;
  /** Last sent value of each counter series. */
  readonly #sent = new Map<string, number>();
  readonly #closing = new AbortController();
  #isFull = false;
  /** The last reported problem. */
  #problem = '';
  #running: Promise<void> | undefined;

  private constructor(options: StatsdOptions, client: StatsD) {
    this.#options = options;
    this.#client = client;
  }

  /** @throws PACKAGE_MISSING if hot-shots is not installed */
  static async open(options: StatsdOptions): Promise<StatsdEmitter> {
    const { StatsD } = await optionalPackage('statsd', 'hot-shots', () => import('hot-shots'));
    let emitter: StatsdEmitter | undefined;
    const client = new StatsD({
      ...{ host: options.host, port: options.port, protocol: 'udp', maxBufferSize: packetBytes },
      // Values are not sampled, so only lost packets make them wrong.
      errorHandler: (error) => emitter?.failed(error),
      telemetry: false,
    } as ConstructorParameters<typeof StatsD>[0]);
    emitter = new StatsdEmitter(options, client);
    emitter.#running = emitter.#run();
    return emitter;
  }

  /** Reports a problem once, until a different one occurs. */
  failed(error: unknown): void {
    const problem = messageOf(error);
    if (problem === this.#problem) return;
    this.#problem = problem;
    const { host, port, observer } = this.#options;
    observer.on('metricsUnsent', { address: `${host}:${port}`, problem });
  }

  /** Sends the current values, and closes. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#running;
    await new Promise<void>((done) => {
      this.#client.close(() => done());
    });
  }

  async #run(): Promise<void> {
    const { scheduler, everyMs = defaultEveryMs } = this.#options;
    const { signal } = this.#closing;
    do {
      await scheduler.sleep(everyMs, signal);
      await this.#send().catch((error: unknown) => this.failed(error));
    } while (!signal.aborted);
  }

  async #send(): Promise<void> {
    const { registries, seriesMost = defaultSeriesMost } = this.#options;
    const samples = (await Promise.all(registries().map(samplesOf))).flat();
    if (samples.length > seriesMost && !this.#isFull) {
      this.#isFull = true;
      this.failed(`${samples.length} series, of which ${seriesMost} are sent`);
    }
    for (const { name, kind, labels, value } of samples.slice(0, seriesMost)) {
      if (kind === 'gauge') {
        this.#client.gauge(name, value, labels);
        continue;
      }
      const series = `${name} ${JSON.stringify(labels)}`;
      const grown = value - (this.#sent.get(series) ?? 0);
      this.#sent.set(series, value);
      if (grown > 0) this.#client.increment(name, grown, labels);
    }
  }
}

async function samplesOf(registry: Registry): Promise<Sample[]> {
  const samples: Sample[] = [];
  for (const { name: own, type, values } of await registry.getMetricsAsJSON()) {
    const kind = String(type) === 'gauge' ? 'gauge' : 'counter';
    for (const one of values as readonly MetricValue[]) {
      const { metricName: name = own, labels, value } = one;
      if (!Number.isFinite(value) || 'le' in labels || 'quantile' in labels) continue;
      const texts = Object.entries(labels).map(([label, text]) => [label, String(text)] as const);
      samples.push({ name, kind, labels: Object.fromEntries(texts), value });
    }
  }
  return samples;
}

/** A value of prom-client, whose own type lacks the name. */
interface MetricValue {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}
