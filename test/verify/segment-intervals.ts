/**
 * Membership intervals by brute force: every node is evaluated by plain counting at every instant
 * at which anything can change, over all accepted events; nothing is kept from one instant to the
 * next but what the remembering nodes mean. It shares the definitions with the engine, and none of
 * its ways.
 */
import { createHash } from 'node:crypto';
import type { Trait } from '../../topologies/event.ts';
import { wholeCondition } from '../../topologies/segments/check-segments.ts';
import {
  childrenOf,
  type Expression,
  type Filter,
  type Match,
  type SegmentDefinition,
} from '../../topologies/segments/definition.ts';

/** An accepted event, as far as segments read it. */
export interface OracleEvent {
  readonly subject: string;
  readonly at: number;
  readonly class: string;
  readonly id: string;
  readonly item?: string;
  readonly link?: string;
  readonly purpose?: string;
  readonly until?: number;
  readonly traits?: Readonly<Record<string, Trait | null>>;
  readonly numbers?: Readonly<Record<string, number>>;
}

/** A change of membership: 'in' or 'out' at an instant, ms UTC. */
export interface Edge {
  readonly at: number;
  readonly in: boolean;
}

/** What the events alone do not tell. */
export interface World {
  readonly consentUnknown: boolean;
  score?(of: string, at: number): number;
  band?(at: number): string;
  isUnreliable?(at: number): boolean;
  readonly segments?: readonly SegmentDefinition[];
}

const plain: World = { consentUnknown: true };

/** Kinds that depend on the score are compared through the score itself. */
export function canRecompute(node: Expression): boolean {
  const apart = !['score', 'band', 'openSignal', 'inSegment'].includes(node.kind);
  return apart && childrenOf(node).every(canRecompute);
}

/** The edges of a subject in a segment up to `end`, both ends included. */
export function edgesOf(
  segment: SegmentDefinition,
  events: readonly OracleEvent[],
  end: number,
  world: World = plain,
): Edge[] {
  const when = wholeCondition(segment);
  const own = new Set(events.map((event) => event.at));
  const first = Math.min(...own);
  const instants = [...criticalInstants(when, events, own, end)]
    .filter((at) => at >= first && at <= end)
    .sort((a, b) => a - b);
  const truth = truthOf(when, events, instants, world);
  const edges: Edge[] = [];
  truth.forEach((holds, i) => {
    if (holds !== (edges.at(-1)?.in ?? false)) edges.push({ at: instants[i] as number, in: holds });
  });
  return edges;
}

/** Every instant at which the node, or one below it, may change. */
function criticalInstants(
  node: Expression,
  events: readonly OracleEvent[],
  own: ReadonlySet<number>,
  end: number,
): Set<number> {
  const instants = new Set(own);
  for (const child of childrenOf(node)) {
    for (const at of criticalInstants(child, events, own, end)) instants.add(at);
  }
  const spans = spansOf(node);
  for (const at of [...instants]) {
    for (const span of spans) instants.add(at + span);
    if (node.kind !== 'once' || node.reentryAfter === undefined) continue;
    // What was true once may be so again and again, from where it was over.
    for (let next = at; next <= end; next += node.reentryAfter) instants.add(next);
  }
  if (node.kind === 'consent') for (const { until } of events) if (until) instants.add(until);
  if (node.kind === 'calendar') {
    for (const at of midnights(node.tz, Math.min(...own), end)) instants.add(at);
  }
  if (node.kind === 'trait' && (node.op === 'withinLast' || node.op === 'withinNext')) {
    for (const { traits } of events) {
      const date = dateOf(traits?.[node.path] ?? undefined, node.tz);
      if (date === undefined) continue;
      for (const at of [date, date + Number(node.value), date - Number(node.value)])
        instants.add(at);
    }
  }
  return instants;
}

function spansOf(node: Expression): number[] {
  switch (node.kind) {
    case 'count':
    case 'sum':
    case 'avg':
    case 'min':
    case 'max':
      return Number.isFinite(node.within) ? [node.within] : [];
    case 'absent':
    case 'held':
    case 'sequence':
    case 'cooldown':
      return [node.for];
    case 'abandoned':
      return [node.after, node.after + node.for];
    default:
      return [];
  }
}

/**
 * The truth of a node at each of the instants, ascending, of which the first is the subject's first
 * event.
 */
