/**
 * The intervals a stream of changes tells: superseded ends gone, in order of time, checked to
 * alternate.
 */
import type { Edge } from './segment-intervals.ts';

interface Change {
  readonly seq: number;
  readonly type: 'entered' | 'exited';
  readonly effectiveAt: number;
  readonly supersedes?: number;
}

/**
 * Of one subject and segment, in the order in which they were told. Throws when the rules are
 * broken.
 */
export function standing(changes: readonly Change[]): Edge[] {
  const alive = new Map<number, Change>();
  changes.forEach((change, i) => {
    if (change.seq !== i + 1) throw new Error(`seq is not ${i + 1}: ${JSON.stringify(change)}`);
    if (change.supersedes !== undefined && !alive.delete(change.supersedes)) {
      throw new Error(`nothing stands to be superseded: ${JSON.stringify(change)}`);
    }
    alive.set(change.seq, change);
  });
  const ordered = [...alive.values()].sort(
    (a, b) => a.effectiveAt - b.effectiveAt || a.seq - b.seq,
  );
  const edges: Edge[] = [];
  ordered.forEach(({ effectiveAt: at, type, seq }, i) => {
    if ((type === 'entered') !== (i % 2 === 0)) throw new Error(`seq ${seq} does not alternate`);
    if (edges.at(-1)?.at === at) edges.pop();
    else edges.push({ at, in: type === 'entered' });
  });
  return edges;
}
