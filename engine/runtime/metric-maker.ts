/** Creates metrics for the counting code; implemented with prom-client (observe.ts). */

type Labels = Readonly<Record<string, string>>;

export interface Counting {
  inc(labels: Labels, by?: number): void;
}

export interface Gauging {
  set(labels: Labels, value: number): void;
  inc(labels: Labels): void;
  /** Forgets the values of all labels. */
  reset(): void;
}

export interface Observing {
  observe(labels: Labels, value: number): void;
}

/** Makes metrics; each gets the prefix `millrace_`. */
export interface MetricMaker {
  counter(name: string, help: string, labelNames?: readonly string[]): Counting;
  gauge(name: string, help: string, labelNames?: readonly string[]): Gauging;
  /** A gauge that is filled when it is read. */
  asked(
    name: string,
    help: string,
    labelNames: readonly string[],
    fill: (gauge: Gauging) => void | Promise<void>,
  ): void;
  histogram(
    name: string,
    help: string,
    buckets: readonly number[],
    labelNames?: readonly string[],
  ): Observing;
}