export function truthOf(
  node: Expression,
  events: readonly OracleEvent[],
  instants: readonly number[],
  world: World = plain,
): boolean[] {
  const below = childrenOf(node).map((child) => truthOf(child, events, instants, world));
  const [child = [], other = []] = below;
  switch (node.kind) {
    case 'and':
      return instants.map((_, i) => below.every((truth) => truth[i]));
    case 'or':
      return instants.map((_, i) => below.some((truth) => truth[i]));
    case 'not':
      return child.map((truth) => !truth);
    case 'latch':
      return latched(child, other, node.initial);
    case 'held':
      return heldFor(child, instants, node.for);
    case 'once':
      return onceFor(child, instants, node.reentryAfter);
    case 'cooldown':
      return cooled(child, instants, node.for);
    case 'inSegment': {
      const segment = world.segments?.find(({ id }) => id === node.id);
      if (segment === undefined) throw new Error(`no segment ${node.id}`);
      return truthOf(wholeCondition(segment), events, instants, world);
    }
    default:
      return instants.map((at) => leafHolds(node, events, at, world));
  }
}

function latched(enter: readonly boolean[], exit: readonly boolean[], initial: boolean): boolean[] {
  let isIn = initial;
  return enter.map((entering, i) => {
    if (entering && !enter[i - 1]) isIn = true;
    if (exit[i] && !exit[i - 1]) isIn = false;
    return isIn;
  });
}

function heldFor(truth: readonly boolean[], instants: readonly number[], span: number): boolean[] {
  let since: number | undefined;
  return truth.map((holds, i) => {
    const at = instants[i] as number;
    since = holds ? (since ?? at) : undefined;
    return since !== undefined && at - since >= span;
  });
}

function onceFor(
  truth: readonly boolean[],
  instants: readonly number[],
  span = Number.POSITIVE_INFINITY,
): boolean[] {
  let since: number | undefined;
  return truth.map((holds, i) => {
    const at = instants[i] as number;
    if (since !== undefined && at >= since + span) since = undefined;
    if (holds) since ??= at;
    return since !== undefined;
  });
}

function cooled(truth: readonly boolean[], instants: readonly number[], span: number): boolean[] {
  let left = Number.NEGATIVE_INFINITY;
  let isIn = false;
  return truth.map((holds, i) => {
    const at = instants[i] as number;
    if (isIn && !holds) left = at;
    isIn = holds && (isIn || at >= left + span);
    return isIn;
  });
}

type LeafNode = Exclude<
  Expression,
  { readonly kind: 'and' | 'or' | 'not' | 'latch' | 'held' | 'once' | 'cooldown' | 'inSegment' }
>;

function leafHolds(
  node: LeafNode,
  events: readonly OracleEvent[],
  at: number,
  world: World,
): boolean {
  const past = events.filter((event) => event.at <= at).sort(inLifeOrder);
  switch (node.kind) {
    case 'count': {
      const last = past.findLast((event) => node.since.some((match) => fits(event, match)));
      const from = last === undefined ? past : past.slice(past.indexOf(last) + 1);
      const found = from.filter((event) => fits(event, node) && event.at > at - node.within);
      return compare(numberOf(found, node.distinct), node.op, node.n);
    }
    case 'sum':
    case 'avg':
    case 'min':
    case 'max':
      return aggregated(
        node,
        past.filter((event) => fits(event, node) && event.at > at - node.within),
      );
    case 'absent': {
      if (past.some((event) => fits(event, node) && event.at > at - node.for)) return false;
      return node.knownSince === 'any' || at >= Math.min(...events.map((e) => e.at)) + node.for;
    }
    case 'sequence':
      return past.some(
        (last, i) => last.at > at - node.for && endsChain(node, past, i, node.steps.length - 1),
      );
    case 'abandoned':
      return past.some((start) => isAbandoned(node, past, start, at));
    case 'calendar':
      return inCalendar(node, past, at);
    case 'trait':
      return traitHolds(node, past, at);
    case 'consent': {
      const said = past
        .filter((e) => /^consent_(granted|withdrawn)$/.test(e.class))
        .filter((e) => (e.purpose ?? e.item) === node.purpose);
      const time = Math.max(...said.map((e) => e.at));
      const last = said.filter((e) => e.at === time);
      // Of one instant the withdrawal counts, else the longest grant.
      const granted =
        said.length === 0
          ? world.consentUnknown
          : last.every((e) => e.class === 'consent_granted') &&
            last.some((e) => e.until === undefined || at < e.until);
      return granted === node.is;
    }
    case 'score':
      return compare(world.score?.(node.channel ?? 'total', at) ?? 0, node.op, node.value);
    case 'band':
      return node.in.includes(world.band?.(at) ?? '');
    case 'openSignal':
      return (world.isUnreliable?.(at) ?? false) === (node.is === 'unreliable');
    case 'bucket': {
      const subject = events[0]?.subject ?? '';
      const hex = createHash('sha256').update(`${node.salt}${subject}`).digest('hex');
      const share = Number((BigInt(`0x${hex.slice(0, 16)}`) / 2048n) % 10_000n);
      return share >= node.from && share < node.to;
    }
  }
}

