/**
 * The cost of a segment: what is kept of a subject for it and how long, what wakes it, and which
 * consents it needs.
 */
import { MillraceError } from 'millrace';
import type { ConsentConfig } from '../accepted/consent.ts';
import { dayMs } from '../time-units.ts';
import { definitionHash } from './canonical.ts';
import { categoryName } from './categories.ts';
import { type Leaf, type SegmentDefinition, segmentsAskedFor } from './definition.ts';
import { matchesOf, newestOf, pathsOf, reachOf } from './matches.ts';
import { Program, type Root } from './segment-program.ts';

export interface Kept {
  readonly class: string;
  /** How long it is kept, ms, and at least while it may be corrected; absent: for ever. */
  readonly reach?: number;
  /** At most this many of the settled events are kept; absent: all within reach. */
  readonly newest?: number;
  readonly fields: readonly string[];
}

export interface SegmentPlan {
  readonly id: string;
  readonly version: number;
  readonly hash: string;
  readonly keeps: readonly Kept[];
  readonly traits: readonly string[];
  readonly readsScore: boolean;
  /**
   * Upper estimate at the assumed rate, bytes for each subject; what segments share counts in each
   * of them.
   */
  readonly bytesPerSubject: number;
  /** Conditions that time alone changes; one durable timer for each subject serves all of them. */
  readonly timers: number;
  /** Age of the oldest event that is kept, ms; absent: for ever. */
  readonly retention?: number;
  readonly purposes: readonly string[];
  /**
   * The longest time from the instant of a change to its decision, when an event comes late, ms.
   */
  readonly latency: number;
}

export interface PlanFacts {
  /** How late an event may come, ms; for an order, also its refund. */
  readonly graceMs: number;
  readonly refundMs: number;
  readonly consent: ConsentConfig;
  /** The assumed number of events of a class a day, for each subject. */
  readonly eventsPerDay: number;
}

/**
 * Bytes as MessagePack writes them: a number, an id, a name with its value, a row of the subject.
 */
const sizes = { number: 9, id: 28, field: 24, row: 96, leaf: 40 };
const never = Number.POSITIVE_INFINITY;

/**
 * One plan for each segment.
 * @throws CONFIG_INVALID for a segment that exceeds its budget or reads events of another purpose
 */
export function planSegments(
  segments: readonly SegmentDefinition[],
  facts: PlanFacts,
): readonly SegmentPlan[] {
  const program = new Program(segments);
  const purposeOf = new Map(segments.map(({ id, purpose }) => [id, purpose]));
  const costOf = new Map<number, LeafCost>();
  for (const place of program.leaves) {
    costOf.set(place, leafCost(program.nodeAt(place).node as Leaf, facts));
  }
  return program.roots.map((root) => {
    const plan = planOf(root, costOf, facts);
    checkBudget(root.segment, plan);
    checkPurpose(root.segment, purposeOf, plan, facts.consent);
    return plan;
  });
}

/** The needs of one leaf, by itself. */
interface LeafCost {
  readonly keeps: readonly Kept[];
  readonly bytes: number;
  readonly traits: readonly string[];
  readonly consents: readonly string[];
}

function leafCost(leaf: Leaf, facts: PlanFacts): LeafCost {
  const keeps = keptBy(leaf);
  const correctable = correctableOf(facts);
  return {
    keeps,
    bytes: keeps.reduce((bytes, kept) => bytes + bytesOf(kept, correctable, facts), 0),
    traits: leaf.kind === 'trait' ? [leaf.path] : [],
    consents: leaf.kind === 'consent' ? [leaf.purpose] : [],
  };
}

function correctableOf({ graceMs, refundMs }: PlanFacts): number {
  return graceMs + refundMs + dayMs;
}

