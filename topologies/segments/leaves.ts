/**
 * Each kind of leaf as a timeline, from what is kept of the subject. No state is kept between
 * calls.
 */
import { type ConsentEntry, consentAt, consentChangesAt } from '../accepted/consent.ts';
import type { Trait } from '../event.ts';
import { bucketOf } from './bucket.ts';
import type {
  AbandonedNode,
  AbsentNode,
  AggregateNode,
  CalendarNode,
  CountNode,
  EngagementLeaf,
  Leaf,
  Match,
  TraitNode,
} from './definition.ts';
import { firstSeen, type History } from './history.ts';
import { dateOf, localDay, startOfDay, weekdayOf } from './local-day.ts';
import { byTies, type Occurrence, occurrences } from './occurrences.ts';
import { sequence } from './sequence.ts';
import { always, type Interval, never, nowhere, type Timeline, unionOf } from './timeline.ts';
import { compare, passes } from './value-test.ts';

/** Leaves that read the engagement score have timelines of their own: see score-leaves.ts. */
export type HistoryLeaf = Exclude<Leaf, EngagementLeaf>;

export function leafTimeline(
  leaf: HistoryLeaf,
  history: History,
  subject: string,
  consentUnknown: 'granted' | 'withdrawn',
): Timeline {
  switch (leaf.kind) {
    case 'count':
      return count(leaf, matched(history, leaf), (at) => at + leaf.within, history);
    case 'sum':
    case 'avg':
    case 'min':
    case 'max':
      return aggregate(leaf, matched(history, leaf), (at) => at + leaf.within);
    case 'absent':
      return absent(leaf, history);
    case 'sequence':
      return sequence(leaf, history);
    case 'abandoned':
      return abandoned(leaf, history);
    case 'calendar':
      return calendar(leaf, history);
    case 'trait':
      return trait(leaf, history);
    case 'consent':
      return consent(leaf.is, history.consents.get(leaf.purpose) ?? [], consentUnknown);
    case 'bucket': {
      const share = bucketOf(leaf.salt, subject);
      return leaf.from <= share && share < leaf.to ? always : nowhere;
    }
  }
}

/** The events of a match, ordered by instant, rank and id. */
function matched(history: History, match: Match): Occurrence[] {
  return occurrences(history, [match]);
}

/** The events of a moving window; both of its ends only move forward. */
function sweep(
  events: readonly Occurrence[],
  ends: readonly number[],
  window: {
    add(event: Occurrence): void;
    remove(event: Occurrence): void;
    holds(from: number, to: number): boolean;
  },
): Timeline {
  const first = window.holds(0, 0);
  const flips: number[] = [];
  let truth = first;
  for (let [i, j] = [0, 0]; j < events.length; ) {
    const at = Math.min(events[i]?.at ?? never, ends[j] as number);
    if (at === never) break;
    for (; events[i]?.at === at; i++) window.add(events[i] as Occurrence);
    for (; j < i && (ends[j] as number) <= at; j++) window.remove(events[j] as Occurrence);
    if (window.holds(j, i) !== truth) {
      truth = !truth;
      flips.push(at);
    }
  }
  return { first, flips };
}

function count(
  { op, n, distinct, since }: CountNode,
  events: readonly Occurrence[],
  endOf: (at: number) => number,
  history: History,
): Timeline {
  const counted =
    distinct === undefined ? events : events.filter(({ fields }) => fields.has(distinct));
  const ends = counted.map(({ at }) => endOf(at));
  if (since.length > 0) endAtResets(counted, ends, occurrences(history, since));
  if (distinct === undefined) {
    const window = {
      add: () => {},
      remove: () => {},
      holds: (from: number, to: number) => compare(to - from, op, n),
    };
    return sweep(counted, ends, window);
  }
  const values = new Map<Trait, number>();
  const change = ({ fields }: Occurrence, by: number) => {
    const value = fields.get(distinct) as Trait;
    const left = (values.get(value) ?? 0) + by;
    if (left === 0) values.delete(value);
    else values.set(value, left);
  };
  return sweep(counted, ends, {
    add: (event) => change(event, 1),
    remove: (event) => change(event, -1),
    holds: () => compare(values.size, op, n),
  });
}

/** Ends what an event contributes at the first reset after it. */
function endAtResets(
  events: readonly Occurrence[],
  ends: number[],
  resets: readonly Occurrence[],
): void {
  let next = 0;
  events.forEach((event, i) => {
    while (next < resets.length && byTies(resets[next] as Occurrence, event) < 0) next++;
    ends[i] = Math.min(ends[i] as number, resets[next]?.at ?? never);
  });
}

