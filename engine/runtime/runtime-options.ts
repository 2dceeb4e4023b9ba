/** The options of a runtime. */
import type { Clock } from '../base/clock.ts';
import type { Observer } from '../base/events.ts';
import type { Scheduler } from '../base/scheduler.ts';
import type { Topology } from '../graph/graph.ts';
import type { Log } from '../log/log.ts';
import type { StepHook } from '../task/commit.ts';
import type { HostConfig, HostPort } from '../task/host-port.ts';
import type { SourceConnector } from './connector.ts';
import type { RuntimeSettings } from './run-settings.ts';

export interface RuntimeOptions extends RuntimeSettings {
  readonly topology: Topology;
  /**
   * Name of the group, the changelogs and the state. On a shared log, instances with the same name
   * share the work.
   */
  readonly application: string;
  readonly log: Log;
  readonly stateDirectory: string;
  /** Starts the threads that run the tasks; task i runs on host i mod n. */
  readonly startHosts: (config: HostConfig) => Promise<readonly HostPort[]>;
  readonly sources?: readonly SourceConnector[];
  /** Refuse timestamps too far ahead of the clock; default: true if it is the machine's clock. */
  readonly guardByClock?: boolean;
  readonly observer?: Observer;
  /** host:port at which other processes of the application reach this one; for a shared log. */
  readonly address?: string;
  readonly clock?: Clock;
  readonly scheduler?: Scheduler;
  /**
   * True if the clock only moves between runs, so that a run must not wait for it. For test
   * drivers.
   */
  readonly clockStands?: boolean;
  /** Called at every commit step; see task/commit.ts. */
  readonly at?: StepHook;
}
