/** Sets what the engine says beside what was recomputed; counts, and shows the first differences. */
import type { EngagementConfig } from '../../topologies/engagement/config.ts';
import type { SegmentDefinition } from '../../topologies/segments/definition.ts';
import type { EngineRun } from './engine-run.ts';
import type { LogEvent } from './events.ts';
import { scoresBySql } from './score-sql.ts';
import { canRecompute, type Edge, edgesOf, hasMemory, settled } from './segment-intervals.ts';

type Accepted = ReadonlyMap<string, readonly LogEvent[]>;

export interface Comparison {
  readonly lines: readonly string[];
  readonly differing: number;
}

const day = 86_400_000;
/** How long after the end scores are compared, in days: without events they only decay. */
const later = [0, 1, 7, 14, 30, 90, 365];
const shown = 5;

/** Score and sub-scores of every subject at seven instants. */
export function compareScores(
  run: EngineRun,
  accepted: Accepted,
  config: EngagementConfig,
): Comparison {
  let compared = 0;
  const known = new Set(run.subjects);
  const differences: string[] = [];
  for (const days of later) {
    const at = run.end + days * day;
    const expected = scoresBySql(accepted, config, at);
    for (const subject of new Set([...expected.keys(), ...run.subjects])) {
      const sql = expected.get(subject);
      const engine = known.has(subject) ? run.scoreOf(subject, at) : undefined;
      compared++;
      const same =
        sql?.score === engine?.score &&
        Object.keys(config.channels).every((name) => sql?.subs[name] === engine?.subs[name]);
      if (same) continue;
      differences.push(
        `  subject ${subject} at +${days} d: SQL ${JSON.stringify(sql)}, engine ${JSON.stringify(engine)}`,
      );
    }
  }
  const lines = [`scores: ${compared} compared, ${differences.length} differing`];
  return { lines: [...lines, ...differences.slice(0, shown)], differing: differences.length };
}

/**
 * All membership edges. When `everyEdge` is false, as after a shuffle, only the membership at the end,
 * and not of segments with a memory: decisions already made are not corrected by what arrives later.
 */
export function compareSegments(
  run: EngineRun,
  accepted: Accepted,
  segments: readonly SegmentDefinition[],
  everyEdge: boolean,
): Comparison {
  const lines: string[] = [];
  let differing = 0;
  for (const segment of segments) {
    if (!canRecompute(segment.when)) {
      lines.push(`segment ${segment.id}: not recomputed, it depends on the score`);
      continue;
    }
    if (!everyEdge && hasMemory(segment.when)) {
      lines.push(`segment ${segment.id}: not compared, held and latch depend on order of arrival`);
      continue;
    }
    const found = engineEdges(run, segment.id);
    const differences: string[] = [];
    let [compared, entered, exited, members] = [0, 0, 0, 0];
    for (const subject of new Set([...accepted.keys(), ...found.keys()])) {
      const all = edgesOf(segment, accepted.get(subject) ?? [], run.end);
      const [expected, actual] = [all, settled(found.get(subject) ?? [])].map((edges) =>
        everyEdge ? edges : [edges.at(-1)?.in ?? false],
      );
      compared += Math.max(expected?.length ?? 0, 1);
      entered += all.filter((edge) => edge.in).length;
      exited += all.filter((edge) => !edge.in).length;
      if (all.at(-1)?.in) members++;
      if (JSON.stringify(expected) === JSON.stringify(actual)) continue;
      differences.push(
        `  subject ${subject}: expected ${JSON.stringify(expected)}, engine ${JSON.stringify(actual)}`,
      );
    }
    const sizes = `${entered} entered, ${exited} exited, ${members} members at the end`;
    lines.push(
      `segment ${segment.id}: ${compared} compared, ${differences.length} differing; ${sizes}`,
      ...differences.slice(0, shown),
    );
    differing += differences.length;
  }
  return { lines, differing };
}

/** The engine's changes of a segment by subject, checked to alternate and to count up from 1. */
function engineEdges(run: EngineRun, segment: string): Map<string, Edge[]> {
  const bySubject = new Map<string, Edge[]>();
  for (const change of run.changes) {
    if (change.segment !== segment) continue;
    const edges = bySubject.get(change.user) ?? [];
    bySubject.set(change.user, edges);
    edges.push({ at: change.effectiveAt, in: change.type === 'entered' });
    if (change.seq !== edges.length || (change.type === 'entered') !== (edges.length % 2 === 1)) {
      throw new Error(`change ${JSON.stringify(change)} is out of sequence`);
    }
  }
  return bySubject;
}
