/** Why a condition holds or not: the verdict of each of its parts, and when it may change by itself. */
import type { Expression } from './definition.ts';
import { evaluate, type Facts, type Memory } from './evaluate.ts';

export interface Explanation {
  /** 'and', 'latch', ... for what has parts; the whole condition as JSON for what has none. */
  readonly condition: string;
  readonly holds: boolean;
  /** The next instant at which it may change without an event, ms UTC; absent for never. */
  readonly changesAt?: number;
  readonly parts: readonly Explanation[];
}

/** @param memory as it was before the instant; it is not changed */
export function explain(
  node: Expression,
  at: number,
  facts: Facts,
  memory: Memory,
  path = '',
): Explanation {
  const { holds, next } = evaluate(node, at, facts, { ...memory }, path);
  const parts = partsOf(node, path).map(([part, partPath]) =>
    explain(part, at, facts, memory, partPath),
  );
  return {
    condition: parts.length === 0 ? JSON.stringify(node) : titleOf(node),
    holds,
    ...(Number.isFinite(next) ? { changesAt: next } : {}),
    parts,
  };
}

/** The parts of a node, each with the path under which its memory is kept. */
function partsOf(node: Expression, path: string): [Expression, string][] {
  if ('and' in node) return node.and.map((part, i) => [part, `${path}.and.${i}`]);
  if ('or' in node) return node.or.map((part, i) => [part, `${path}.or.${i}`]);
  if ('not' in node) return [[node.not, `${path}.not`]];
  if ('held' in node) return [[node.held, `${path}.held`]];
  if ('once' in node) return [[node.once, `${path}.once`]];
  if (!('latch' in node)) return [];
  return [
    [node.latch.enter, `${path}.latch.enter`],
    [node.latch.exit, `${path}.latch.exit`],
  ];
}

function titleOf(node: Expression): string {
  if ('held' in node) return `held for ${node.forMs} ms`;
  if ('once' in node) {
    return node.reentryAfterMs === undefined ? 'once' : `once in ${node.reentryAfterMs} ms`;
  }
  return Object.keys(node)[0] ?? '';
}
