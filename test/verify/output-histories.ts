/**
 * Random histories against the definition, read from the topic `segment-changes` of a running
 * topology: many subjects at once, time that stops at random instants, events in order or late
 * within the grace.
 */

import { testDriver } from 'millrace/testing';
import { randomBelow, SeededRandom } from '../../engine/base/random.ts';
import {
  type Arrival,
  events,
  type SegmentChange,
  segmentChanges,
} from '../../topologies/event.ts';
import personalisation, {
  checkPersonalisation,
  type PersonalisationConfig,
} from '../../topologies/personalisation.ts';
import { wholeCondition } from '../../topologies/segments/check-segments.ts';
import type { Expression, SegmentDefinition } from '../../topologies/segments/definition.ts';
import { type Draw, leaf, nodes } from '../topologies/segment-draws.ts';
import {
  accepted,
  jumbled,
  oracleEvents,
  randomHistory,
  span,
  withRefunds,
} from '../topologies/segment-histories.ts';
import { type Edge, edgesOf } from './segment-intervals.ts';
import { standing } from './standing.ts';

const hour = 3_600_000;
const base = 1_000 * hour;
const end = base + 2 * span * hour;
const graceMs = 60 * hour;
const refundMs = 30 * hour;
const length = (random: SeededRandom) => (1 + randomBelow(random, 90)) * hour;

interface Kind {
  readonly when: Draw;
  readonly header?: (random: SeededRandom) => object;
}

/** Every kind of node, and the fields of the header that act as nodes. */
export const kinds: Readonly<Record<string, Kind>> = {
  ...Object.fromEntries(Object.entries(nodes).map(([name, when]) => [name, { when }])),
  cooldown: { when: leaf, header: (random) => ({ cooldown: length(random) }) },
  purpose: { when: leaf, header: () => ({ purpose: 'marketing' }) },
  'cooldown of held': {
    when: nodes['held'] as Draw,
    header: (random) => ({ cooldown: length(random), purpose: 'marketing' }),
  },
  'in another': {
    when: (random, unit) => ({
      and: [{ not: { inSegment: 'held' } }, { held: { expr: leaf(random, unit), for: 4 * unit } }],
    }),
  },
};

/** How events come, and what is told. */
export type Mode = 'in order' | 'late within the grace' | 'present only';
export const modes: readonly Mode[] = ['in order', 'late within the grace', 'present only'];

export interface Outcome {
  /** Ends that should stand, and ends told that take the place of others; over all looks. */
  ends: number;
  superseded: number;
  readonly differing: Difference[];
}

export interface Difference {
  readonly seed: number;
  readonly segment: unknown;
  readonly arrivals: readonly Arrival[];
  readonly at: number;
  readonly expected: unknown;
  readonly found: unknown;
}

/**
 * Runs so many subjects, each with a history of its own, under one segment of each kind. Looks at
 * what was told when time stands at two random instants, and at the end.
 * @param wanted names of kinds; kinds that these ask for are added
 */
