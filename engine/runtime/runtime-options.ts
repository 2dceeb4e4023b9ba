/** What a runtime is made of. */
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
   * Names the group, the changelogs and the state. On a shared log, the instances of a name share
   * the work.
   */
  readonly application: string;
  readonly log: Log;
  readonly stateDirectory: string;
  /** Starts the threads that run the tasks; task i runs on host i mod n. */
  readonly startHosts: (config: HostConfig) => Promise<readonly HostPort[]>;
  readonly sources?: readonly SourceConnector[];
  /** Refuse timestamps that lie too far ahead of the clock; default: when it is the machine's. */
  readonly guardByClock?: boolean;
  readonly observer?: Observer;
  /** host:port at which other processes of the application reach this one, on a shared log. */
  readonly address?: string;
  readonly clock?: Clock;
  readonly scheduler?: Scheduler;
  /**
   * The clock moves between two runs only: what waits for it is not waited for. Of test drivers.
   */
  readonly clockStands?: boolean;
  /** Called at every commit step; see task/commit.ts. */
  readonly at?: StepHook;
}