function planOf(
  { segment, leaves, changing, readsScore }: Root,
  costOf: ReadonlyMap<number, LeafCost>,
  facts: PlanFacts,
): SegmentPlan {
  const costs = leaves.map((place) => costOf.get(place) as LeafCost);
  const keeps = costs.flatMap((cost) => cost.keeps);
  const traits = costs.flatMap((cost) => cost.traits);
  const events = costs.reduce((bytes, cost) => bytes + cost.bytes, 0);
  const reach = keeps.reduce((most, one) => Math.max(most, one.reach ?? never), 0);
  const retention = reach + correctableOf(facts);
  return {
    id: segment.id,
    version: segment.version,
    hash: definitionHash(segment),
    keeps,
    traits: [...new Set(traits)].sort(),
    readsScore,
    bytesPerSubject: Math.ceil(
      events + sizes.row + leaves.length * sizes.leaf + traits.length * (sizes.id + sizes.field),
    ),
    timers: changing.length,
    ...(Number.isFinite(retention) ? { retention } : {}),
    purposes: [...new Set(costs.flatMap((cost) => cost.consents))].sort(),
    latency: segment.corrections === 'none' ? 0 : (segment.grace ?? facts.graceMs),
  };
}

function keptBy(leaf: Leaf): Kept[] {
  const [reach, newest] = [reachOf(leaf), newestOf(leaf)];
  return matchesOf(leaf).flatMap((match) =>
    match.event.map((name) => ({
      class: name,
      ...(Number.isFinite(reach) ? { reach } : {}),
      ...(Number.isFinite(newest) ? { newest } : {}),
      fields: [...new Set(pathsOf(leaf, match).map(categoryName))].sort(),
    })),
  );
}

function bytesOf(
  { reach = Number.POSITIVE_INFINITY, newest = Number.POSITIVE_INFINITY, fields }: Kept,
  correctable: number,
  { eventsPerDay }: PlanFacts,
): number {
  const settled = Math.min(newest, (reach / dayMs) * eventsPerDay);
  const open = (correctable / dayMs) * eventsPerDay;
  return (settled + open) * (sizes.number + sizes.id + fields.length * sizes.field);
}

function checkBudget({ id, budget }: SegmentDefinition, plan: SegmentPlan): void {
  const limits: [keyof typeof budget, number, string][] = [
    ['bytesPerSubject', plan.bytesPerSubject, 'bytes of each subject'],
    ['timers', plan.timers, 'conditions that change by themselves'],
    ['latency', plan.latency, 'ms until a late event takes effect; a shorter grace'],
  ];
  for (const [field, needed, what] of limits) {
    const limit = budget[field];
    if (limit === undefined || needed <= limit) continue;
    refuse(`segment ${id}.budget.${field}`, `allows ${limit}, but it needs ${needed} ${what}`);
  }
}

/** Refuses data that was collected for another purpose than the segment's. */
function checkPurpose(
  { id, purpose, destinations, when }: SegmentDefinition,
  purposeOf: ReadonlyMap<string, string | undefined>,
  { keeps }: SegmentPlan,
  { needs }: ConsentConfig,
): void {
  if (purpose === undefined && destinations.length === 0) return;
  const field = `segment ${id}.purpose`;
  for (const { class: name } of keeps) {
    const needed = needs[name] ?? needs['*'];
    if (needed === undefined || needed === purpose) continue;
    refuse(field, `is ${purpose ?? 'missing'}, but ${name} may be used for ${needed} only`);
  }
  for (const other of segmentsAskedFor(when)) {
    const theirs = purposeOf.get(other);
    if (theirs === undefined || theirs === purpose) continue;
    refuse(field, `is ${purpose ?? 'missing'}, but segment ${other} is made for ${theirs} only`);
  }
}

/** Refuses a segment that is so small that it identifies people. */
export function checkSize({ id, minSize }: SegmentDefinition, members: number): void {
  if (minSize === undefined || members >= minSize || members === 0) return;
  refuse(`segment ${id}.minSize`, `must have at least ${minSize} members, it has ${members}`);
}

function refuse(field: string, problem: string): never {
  throw new MillraceError('CONFIG_INVALID', { field, problem });
}
