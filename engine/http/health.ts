/** The health of the runtime, derived from its events, for orchestrators. */

import type { Clock } from '../base/clock.ts';
import type { Observer, TelemetryEvents } from '../base/events.ts';
import { keyOf } from '../log/partition-key.ts';

export type HealthStatus =
  | 'starting'
  | 'restoring'
  | 'running'
  | 'paused'
  | 'recovering'
  | 'waiting'
  | 'stopped';

export interface Health {
  readonly status: HealthStatus;
  readonly application: string;
  /** Id of the last commit of this run; 0 before the first. */
  readonly commitId: number;
  /** Since the last commit, ms; null before the first. */
  readonly lastCommitAgeMs: number | null;
  /** Greatest event time so far, ms UTC; null before the first record. */
  readonly streamTime: number | null;
  /**
   * Partitions that cannot be read now, with reasons; the status is 'waiting' while there are any.
   */
  readonly stalled: readonly StalledPartition[];
  /** The pauses; the status is 'paused' if the whole application is paused. */
  readonly paused: TelemetryEvents['pauseChanged'];
}

/** True if the process serves requests and loses nothing, so an orchestrator need not act. */
export function isReady({ status }: { readonly status: string }): boolean {
  return status === 'running' || status === 'paused';
}

export interface StalledPartition {
  readonly topic: string;
  readonly partition: number;
  readonly problem: string;
}

export class HealthWatch {
  readonly observer: Observer;
  readonly #clock: Clock;
  #life: 'starting' | 'running' | 'stopped' = 'starting';
  /** No broker answers. */
  #isAway = false;
  /** By topic and partition. */
  readonly #stalled = new Map<string, StalledPartition>();
  /** A worker died or the outcome of a commit is unknown, and the tasks are not reopened yet. */
  #isRecovering = false;
  /** Tasks being opened. */
  #opening = 0;
  #paused: TelemetryEvents['pauseChanged'] = {
    ...{ all: false, topics: [], partitions: [], sources: [] },
  };
  #application = '';
  #commitId = 0;
  #committedAt: number | undefined;
  #streamTime: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.observer = {
      on: (name, event) => {
        if ('application' in event) this.#application = event.application;
        if (name === 'runtimeStarting') this.#life = 'starting';
        else if (name === 'runtimeStarted') this.#life = 'running';
        else if (name === 'runtimeStopped') this.#life = 'stopped';
        else if (name === 'logAway' || name === 'logBack') this.#isAway = name === 'logAway';
        else if (name === 'partitionResumed')
          this.#stalled.delete(keyOf(event as TelemetryEvents['partitionResumed']));
        else if (name === 'partitionStalled') {
          const { topic, partition, problem } = event as TelemetryEvents['partitionStalled'];
          this.#stalled.set(keyOf({ topic, partition }), { topic, partition, problem });
        } else if (name === 'workerLost' || name === 'commitDoubtful') this.#isRecovering = true;
        else if (name === 'recovered') this.#isRecovering = false;
        else if (name === 'pauseChanged') this.#paused = event as TelemetryEvents['pauseChanged'];
        else if ('opening' in event) this.#opening = event.opening;
        else if ('commitId' in event) {
          this.#commitId = event.commitId;
          this.#committedAt = this.#clock.monotonic();
          if (Number.isFinite(event.streamTime)) this.#streamTime = event.streamTime;
        }
      },
    };
  }

  get #status(): HealthStatus {
    if (this.#life === 'stopped') return 'stopped';
    if (this.#isAway || this.#stalled.size > 0) return 'waiting';
    if (this.#isRecovering) return 'recovering';
    if (this.#opening > 0) return 'restoring';
    return this.#life === 'running' && this.#paused.all ? 'paused' : this.#life;
  }

  get health(): Health {
    const at = this.#committedAt;
    return {
      status: this.#status,
      application: this.#application,
      commitId: this.#commitId,
      lastCommitAgeMs: at === undefined ? null : Math.round(this.#clock.monotonic() - at),
      streamTime: this.#streamTime,
      stalled: [...this.#stalled.values()],
      paused: this.#paused,
    };
  }
}
