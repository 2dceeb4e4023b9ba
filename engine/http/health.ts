/** Whether the runtime is well, from its events: what an orchestrator asks. */
import type { Clock } from '../base/clock.ts';
import type { Observer } from '../base/events.ts';

export type HealthStatus =
  | 'starting'
  | 'restoring'
  | 'running'
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
  /** Greatest event time taken in, ms UTC; null before the first record. */
  readonly streamTime: number | null;
}

export class HealthWatch {
  readonly observer: Observer;
  readonly #clock: Clock;
  #status: HealthStatus = 'starting';
  #started = false;
  /** Tasks that are being opened. */
  #opening = 0;
  /** No broker answers. */
  #away = false;
  #application = '';
  #commitId = 0;
  #committedAt: number | undefined;
  #streamTime: number | null = null;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.observer = {
      on: (name, event) => {
        if ('application' in event) this.#application = event.application;
        if (name === 'runtimeStarted') this.#started = true;
        if (name === 'logAway' || name === 'logBack') this.#away = name === 'logAway';
        if (name === 'runtimeStarting') this.#status = 'starting';
        if (name === 'workerLost' || name === 'commitDoubtful') this.#status = 'recovering';
        else if ('opening' in event) {
          this.#opening = event.opening;
          if (event.opening > 0) this.#status = 'restoring';
          else if (this.#started) this.#status = 'running';
        } else if (name === 'runtimeStarted') {
          // Where all tasks are ours at once they have been opened before.
          if (this.#opening === 0) this.#status = 'running';
        } else if (name === 'runtimeStopped') this.#status = 'stopped';
        else if ('commitId' in event) {
          this.#status = 'running';
          this.#commitId = event.commitId;
          this.#committedAt = this.#clock.monotonic();
          if (Number.isFinite(event.streamTime)) this.#streamTime = event.streamTime;
        }
      },
    };
  }

  get health(): Health {
    const at = this.#committedAt;
    return {
      status: this.#away && this.#status !== 'stopped' ? 'waiting' : this.#status,
      application: this.#application,
      commitId: this.#commitId,
      lastCommitAgeMs: at === undefined ? null : Math.round(this.#clock.monotonic() - at),
      streamTime: this.#streamTime,
    };
  }
}