function numberOf(found: readonly OracleEvent[], distinct: string | undefined): number {
  if (distinct === undefined) return found.length;
  return new Set(found.flatMap((event) => fieldIn(event, distinct) ?? [])).size;
}

/** Sent, delivered, opened, clicked, visited, put into a cart, bought; then by id. */
function inLifeOrder(a: OracleEvent, b: OracleEvent): number {
  const rank = ({ class: name }: OracleEvent) =>
    ['sen[dt]', 'deliver', 'open', 'click', 'view|visit|page|search', 'cart', 'purchase|order|buy']
      .map((pattern) => new RegExp(pattern).test(name))
      .concat(true)
      .indexOf(true);
  return a.at - b.at || rank(a) - rank(b) || (a.id < b.id ? -1 : 1);
}

function fieldIn(event: OracleEvent, path: string): Trait | undefined {
  if (path === 'item') return event.item ?? event.id;
  if (path === 'link') return event.link;
  const name = path.replace(/^(numbers|traits)\./, '');
  return path.startsWith('traits.')
    ? (event.traits?.[name] ?? undefined)
    : (event.numbers?.[name] ??
        (path.startsWith('numbers.') ? undefined : (event.traits?.[name] ?? undefined)));
}

function fits(event: OracleEvent, { event: classes, where }: Match): boolean {
  return classes.includes(event.class) && where.every((filter) => passes(event, filter));
}

function passes(event: OracleEvent, { path, op, value }: Filter): boolean {
  return valueHolds(fieldIn(event, path), op, value);
}

function valueHolds(actual: Trait | undefined, op: string, value: unknown): boolean {
  if (op === 'exists' || actual === undefined) return op === 'exists' && actual !== undefined;
  if (op === 'in') return Array.isArray(value) && value.includes(actual);
  if (op === 'contains') return typeof actual === 'string' && actual.includes(String(value));
  if (op === 'startsWith') return typeof actual === 'string' && actual.startsWith(String(value));
  return typeof actual === typeof value && compare(actual, op, value as Trait);
}

function aggregated(
  node: Extract<Expression, { readonly kind: 'sum' | 'avg' | 'min' | 'max' }>,
  window: readonly OracleEvent[],
): boolean {
  const values = window.flatMap((event) => {
    const value = fieldIn(event, node.path);
    return typeof value === 'number' ? [value] : [];
  });
  const sum = values.reduce((a, b) => a + b, 0);
  if (node.kind === 'sum') return compare(sum, node.op, node.value);
  if (values.length === 0) return false;
  const results = {
    avg: sum / values.length,
    min: Math.min(...values),
    max: Math.max(...values),
  };
  return compare(results[node.kind], node.op, node.value);
}

/** Every way of choosing the events before, one by one. */
function endsChain(
  node: Extract<Expression, { readonly kind: 'sequence' }>,
  past: readonly OracleEvent[],
  i: number,
  k: number,
  bound?: Trait,
  end = past[i]?.at as number,
): boolean {
  const event = past[i] as OracleEvent;
  const step = node.steps[k];
  if (step === undefined || !fits(event, step) || end - event.at > node.within) return false;
  const own = step.bind === undefined ? undefined : fieldIn(event, step.bind);
  if (step.bind !== undefined && (own === undefined || (bound ?? own) !== own)) return false;
  if (k === 0) return true;
  return past.some((before, j) => {
    const isBefore = node.ties === 'causal' ? j < i : before.at < event.at;
    if (!isBefore || event.at - before.at > (node.maxGap ?? Number.POSITIVE_INFINITY)) return false;
    const broken = past.some((one, x) => {
      const between =
        node.ties === 'causal' ? j < x && x < i : before.at < one.at && one.at < event.at;
      return between && node.notBetween.some((match) => fits(one, match));
    });
    return !broken && endsChain(node, past, j, k - 1, own ?? bound, end);
  });
}

