/**
 * Serves questions, console, metrics and health of an application over HTTP, and sends its metrics
 * to an agent.
 */
import { hostname } from 'node:os';
import { systemClock } from '../base/clock.ts';
import type { Observer } from '../base/events.ts';
import { systemScheduler } from '../base/scheduler.ts';
import type { Topology } from '../graph/graph.ts';
import { Console } from '../http/console.ts';
import { HealthWatch } from '../http/health.ts';
import { type HttpEndpoint, serveHttp } from '../http/http-server.ts';
import type { AnyRoute } from '../http/routes.ts';
import { type Metrics, metricsObserver } from '../runtime/observe.ts';
import { StatsdEmitter, type statsdAddress } from '../runtime/statsd.ts';
import { Announcement } from './announcement.ts';
import { engineRoutes } from './engine-routes.ts';
import type { ExecutionOptions, Running } from './execution-options.ts';
import type { RunningHere } from './running-here.ts';

export interface ServingParts {
  readonly options: ExecutionOptions;
  readonly application: string;
  readonly topology: Topology;
  readonly here: RunningHere;
  /** The agent that receives the metrics. */
  readonly agent: ReturnType<typeof statsdAddress> | undefined;
  readonly observer: Observer;
  /** Receives all events from now on. */
  observe(observer: Observer): void;
}

/** The HTTP services of an application; none unless requested. */
export class Serving {
  readonly #parts: ServingParts;
  #metrics: Metrics | undefined;
  #page: Console | undefined;
  #endpoint: HttpEndpoint | undefined;
  #announcement: Announcement | undefined;
  #statsd: StatsdEmitter | undefined;
  /** Where a person opens it. */
  #url: string | undefined;

  constructor(parts: ServingParts) {
    this.#parts = parts;
  }

  get url(): string | undefined {
    return this.#url;
  }

  async open(): Promise<void> {
    const { options, here, observe } = this.#parts;
    this.#metrics = metricsOf(options, here);
    if (this.#metrics !== undefined) observe(this.#metrics.observer);
    if (options.http !== undefined) await this.#listen(options.http);
    await this.#sendMetrics();
  }

  /** Closed first, while pending requests can still write to the log. */
  async close(): Promise<void> {
    this.#announcement?.cancel();
    this.#page?.close();
    await this.#endpoint?.close();
    await this.#statsd?.close();
  }

  async #listen(port: number): Promise<void> {
    const { options, application, topology, here, observer, observe } = this.#parts;
    const { httpHost: host = '127.0.0.1' } = options;
    const health = new HealthWatch(systemClock);
    const running = () => here.running;
    const page = new Console({
      ...{ application, topology, running, health: () => health.health },
      ...{ clock: systemClock, scheduler: systemScheduler },
      hasPeople: options.hasPeople ?? false,
    });
    this.#page = page;
    observe(health.observer);
    observe(page.watch.observer);
    const metrics = this.#metrics;
    const listen = options.listen ?? serveHttp;
    const endpoint = await listen({
      ...{ application, observer, running, page, port, host },
      health: () => health.health,
      metrics: async () => ({
        contentType: metrics?.registry.contentType ?? '',
        text: (await metrics?.registry.metrics()) ?? '',
      }),
      routes: this.#routesOnce(),
    });
    this.#endpoint = endpoint;
    if (options.kafka !== undefined) {
      here.address = options.advertise ?? addressOf(host, endpoint.port);
    }
    this.#url = urlOf(host, endpoint.port);
    const lines = [
      `questions, metrics and health on http://${host}:${endpoint.port}`,
      `console on ${this.#url}/console/`,
    ];
    this.#announcement = new Announcement(lines, (text) => process.stderr.write(text));
    observe(this.#announcement.observer);
  }

  /** The routes, created once the application can answer. */
  #routesOnce(): () => readonly AnyRoute[] | undefined {
    const { options, here } = this.#parts;
    const routesOf = (now: Running) => [...engineRoutes(now), ...(options.routes?.(now) ?? [])];
    let routes: readonly AnyRoute[] | undefined;
    return () => {
      const now = here.running;
      if (now === undefined) return undefined;
      routes ??= routesOf(now);
      return routes;
    };
  }

  async #sendMetrics(): Promise<void> {
    const { agent, observer } = this.#parts;
    const metrics = this.#metrics;
    if (agent === undefined || metrics === undefined) return;
    const registries = () => {
      const own = this.#endpoint?.registry;
      return own === undefined ? [metrics.registry] : [metrics.registry, own];
    };
    const to = { ...agent, scheduler: systemScheduler };
    this.#statsd = await StatsdEmitter.open({ ...to, registries, observer });
  }
}

/** Where somebody takes them. */
function metricsOf(
  { env, http, statsd }: ExecutionOptions,
  here: RunningHere,
): Metrics | undefined {
  if (http === undefined && statsd === undefined) return undefined;
  return metricsObserver(
    async () => (await here.runtime?.lag()) ?? [],
    async () => here.runtime?.time(),
    env.directory,
  );
}

/**
 * The address for a person. A server that listens on all interfaces is reached here by the name of
 * this machine.
 */
function urlOf(host: string, port: number): string {
  const own = host === '0.0.0.0' || host === '::' ? 'localhost' : host;
  return `http://${own.includes(':') ? `[${own}]` : own}:${port}`;
}

/** The default address at which other machines reach this one. */
function addressOf(host: string, port: number): string {
  const name = ['0.0.0.0', '::', ''].includes(host) ? hostname() : host;
  return name.includes(':') ? `[${name}]:${port}` : `${name}:${port}`;
}
