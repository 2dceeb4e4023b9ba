/** The options of suppress, and their validation. */
import {
  aFunction,
  anObject,
  checkSetting,
  checkSettings,
  choice,
  count,
  isTrue,
  longestTimerMs,
  ms,
  optional,
  type Rule,
  type Rules,
  refuseSetting,
} from '../engine/base/settings.ts';
import type { WindowSpec } from '../engine/time/windows/window-spec.ts';

/** Limits of a task's buffer. Bytes are those of the encoded keys and values. */
export interface SuppressBuffer {
  readonly maxRecords?: number;
  readonly maxBytes?: number;
}

/**
 * When a window's preliminary result is emitted before the window closes; each condition applies.
 */
export interface EarlyResults<V> {
  /**
   * After this many changes of a window; for a session, including those of the sessions merged into
   * it.
   */
  readonly everyRecords?: number;
  /** This many ms of stream time after a change that was not emitted; emits the newest change. */
  readonly everyMs?: number;
  /**
   * If the predicate returns true; `told` is the last emitted result, undefined if there is none.
   */
  readonly when?: (result: V, told: V | undefined) => boolean;
}

export type SuppressOptions<V = unknown> =
  | (SuppressBuffer & {
      /** One final result per window, and early ones if requested. */
      readonly untilClosed: true;
      readonly early?: EarlyResults<V>;
      /** A final result is never emitted early: a full buffer stops the task with SUPPRESS_FULL. */
      readonly whenFull?: 'stop';
    })
  | (SuppressBuffer & {
      /** ms of stream time that a change waits for newer ones. */
      readonly timeLimitMs: number;
      /**
       * 'emit' (default): the oldest change is emitted early; 'stop': the task stops with
       * SUPPRESS_FULL.
       */
      readonly whenFull?: 'emit' | 'stop';
    })
  | (SuppressBuffer & {
      /**
       * Emits the newest change of each row at every multiple of this interval on the wall clock,
       * ms.
       */
      readonly wallIntervalMs: number;
      readonly whenFull?: 'emit' | 'stop';
    })
  | {
      /**
       * Emits the newest change of each row at each commit, as part of it. The number of merged
       * changes depends on the commits; the last value of each row does not.
       */
      readonly untilCommit: true;
    };

/** Options of kinds that buffer longer than until the commit. */
export type StoredOptions = Exclude<SuppressOptions, { readonly untilCommit: true }>;

type Mode = 'closed' | 'limit' | 'wall';

export interface SuppressSettings {
  readonly mode: Mode;
  /** Limit or interval of the modes 'limit' and 'wall', ms. */
  readonly ms: number;
  readonly early: EarlyResults<unknown> | undefined;
  readonly maxRecords: number;
  readonly maxBytes: number;
  readonly whenFull: 'emit' | 'stop';
}

const finalWhenFull: Rule = (value) =>
  value === undefined || value === 'stop'
    ? undefined
    : "left out, or 'stop': a final result cannot go on early";

/** Every setting of every kind of suppress. */
type EveryOption = SuppressBuffer & {
  readonly untilClosed: true;
  readonly early: EarlyResults<unknown>;
  readonly whenFull: string;
  readonly timeLimitMs: number;
  readonly wallIntervalMs: number;
  readonly untilCommit: true;
};

const ways = ['untilClosed', 'timeLimitMs', 'wallIntervalMs', 'untilCommit'] as const;

const notWith: Rule = (value) =>
  value === undefined ? undefined : 'left out: it belongs to another way of holding back';

const noOther: Rules<EveryOption> = {
  untilClosed: notWith,
  early: notWith,
  whenFull: notWith,
  maxRecords: notWith,
  maxBytes: notWith,
  timeLimitMs: notWith,
  wallIntervalMs: notWith,
  untilCommit: notWith,
};

/** @throws CONFIG_INVALID unless the options select exactly one kind of suppress */
export function checkWay(name: string, options: SuppressOptions): void {
  checkSetting(`suppress ${name}`, options, anObject);
  const given = ways.filter((way) => way in options);
  if (given.length === 1) return;
  const problem = given.length === 0 ? 'says not' : `says twice (${given.join(', ')})`;
  refuseSetting(name, `suppress ${problem} how long to hold back: give one of ${ways.join(', ')}`);
}

/** @throws CONFIG_INVALID for settings that contradict each other or the table */
export function settingsOf(
  name: string,
  options: StoredOptions,
  window: WindowSpec | undefined,
): SuppressSettings {
  const refuse = (field: string, problem: string) => refuseSetting(`${name}.${field}`, problem);
  checkSettings<Partial<EveryOption>>(name, options, {
    ...noOther,
    maxRecords: optional(count(1)),
    maxBytes: optional(count(1)),
    ...('untilClosed' in options
      ? { untilClosed: isTrue, early: optional(anObject), whenFull: finalWhenFull }
      : { whenFull: optional(choice('emit', 'stop')) }),
    ...('timeLimitMs' in options ? { timeLimitMs: ms(0) } : {}),
    ...('wallIntervalMs' in options ? { wallIntervalMs: ms(1, longestTimerMs) } : {}),
  });
  const { maxRecords, maxBytes } = options;
  const bounds = {
    maxRecords: maxRecords ?? Number.POSITIVE_INFINITY,
    maxBytes: maxBytes ?? Number.POSITIVE_INFINITY,
  };
  if ('untilClosed' in options) {
    if (window === undefined) {
      refuse(
        'untilClosed',
        'only the table of a window aggregate can be held until its windows close',
      );
    }
    if (window?.type === 'count') {
      refuse(
        'untilClosed',
        "a count window closes by its key's records: aggregate with emit 'close' instead",
      );
    }
    const { early } = options;
    if (early !== undefined) {
      checkSettings(`${name}.early`, early, {
        everyRecords: optional(count(1)),
        everyMs: optional(ms(1)),
        when: optional(aFunction),
      });
    }
    return { mode: 'closed', ms: 0, early, ...bounds, whenFull: 'stop' };
  }
  const { whenFull = 'emit' } = options;
  if ('timeLimitMs' in options) {
    const { timeLimitMs } = options;
    return { mode: 'limit', ms: timeLimitMs, early: undefined, ...bounds, whenFull };
  }
  return { mode: 'wall', ms: options.wallIntervalMs, early: undefined, ...bounds, whenFull };
}