function isAbandoned(
  node: Extract<Expression, { readonly kind: 'abandoned' }>,
  past: readonly OracleEvent[],
  start: OracleEvent,
  at: number,
): boolean {
  if (!fits(start, node.start)) return false;
  const keyOf = (event: OracleEvent) => (node.key === 'subject' ? '' : fieldIn(event, node.key));
  const from = start.at + node.after;
  if (keyOf(start) === undefined || at < from || at >= from + node.for) return false;
  return !past.some((end) => {
    const isAfter = node.ties === 'strict' ? end.at > start.at : inLifeOrder(start, end) < 0;
    return end !== start && isAfter && fits(end, node.unless) && keyOf(end) === keyOf(start);
  });
}

const dates = new Map<string, string>();

function localDate(zone: string, at: number): string {
  const key = `${zone} ${at}`;
  let date = dates.get(key);
  if (date === undefined) {
    date = formatOf(zone).format(at);
    if (dates.size < 1_000_000) dates.set(key, date);
  }
  return date;
}

const formats = new Map<string, Intl.DateTimeFormat>();

function formatOf(zone: string): Intl.DateTimeFormat {
  const format = formats.get(zone) ?? new Intl.DateTimeFormat('en-CA', { timeZone: zone });
  formats.set(zone, format);
  return format;
}

/** Days between two dates as they are written. */
function daysBetween(a: string, b: string): number {
  return (Date.parse(`${b}T00:00:00Z`) - Date.parse(`${a}T00:00:00Z`)) / 86_400_000;
}

function inCalendar(
  node: Extract<Expression, { readonly kind: 'calendar' }>,
  past: readonly OracleEvent[],
  at: number,
): boolean {
  const today = localDate(node.tz, at);
  const weekday = new Date(`${today}T00:00:00Z`).getUTCDay() || 7;
  // With a first day of the week: days up to the end of this week, else up to today.
  const ahead = node.weekStart === undefined ? 0 : 6 - ((weekday - node.weekStart + 7) % 7);
  const found = past.filter(
    (event) =>
      fits(event, node.of) && daysBetween(localDate(node.tz, event.at), today) + ahead < node.days,
  );
  if (node.of.kind === 'count') {
    return compare(numberOf(found, node.of.distinct), node.of.op, node.of.n);
  }
  return aggregated(node.of, found);
}

/** Every change of the local date, found by asking every quarter of an hour. */
function midnights(zone: string, from: number, end: number): number[] {
  const quarter = 900_000;
  const found: number[] = [];
  let before = localDate(zone, from);
  for (let at = Math.ceil(from / quarter) * quarter; at <= end; at += quarter) {
    const date = localDate(zone, at);
    if (date !== before) found.push(at);
    before = date;
  }
  return found;
}

function dateOf(value: Trait | undefined, zone: string): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return undefined;
  if (value.length > 10) return Date.parse(value);
  const start = Date.parse(`${value}T00:00:00Z`);
  return midnights(zone, start - 86_400_000, start + 86_400_000).find(
    (at) => localDate(zone, at) === value,
  );
}

function traitHolds(
  node: Extract<Expression, { readonly kind: 'trait' }>,
  past: readonly OracleEvent[],
  at: number,
): boolean {
  const saying = past.filter((event) => event.traits?.[node.path] !== undefined);
  const newest = saying.reduce<OracleEvent | undefined>(
    (best, event) =>
      best === undefined || event.at > best.at || (event.at === best.at && event.id > best.id)
        ? event
        : best,
    undefined,
  );
  // null, as nothing: the newest that says something says that there is no value any more.
  const value = newest?.traits?.[node.path] ?? undefined;
  if (!['before', 'after', 'withinLast', 'withinNext'].includes(node.op)) {
    return valueHolds(value, node.op, node.value);
  }
  const date = dateOf(value, node.tz);
  if (date === undefined) return false;
  const operand = Number(node.value);
  if (node.op === 'before') return date < operand;
  if (node.op === 'after') return date > operand;
  return node.op === 'withinLast'
    ? at - operand < date && date <= at
    : at < date && date <= at + operand;
}

function compare<T>(a: T, op: string, b: T): boolean {
  const results: Record<string, boolean> = {
    eq: a === b,
    ne: a !== b,
    lt: a < b,
    le: a <= b,
    gt: a > b,
    ge: a >= b,
  };
  return results[op] ?? false;
}
