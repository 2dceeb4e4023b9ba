/**
 * Metrics of requests from outside. Labels are declared routes, statuses and reasons from closed
 * lists, never values from a client, so clients control neither their number nor their content.
 */
import type { Registry } from 'prom-client';
import { onDemand } from '../base/on-demand.ts';

const promPackage = onDemand<typeof import('prom-client')>('prom-client');

/** The outcome of a request. */
export interface AnsweredRequest {
  /** The declared path; '(unknown)' for any other. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
  /** Duration from its head to the end of its answer. */
  readonly seconds: number;
  /** Reason of a refusal, from a closed list. */
  readonly refusal?: string | undefined;
}

/** The outcome of the events of a request. */
export interface TakenEvents {
  /** Their protocol: from a closed list, or a name in the configuration. */
  readonly source: string;
  readonly accepted: number;
  /** Left out by the mapping. */
  readonly skipped: number;
  readonly rejected: number;
  /** Rejected ones that became dead letters. */
  readonly deadLettered: number;
  /** Properties that the catalogue does not name, which were dropped. */
  readonly undeclared: number;
}

export interface RequestMetrics {
  answered(event: AnsweredRequest): void;
  /** A connection that never became a request: not HTTP, too slow, or one too many. */
  refusedConnection(reason: string): void;
  taken(event: TakenEvents): void;
  /** In the text format of Prometheus. */
  text(): Promise<string>;
  readonly registry: Registry;
}

export type { Registry } from 'prom-client';

/** Seconds. */
const buckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];
const methods = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS']);

export function requestMetrics(): RequestMetrics {
  const { Counter, Histogram, Registry } = promPackage();
  const registry = new Registry();
  const registers = [registry];
  const counter = <T extends string>(name: string, help: string, labelNames: T[]) =>
    new Counter<T>({ name: `millrace_${name}`, help, labelNames, registers });
  const requests = counter('http_requests_total', 'Requests by route and status', [
    'route',
    'method',
    'status',
  ]);
  const refused = counter('http_refused_total', 'Requests and connections refused, by reason', [
    'route',
    'reason',
  ]);
  const events = counter('events_received_total', 'Received events, by outcome', [
    'source',
    'outcome',
  ]);
  const undeclared = counter(
    'properties_undeclared_total',
    'Properties that the catalogue does not declare, dropped on receipt',
    ['source'],
  );
  const seconds = new Histogram({
    name: 'millrace_http_request_seconds',
    help: "Time from a request's head to the end of its response, by route",
    labelNames: ['route'],
    buckets,
    registers,
  });
  return {
    answered: ({ route, method, status, seconds: took, refusal }) => {
      const known = methods.has(method) ? method : '(other)';
      requests.inc({ route, method: known, status: String(status) });
      seconds.observe({ route }, took);
      if (refusal !== undefined) refused.inc({ route, reason: refusal });
    },
    refusedConnection: (reason) => refused.inc({ route: '(none)', reason }),
    taken: ({ source, accepted, skipped, rejected, deadLettered, undeclared: dropped }) => {
      if (dropped > 0) undeclared.inc({ source }, dropped);
      const outcomes = {
        accepted,
        skipped,
        rejected: rejected - deadLettered,
        dead_lettered: deadLettered,
      };
      for (const [outcome, count] of Object.entries(outcomes)) {
        events.inc({ source, outcome }, count);
      }
    },
    text: () => registry.metrics(),
    registry,
  };
}
