/**
 * What each job must give, computed from the events alone and by other means than either engine:
 * every result follows from the sorted times of a key, and from which windows the partition's
 * stream time had closed when an event came. Sessions alone are followed as they grow: what a late
 * event reaches depends on what came before. A window's result is due when stream time has closed
 * it.
 */
import type { Change } from './engagement.ts';
import { expectedChanges } from './engagement-oracle.ts';
import type { Events } from './events.ts';
import { type Event, factorOf, grace, type JobName, joinMs, type Totals, windows } from './jobs.ts';

export interface Expected {
  /** Totals of what is due, by 'key|start|end', or by key. Empty for the jobs without state. */
  readonly totals: ReadonlyMap<
    string,
    Totals & { readonly dueBy: number; readonly partition: number }
  >;
  /** For the jobs with a result an event, or a pair: how many, and the sum of their values. */
  readonly mapped?: { readonly count: number; readonly sum: number };
  /** Of `engagement`: what each user is told, in order. */
  readonly changes?: ReadonlyMap<string, readonly Change[]>;
  /** Events that came too late for any window, where an event belongs to one. */
  readonly late?: number;
  /** Last stream time of each partition, ms UTC; of `rekey` the least of all. */
  readonly streamTimes: readonly number[];
}

interface KeyEvents {
  readonly partition: number;
  /** In the order in which they came. */
  readonly times: number[];
  readonly values: number[];
  readonly types: string[];
  /** Of the partition when the event came, before and with it. */
  readonly timesBefore: number[];
  readonly streamTimes: number[];
}

interface Session {
  start: number;
  end: number;
  /** Indexes of its events. */
  readonly of: number[];
}

type Add = (id: string, totals: Totals, dueBy: number, partition: number) => void;

export function expectedOf(job: JobName, made: Events): Expected {
  if (job === 'engagement') {
    return { totals: new Map(), changes: expectedChanges(made), streamTimes: [] };
  }
  const { batches } = made;
  const totals = new Map<string, Totals & { dueBy: number; partition: number }>();
  const streamTimes: number[] = [];
  const keys = new Map<string, KeyEvents>();
  const mapped = { count: 0, sum: 0 };
  for (const { partition, batch } of batches) {
    for (let i = 0; i < batch.count; i++) {
      const time = batch.timestamps[i] as number;
      const before = streamTimes[partition] ?? 0;
      const latest = Math.max(before, time);
      streamTimes[partition] = latest;
      if (latest - time > grace && !takesLate(job)) {
        throw new Error(`the oracle of ${job} knows no events later than the grace`);
      }
      const event = JSON.parse(String(batch.value(i))) as Event;
      if (passes(job, event)) {
        mapped.count++;
        mapped.sum += event.value * 1.1;
      }
      const key = job === 'rekey' ? event.itemId : String(batch.key(i));
      if (job === 'join-table') {
        mapped.count++;
        mapped.sum += event.value * factorOf(key);
      }
      const known = keys.get(key) ?? newKey(partition);
      keys.set(key, known);
      known.timesBefore.push(before);
      known.streamTimes.push(latest);
      known.times.push(time);
      known.values.push(event.value);
      known.types.push(event.type);
    }
  }
  if (job === 'join-streams') for (const events of keys.values()) addPairs(mapped, sorted(events));
  if (isSummed(job)) return { totals, mapped, streamTimes };
  // Behind a change of key time is the least of the sources.
  if (job === 'rekey') streamTimes.fill(Math.min(...streamTimes));
  let late = 0;
  for (const [key, events] of keys) {
    const add: Add = (id, value, dueBy, partition) => {
      // Of what is never due nothing may come: it is not among what is expected.
      if (dueBy > (streamTimes[partition] as number)) return;
      totals.set(id === '' ? key : `${key}|${id}`, { ...value, dueBy, partition });
    };
    late += job === 'session' ? sessionTotals(events, add) : totalsOfKey(job, sorted(events), add);
  }
  return { totals, streamTimes, ...(job === 'session' || job === 'tumbling' ? { late } : {}) };
}

const newKey = (partition: number): KeyEvents => ({
  partition,
  times: [],
  values: [],
  types: [],
  timesBefore: [],
  streamTimes: [],
});

/**
 * Whether the events of a job may be later than the grace. Which windows such an event still
 * reaches in sliding windows, and which pairs in a join of streams, the engines do not agree on
 * (docs/KAFKA-STREAMS.md).
 */
export function takesLate(job: JobName): boolean {
  return !['sliding', 'join-streams', 'engagement', 'rekey'].includes(job);
}

/** Whether the events of a job come in the order of time, partition by partition. */
export function isOrdered(job: JobName): boolean {
  return job === 'rekey';
}

function passes(job: JobName, { type, itemId }: Event): boolean {
  return job === 'map' ? type !== 'view' : job === 'map-project' && itemId.endsWith('00');
}

/** Jobs whose results are counted and summed up. */
export function isSummed(job: JobName): boolean {
  return ['map', 'map-project', 'join-table', 'join-streams'].includes(job);
}

/** Every click with every purchase that is no further away. */
function addPairs(
  mapped: { count: number; sum: number },
  { times, values, types }: KeyEvents,
): void {
  let from = 0;
  for (const [i, type] of types.entries()) {
    if (type !== 'click') continue;
    const at = times[i] as number;
    while ((times[from] as number) < at - joinMs) from++;
    for (let k = from; k < times.length && (times[k] as number) <= at + joinMs; k++) {
      if (types[k] !== 'purchase') continue;
      mapped.count++;
      mapped.sum += (values[i] as number) + (values[k] as number);
    }
  }
}

