/** The current state of the application and its last minutes: one stream for the whole page. */
import { useEffect, useState } from 'preact/hooks';
import type { TimeReport } from '../../engine/runtime/time-report.ts';
import { AskError, eventsOf } from './api.ts';

/** [at, records in, out, dropped, dead-lettered]; totals, `at` in ms UTC. */
export type Sample = readonly [number, number, number, number, number];

export interface TopicState {
  readonly partitions: number;
  readonly end: number;
  readonly kept: number;
  readonly lag?: number;
  /** Partitions of which nobody says what waits in them. */
  readonly unknown?: number;
}

/** What is not read; partitions as 'topic/partition'. */
export interface Paused {
  readonly all: boolean;
  readonly topics: readonly string[];
  readonly partitions: readonly string[];
  readonly sources: readonly string[];
}

/** Somebody who holds tasks; `address` null of this process, and of nobody. */
export interface Holding {
  readonly address: string | null;
  readonly isHere: boolean;
  readonly answers: boolean;
  readonly tasks: readonly string[];
}

export interface SourceState {
  readonly name: string;
  readonly records: number;
  readonly bytes: number;
  readonly deadLettered: number;
  readonly skipped: Readonly<Record<string, number>>;
  readonly done: boolean;
  readonly eventTime: number | null;
}

export interface Flow {
  readonly application: string;
  readonly health: {
    readonly status: string;
    readonly commitId: number;
    readonly lastCommitAgeMs: number | null;
    readonly streamTime: number | null;
    readonly paused: Paused;
    readonly stalled: readonly { topic: string; partition: number; problem: string }[];
  };
  readonly totals: Sample;
  readonly samples?: readonly Sample[];
  readonly steps: Readonly<
    Record<
      string,
      {
        readonly drops: Readonly<Record<string, number>>;
        readonly deadLetters: Readonly<Record<string, number>>;
      }
    >
  >;
  readonly sources: readonly SourceState[];
  readonly topics: Readonly<Record<string, TopicState>>;
  readonly problem?: string;
  readonly memory: {
    readonly budget: number;
    readonly cache: number;
    readonly packed: number;
    readonly backend: number;
    readonly tasks: Readonly<Record<string, number>>;
  };
  readonly cycles: {
    readonly count: number;
    readonly stages: Readonly<Record<string, number>>;
    readonly half: number | null;
    readonly most: number | null;
  };
  readonly threads: number;
  readonly tasks: number;
  readonly restoring?: { readonly done: number; readonly total: number };
  readonly notices: readonly { at: number; text: string; level: 'info' | 'warning' }[];
  readonly deadLetterTopic: string;
  readonly time?: TimeReport;
  /** Absent where this process has all tasks, always. */
  readonly processes?: readonly Holding[];
}

export interface Live {
  readonly state: 'connecting' | 'live' | 'lost';
  readonly flow: Flow | undefined;
  readonly samples: readonly Sample[];
  /** Records written to each topic a second, over the last seconds. */
  readonly topicRates: Readonly<Record<string, number>>;
}

const samplesKept = 300;
const retryMs = 1_000;
/** Samples that a rate is computed from, so that it does not flicker. */
const looks = 5;

export function useLive(key: unknown): Live {
  const [live, setLive] = useState<Live>({
    state: 'connecting',
    flow: undefined,
    samples: [],
    topicRates: {},
  });
  useEffect(() => {
    const gone = new AbortController();
    void follow(gone.signal, setLive);
    return () => gone.abort();
  }, [key]);
  return live;
}

async function follow(signal: AbortSignal, set: (next: (old: Live) => Live) => void) {
  while (!signal.aborted) {
    try {
      const recent: { at: number; topics: Flow['topics'] }[] = [];
      for await (const { data } of eventsOf('/console/api/live', signal)) {
        const flow = data as Flow;
        recent.push({ at: flow.totals[0], topics: flow.topics });
        if (recent.length > looks) recent.shift();
        const topicRates = ratesOf(recent);
        set((old) => ({
          state: 'live',
          flow,
          samples: [...(flow.samples ?? old.samples), flow.totals].slice(-samplesKept),
          topicRates,
        }));
      }
    } catch (error) {
      if (signal.aborted) return;
      if (error instanceof AskError && error.status === 401) return;
    }
    if (signal.aborted) return;
    set((old) => ({ ...old, state: 'lost' }));
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}

function ratesOf(
  recent: readonly { readonly at: number; readonly topics: Flow['topics'] }[],
): Record<string, number> {
  const [first, last] = [recent[0], recent.at(-1)];
  if (first === undefined || last === undefined || last.at <= first.at) return {};
  const seconds = (last.at - first.at) / 1_000;
  return Object.fromEntries(
    Object.entries(last.topics).flatMap(([name, { end }]) => {
      const before = first.topics[name];
      return before === undefined ? [] : [[name, Math.max(0, end - before.end) / seconds]];
    }),
  );
}

/**
 * Rates between neighbouring samples, per second; where totals fall back, after a restart, there is
 * no rate.
 */
export function perSecond(samples: readonly Sample[], column: 1 | 2 | 3 | 4): (number | null)[] {
  return samples.map((sample, i) => {
    const before = samples[i - 1];
    if (before === undefined || sample[0] <= before[0] || sample[column] < before[column]) {
      return null;
    }
    return ((sample[column] - before[column]) * 1_000) / (sample[0] - before[0]);
  });
}

/** The mean rate of the last seconds. */
export function rateNow(samples: readonly Sample[], column: 1 | 2 | 3 | 4): number {
  const last = samples.at(-1);
  const first = samples.at(-1 - looks) ?? samples[0];
  if (first === undefined || last === undefined || last[0] <= first[0]) return 0;
  return Math.max(0, ((last[column] - first[column]) * 1_000) / (last[0] - first[0]));
}