export async function compareHistories(
  wanted: readonly string[],
  mode: Mode,
  subjects: number,
  seed: number,
): Promise<ReadonlyMap<string, Outcome>> {
  const random = new SeededRandom(seed);
  const config = {
    engagement: { graceMs, refundMs },
    segments: segmentsOf(random, wanted, mode),
  } as PersonalisationConfig;
  const { segments } = checkPersonalisation(config);
  const histories = new Map<string, Coming[]>();
  for (let i = 0; i < subjects; i++) histories.set(`s${i}`, arrivalsOf(random, mode));
  const coming = [...histories].flatMap(([subject, own]) =>
    own.map(({ at, event, when }) => ({ when, key: subject, value: event, timestamp: at })),
  );
  coming.sort((a, b) => a.when - b.when);
  const looks = [0, 1].map(() => base + randomBelow(random, span + 60) * hour);
  const outcomes = new Map<string, Outcome>();
  for (const name of wanted) outcomes.set(name, { ends: 0, superseded: 0, differing: [] });
  const driver = await testDriver(personalisation(config));
  const told = new Map<string, SegmentChange[]>();
  let done = 0;
  for (const at of [...looks.sort((a, b) => a - b), end]) {
    let next = done;
    while ((coming[next]?.when ?? end + 1) <= at) next++;
    await driver.pipeAll(events, coming.slice(done, next));
    done = next;
    await driver.advanceTo(at);
    for (const { value } of await driver.read(segmentChanges)) {
      if (value === null) continue;
      const key = `${value.user} ${value.segment}`;
      const own = told.get(key);
      if (own === undefined) told.set(key, [value]);
      else own.push(value);
    }
    for (const [subject, all] of histories) {
      const arrivals = all.filter(({ when }) => when <= at);
      if (arrivals.length === 0) continue;
      const set = oracleEvents(accepted(arrivals, refundMs), subject);
      for (const [name, outcome] of outcomes) {
        const segment = segments.find(({ id }) => id === idOf(name)) as SegmentDefinition;
        const own = told.get(`${subject} ${segment.id}`) ?? [];
        const edges = edgesOf(inlined(segment, segments), set, at);
        const [expected, found] = [expectedOf(edges, mode), foundIn(own, mode)];
        outcome.ends += edges.length;
        outcome.superseded += own.filter((one) => one.supersedes !== undefined).length;
        if (JSON.stringify(found) === JSON.stringify(expected)) continue;
        outcome.differing.push({ seed, segment, arrivals, at, expected, found });
      }
    }
  }
  await driver.close();
  return outcomes;
}

function segmentsOf(random: SeededRandom, wanted: readonly string[], mode: Mode): object[] {
  const names = wanted.includes('in another') ? ['held', ...wanted] : wanted;
  return [...new Set(names)].map((name) => {
    const { when, header } = kinds[name] as Kind;
    return {
      id: idOf(name),
      version: 1,
      ...(mode === 'present only' ? { corrections: 'none' } : {}),
      ...header?.(random),
      when: when(random, hour),
    };
  });
}

function idOf(name: string): string {
  return name.replaceAll(' ', '-');
}

interface Coming extends Arrival {
  /** When it comes, in event time. */
  readonly when: number;
}

function arrivalsOf(random: SeededRandom, mode: Mode): Coming[] {
  const all = randomHistory(random, hour, base);
  if (mode === 'in order') {
    return all.map((one) => ({ ...one, when: one.at })).sort((a, b) => a.at - b.at);
  }
  const more = withRefunds(random, all, hour);
  const twice = more.filter(() => randomBelow(random, 5) === 0);
  return jumbled(random, [...more, ...twice], hour);
}

/** What was told: ends that stand; in order, each at its instant. */
function foundIn(own: readonly SegmentChange[], mode: Mode): unknown {
  try {
    const ends = standing(own);
    if (mode === 'present only') return presentOf(ends);
    const tardy = mode === 'in order' ? own.filter((one) => one.decidedAt !== one.effectiveAt) : [];
    return tardy.length > 0 ? { tardy } : ends;
  } catch (error) {
    return { broken: String(error) };
  }
}

function expectedOf(edges: readonly Edge[], mode: Mode): unknown {
  return mode === 'present only' ? presentOf(edges) : edges;
}

function presentOf(ends: readonly { readonly in: boolean }[]): boolean {
  return ends.at(-1)?.in ?? false;
}

/** The segments that it asks for stand in place of their names. */
function inlined(segment: SegmentDefinition, all: readonly SegmentDefinition[]): SegmentDefinition {
  const visit = (node: Expression): Expression => {
    if (node.kind === 'inSegment') {
      const other = all.find(({ id }) => id === node.id) as SegmentDefinition;
      return visit(wholeCondition(other));
    }
    if (node.kind === 'and' || node.kind === 'or') {
      return { ...node, children: node.children.map(visit) };
    }
    if (node.kind === 'latch') return { ...node, enter: visit(node.enter), exit: visit(node.exit) };
    return 'child' in node ? { ...node, child: visit(node.child) } : node;
  };
  return { ...segment, when: visit(segment.when) };
}
