/** The settings of a run besides its topology and log, and their validation. */
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
  /**
   * Partitions of topics without a declared number; default 4, and for repartition topics as many
   * as the widest input.
   */
  readonly partitions?: number;
  /**
   * Maximal number of records read from a partition in a cycle; default 16384, and up to four times
   * as many if cycles under a backlog take less than the commit interval. Smaller cycles commit
   * sooner under a backlog; larger ones cost less per record (bench/README.md).
   */
  readonly recordsPerCycle?: number;
  /** A task commits early when this many bytes of changed state wait; default 32 MiB. */
  readonly dirtyBytesMax?: number;
  /** Maximal size of a task's clean cache, bytes; default 32 MiB. */
  readonly cacheBytes?: number;
  /**
   * Memory for state over all tasks and threads, bytes: caches, packed cells, uncommitted changes,
   * memtables. Default: three tenths of the memory of the container or machine above 200 MiB.
   */
  readonly memoryBytes?: number;
  readonly onError?: Partial<ErrorPolicy>;
  /** Stores of an earlier topology that may be left behind; their changelogs stay. */
  readonly orphans?: readonly string[];
  /** What to do if the log no longer has the next record; default 'stop'. */
  readonly onOffsetLost?: OffsetLost;
  /**
   * Maximal time between the starts of two cycles without a backlog, ms, so that a commit has more
   * records. The actual time is twice the duration of the last cycle, but at least a quarter of
   * this setting, so that records do not wait for an idle engine. Default 0: at once.
   */
  readonly commitIntervalMs?: number;
  /**
   * When a source partition is read to its end and silent for this time (ms), `run` advances its
   * time to the wall clock minus this, whatever other partitions do: windows close and timers fire.
   * For topics whose event times follow the clock. Default: after 30 s time no longer waits for the
   * partition, and it promises nothing.
   */
  readonly idleAfterMs?: number;
  /**
   * How far a source partition may be read ahead of the slowest one with records, ms of event time,
   * so that state stays small in a replay. Default one day, for partitions that downstream tasks
   * wait for; Infinity: no limit.
   */
  readonly maxDriftMs?: number;
  /**
   * What happens to open windows, timers and waiting joins when bounded input has ended. 'keep'
   * (default): they wait for more. 'close': they close once; later input continues without loss.
   */
  readonly atEnd?: 'close' | 'keep';
  /**
   * With tracing (docs/ALERTS.md), one in this many of the records without a context starts a
   * trace; 0: none does. Default 1 000.
   */
  readonly traceEvery?: number;
  /** Interval between clean-ups of the log (retention, compaction), ms; default five minutes. */
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
 * @param of owner of the settings, for messages
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

/** Picks the settings from other options. */
export function settingsIn<T extends RuntimeSettings>(options: T): RuntimeSettings {
  const known = Object.keys(rules) as (keyof RuntimeSettings)[];
  return Object.fromEntries(known.map((name) => [name, options[name]]));
}

/**
 * Checks the name of an application, which is the prefix of its topics, group and state.
 * @throws CONFIG_INVALID
 */
export function checkApplicationName(name: string): void {
  const problem = nameProblem(name);
  if (problem !== undefined) refuseSetting('application', `${shown(name)} ${problem}`);
}
