/** What a run may be told beside its topology and its log: the settings, and their check. */
import { leastMemoryBytes } from '../base/memory.ts';
import {
  anObject,
  checkSettings,
  choice,
  count,
  list,
  longestTimerMs,
  ms,
  msOrInfinity,
  optional,
  partitionCount,
  type Rule,
  type Rules,
  refuseSetting,
  shown,
  wholeNumber,
} from '../base/settings.ts';
import { nameProblem } from '../graph/topic-names.ts';
import type { ErrorPolicy } from '../task/error-policy.ts';
import type { OffsetLost } from './task-opener.ts';

export interface RuntimeSettings {
  /** Partitions of topics that do not say; default 4, and between steps as many as come before. */
  readonly partitions?: number;
  /**
   * Records read of a partition in a cycle, at most; by default 16384, and up to four times as many
   * where cycles with a backlog take less than the commit interval. Fewer commit sooner while there
   * is a backlog; more cost less a record (bench/README.md).
   */
  readonly recordsPerCycle?: number;
  /** A task commits early when this many bytes of state wait; default 32 MiB. */
  readonly dirtyBytesMax?: number;
  /** Clean cache of a task in bytes, at most; default 32 MiB. */
  readonly cacheBytes?: number;
  /**
   * Memory for state in bytes, over all tasks and threads: caches, packed cells, what waits for
   * commits, memtables. Default: three tenths of what the container or the machine has beside 200
   * MiB.
   */
  readonly memoryBytes?: number;
  readonly onError?: Partial<ErrorPolicy>;
  /** Stores that a topology before had and that may be left behind; their changelogs stay. */
  readonly orphans?: readonly string[];
  /** When the log no longer has what is to be read next; default 'stop'. */
  readonly onOffsetLost?: OffsetLost;
  /**
   * `run` leaves up to so long between the beginnings of two cycles (ms) while it keeps up, so that
   * a commit carries more records; but no longer than twice what the last cycle took, or a quarter
   * of it where that is more, so that records do not wait for an engine that is at leisure. Default
   * 0: at once.
   */
  readonly commitIntervalMs?: number;
  /**
   * When a source partition is read to its end and no record has come for so long (ms), `run` lets
   * its time pass up to the wall clock less this, whatever its neighbours do: windows close and
   * timers fire. For topics whose event times follow the clock. Default: after 30 s it is waited
   * for no more, and promises nothing.
   */
  readonly idleAfterMs?: number;
  /**
   * No source partition is read further ahead of the slowest that has records, ms of event time: in
   * a replay, state stays small. Default one day where someone downstream waits for them; Infinity:
   * as they come.
   */
  readonly maxDriftMs?: number;
  /**
   * What becomes of open windows, timers and waiting joins when bounded input has ended. 'keep'
   * (default): they wait for more. 'close': they close once; what is read later goes on without
   * loss.
   */
  readonly atEnd?: 'close' | 'keep';
  /**
   * Where the application traces (docs/ALERTS.md), of the records that bring no context one in so
   * many begins a trace; 0: none does. Default 1 000.
   */
  readonly traceEvery?: number;
  /** Between two clean-ups of the log (retention, compaction), ms; default five minutes. */
  readonly maintainEveryMs?: number;
}

const verdict = choice('dead-letter', 'stop');

const reaction: Rule = (value) => {
  if (typeof value !== 'object' || value === null) return verdict(value);
  const { retry, otherwise } = value as { retry?: unknown; otherwise?: unknown };
  const is = count(0, 1_000_000)(retry) === undefined && verdict(otherwise) === undefined;
  return is ? undefined : "'dead-letter', 'stop' or { retry: times, otherwise: one of the two }";
};

const rules: Rules<RuntimeSettings> = {
  partitions: optional(partitionCount),
  recordsPerCycle: optional(count(1)),
  dirtyBytesMax: optional(count(1)),
  cacheBytes: optional(count(0)),
  memoryBytes: optional(wholeNumber(leastMemoryBytes, Number.MAX_SAFE_INTEGER)),
  onError: optional(anObject),
  orphans: optional(list),
  onOffsetLost: optional(choice('stop', 'earliest', 'latest')),
  commitIntervalMs: optional(ms(0, longestTimerMs)),
  idleAfterMs: optional(ms(0)),
  maxDriftMs: optional(msOrInfinity(0)),
  atEnd: optional(choice('close', 'keep')),
  traceEvery: optional(count(0)),
  maintainEveryMs: optional(msOrInfinity(0)),
};

/**
 * @param of what they are settings of, for messages
 * @throws CONFIG_INVALID
 */
export function checkRuntimeSettings(of: string, settings: RuntimeSettings): void {
  checkSettings(of, settings, rules);
  if (settings.onError === undefined) return;
  checkSettings(of === '' ? 'onError' : `${of}.onError`, settings.onError, {
    deserialise: optional(verdict),
    process: optional(reaction),
    produce: optional(verdict),
  });
}

/** The settings among other options. */
export function settingsIn<T extends RuntimeSettings>(options: T): RuntimeSettings {
  const known = Object.keys(rules) as (keyof RuntimeSettings)[];
  return Object.fromEntries(known.map((name) => [name, options[name]]));
}

/**
 * The name of an application leads the names of its topics, group and state.
 * @throws CONFIG_INVALID
 */
export function checkApplicationName(name: string): void {
  const problem = nameProblem(name);
  if (problem !== undefined) refuseSetting('application', `${shown(name)} ${problem}`);
}