function sorted(events: KeyEvents): KeyEvents {
  const { partition, times } = events;
  const order = times.map((_, i) => i).sort((a, b) => (times[a] as number) - (times[b] as number));
  const inOrder = <T>(column: readonly T[]): T[] => order.map((i) => column[i] as T);
  return {
    partition,
    times: inOrder(times),
    values: inOrder(events.values),
    types: inOrder(events.types),
    timesBefore: inOrder(events.timesBefore),
    streamTimes: inOrder(events.streamTimes),
  };
}

/** Answers how many events no window took. */
function totalsOfKey(job: JobName, events: KeyEvents, add: Add): number {
  const { times, values, streamTimes, partition } = events;
  if (job === 'count') {
    add('', over(values, 0, values.length), 0, partition);
    return 0;
  }
  if (job === 'sliding') {
    slidingTotals(events, windows.sliding.sizeMs, add);
    return 0;
  }
  const { sizeMs, advanceMs } = windows[job as 'hopping10'] as {
    sizeMs: number;
    advanceMs: number;
  };
  let taken = 0;
  const first = Math.floor(((times[0] as number) - sizeMs) / advanceMs) * advanceMs + advanceMs;
  let [from, to] = [0, 0];
  for (let start = first; start <= (times.at(-1) as number); start += advanceMs) {
    while (from < times.length && (times[from] as number) < start) from++;
    if (from < times.length && (times[from] as number) >= start + sizeMs) {
      // Nothing of this key for a while: on to the first window that holds the next event.
      const next = Math.floor(((times[from] as number) - sizeMs) / advanceMs) * advanceMs;
      start = Math.max(start, next);
      continue;
    }
    to = Math.max(to, from);
    while (to < times.length && (times[to] as number) < start + sizeMs) to++;
    const end = start + sizeMs;
    // In order nothing is late, however far another partition was.
    const total = over(
      values,
      from,
      to,
      (i) => isOrdered(job) || (streamTimes[i] as number) < end + grace,
    );
    taken += total.count;
    if (total.count > 0) add(`${start}|${end}`, total, end + grace, partition);
  }
  return times.length - taken;
}

/**
 * Sessions, event by event in the order in which they came: one takes in every session within the
 * gap that the stream time before it had not put out of reach, and is late when what comes of it is
 * closed (SEMANTICS B.4). Answers how many were late.
 */
function sessionTotals(
  { times, values, timesBefore, streamTimes, partition }: KeyEvents,
  add: Add,
): number {
  const { gapMs } = windows.session;
  let late = 0;
  const sessions: Session[] = [];
  for (const [i, time] of times.entries()) {
    const reach = (timesBefore[i] as number) - gapMs - grace;
    const joined = sessions.filter(
      ({ start, end }) => start <= time + gapMs && end >= time - gapMs && end > reach,
    );
    const start = Math.min(time, ...joined.map((one) => one.start));
    const end = Math.max(time, ...joined.map((one) => one.end));
    if (end + gapMs + grace < (streamTimes[i] as number)) {
      late++;
      continue;
    }
    const [grown = { start, end, of: [] } as Session, ...others] = joined;
    if (joined.length === 0) sessions.push(grown);
    for (const one of others) {
      for (const event of one.of) grown.of.push(event);
      sessions.splice(sessions.indexOf(one), 1);
    }
    grown.of.push(i);
    Object.assign(grown, { start, end });
  }
  for (const { start, end, of } of sessions) {
    const total = over(
      of.map((i) => values[i] as number),
      0,
      of.length,
    );
    add(`${start}|${end}`, total, end + gapMs + grace + 1, partition);
  }
  return late;
}

/** For each time t a window [t - size, t], and [t + 1, t + 1 + size] when it holds an event. */
function slidingTotals({ times, values, partition }: KeyEvents, size: number, add: Add): void {
  const starts = new Set<number>();
  for (const t of times) starts.add(t - size);
  for (const [i, t] of times.entries()) {
    const next = times.slice(i + 1, i + 64).find((later) => later > t) ?? firstAfter(times, t);
    if (next !== undefined && next <= t + 1 + size) starts.add(t + 1);
  }
  let [from, to] = [0, 0];
  for (const start of [...starts].sort((a, b) => a - b)) {
    while (from < times.length && (times[from] as number) < start) from++;
    to = Math.max(to, from);
    while (to < times.length && (times[to] as number) <= start + size) to++;
    add(`${start}|${start + size}`, over(values, from, to), start + size + grace + 1, partition);
  }
}

function firstAfter(times: readonly number[], t: number): number | undefined {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((times[middle] as number) > t) high = middle;
    else low = middle + 1;
  }
  return times[low];
}

/** Of events [from, to), those that are taken. */
function over(
  values: readonly number[],
  from: number,
  to: number,
  isTaken: (i: number) => boolean = () => true,
): Totals {
  let [count, sum, max] = [0, 0, 0];
  for (let i = from; i < to; i++) {
    if (!isTaken(i)) continue;
    const value = values[i] as number;
    count++;
    sum += value;
    if (value > max) max = value;
  }
  return { count, sum, max };
}