function aggregate(
  node: AggregateNode,
  all: readonly Occurrence[],
  endOf: (at: number) => number,
): Timeline {
  const numberOf = ({ fields }: Occurrence) => fields.get(node.path) as number;
  const events = all.filter((event) => typeof numberOf(event) === 'number');
  let sum = 0;
  const add = (event: Occurrence) => {
    sum += numberOf(event);
  };
  const remove = (event: Occurrence) => {
    sum -= numberOf(event);
  };
  const holds = (from: number, to: number): boolean => {
    const { kind, op, value } = node;
    if (kind === 'sum') return compare(sum, op, value);
    if (from === to) return false;
    // Averages are compared by products, so that no quotient is rounded.
    if (kind === 'avg') return compare(sum, op, value * (to - from));
    let extreme = numberOf(events[from] as Occurrence);
    for (let i = from + 1; i < to; i++) {
      const one = numberOf(events[i] as Occurrence);
      if (kind === 'min' ? one < extreme : one > extreme) extreme = one;
    }
    return compare(extreme, op, value);
  };
  return sweep(
    events,
    events.map(({ at }) => endOf(at)),
    { add, remove, holds },
  );
}

function absent(node: AbsentNode, history: History): Timeline {
  const from =
    node.knownSince === 'firstSeen' ? firstSeen(history) + node.for : Number.NEGATIVE_INFINITY;
  const taken: Interval[] = matched(history, node).map(({ at }) => [at, at + node.for]);
  const { flips } = unionOf([[Number.NEGATIVE_INFINITY, from], ...taken]);
  const present = flips[0] === Number.NEGATIVE_INFINITY;
  return { first: !present, flips: present ? flips.slice(1) : flips };
}

function abandoned(node: AbandonedNode, history: History): Timeline {
  const keyOf = ({ fields }: Occurrence) => (node.key === 'subject' ? '' : fields.get(node.key));
  const ends = new Map<Trait, Occurrence[]>();
  for (const end of matched(history, node.unless)) {
    const key = keyOf(end);
    if (key === undefined) continue;
    const known = ends.get(key);
    if (known === undefined) ends.set(key, [end]);
    else known.push(end);
  }
  const open: Interval[] = [];
  for (const start of matched(history, node.start)) {
    const key = keyOf(start);
    if (key === undefined) continue;
    const isAfter = (end: Occurrence) =>
      node.ties === 'strict' ? end.at > start.at : byTies(end, start) > 0;
    const end = ends.get(key)?.find(isAfter)?.at ?? never;
    const from = start.at + node.after;
    if (end > from) open.push([from, Math.min(from + node.for, end)]);
  }
  return unionOf(open);
}

/** The midnight at which the day or week of an event leaves the window; ms UTC. */
export function calendarEnd({ days, tz, weekStart }: CalendarNode, at: number): number {
  const day = localDay(tz, at);
  const first = weekStart === undefined ? day : day - ((weekdayOf(day) - weekStart + 7) % 7);
  return startOfDay(tz, first + days);
}

function calendar(node: CalendarNode, history: History): Timeline {
  const { of } = node;
  const endOf = (at: number) => calendarEnd(node, at);
  const events = matched(history, of);
  return of.kind === 'count' ? count(of, events, endOf, history) : aggregate(of, events, endOf);
}

function trait(node: TraitNode, history: History): Timeline {
  const entries = history.traits.get(node.path) ?? [];
  const pieces: Interval[] = [];
  entries.forEach(([at, , value], i) => {
    const until = entries[i + 1]?.[0] ?? never;
    // At one instant the greatest id counts.
    if (until === at) return;
    if (value === null) return;
    const [from, to] = traitInterval(node, value);
    pieces.push([Math.max(at, from), Math.min(until, to)]);
  });
  return unionOf(pieces);
}

/** The interval in which a value, if it is the latest, passes the test. */
function traitInterval({ op, value, tz }: TraitNode, actual: Trait): Interval {
  const whole: Interval = [Number.NEGATIVE_INFINITY, never];
  const none: Interval = [0, 0];
  if (op !== 'before' && op !== 'after' && op !== 'withinLast' && op !== 'withinNext') {
    return passes(actual, op, value) ? whole : none;
  }
  const date = dateOf(actual, tz);
  if (date === undefined) return none;
  const operand = value as number;
  if (op === 'before') return date < operand ? whole : none;
  if (op === 'after') return date > operand ? whole : none;
  return op === 'withinLast' ? [date, date + operand] : [date - operand, date];
}

function consent(
  is: boolean,
  entries: readonly ConsentEntry[],
  unknown: 'granted' | 'withdrawn',
): Timeline {
  const granted = (at: number) => {
    const found = consentAt(entries, at);
    return ((found === 'unknown' ? unknown : found) === 'granted') === is;
  };
  const first = granted(Number.NEGATIVE_INFINITY);
  const flips: number[] = [];
  let truth = first;
  const instants = entries.flatMap(([at]) => {
    const ends = consentChangesAt(entries, at);
    return ends === never ? [at] : [at, ends];
  });
  for (const at of [...new Set(instants)].sort((a, b) => a - b)) {
    if (granted(at) === truth) continue;
    truth = !truth;
    flips.push(at);
  }
  return { first, flips };
}
