/** `sequence`: chains of events in a strict order. */
import type { Trait } from '../event.ts';
import type { Match, SequenceNode, Step } from './definition.ts';
import type { History } from './history.ts';
import { type Occurrence, occurrences } from './occurrences.ts';
import { type Interval, never, type Timeline, unionOf } from './timeline.ts';
import { passesAll } from './value-test.ts';

/**
 * Value of the bound field -> the latest start of a chain with it; undefined before a step binds.
 */
type Chains = Map<Trait | undefined, number>;

/**
 * A chain that ends with an event is true for `for` from that event on. Of all chains with the same
 * bound value that end at the same event, only the one that starts latest is kept, since later
 * steps only ask for its length.
 */
export function sequence(node: SequenceNode, history: History): Timeline {
  const { steps, notBetween } = node;
  const events = occurrences(history, [...steps, ...notBetween]);
  const breaks = events.map((event) => notBetween.some((match) => fits(event, match)));
  const chains: Chains[][] = [];
  const done: Interval[] = [];
  events.forEach((event, i) => {
    const own: Chains[] = steps.map((step, k) =>
      fits(event, step) ? chainsTo(node, events, breaks, chains, i, step, k) : new Map(),
    );
    chains.push(own);
    if ((own.at(-1)?.size ?? 0) > 0) done.push([event.at, event.at + node.for]);
  });
  return unionOf(done);
}

function fits(event: Occurrence, { event: classes, where }: Match): boolean {
  return classes.includes(event.class) && passesAll([event.at, event.id, event.fields], where);
}

/** The chains in which event `i` is step `k`. */
function chainsTo(
  { within, maxGap = never, ties }: SequenceNode,
  events: readonly Occurrence[],
  breaks: readonly boolean[],
  chains: readonly Chains[][],
  i: number,
  { bind }: Step,
  k: number,
): Chains {
  const found: Chains = new Map();
  const { at, fields } = events[i] as Occurrence;
  const own = bind === undefined ? undefined : fields.get(bind);
  if (bind !== undefined && own === undefined) return found;
  if (k === 0) return found.set(own, at);
  let barrier = Number.NEGATIVE_INFINITY;
  for (let j = i - 1; j >= 0; j--) {
    const before = events[j] as Occurrence;
    if (at - before.at > Math.min(within, maxGap) || before.at < barrier) break;
    const isBefore = ties === 'causal' || before.at < at;
    if (isBefore) {
      for (const [value, start] of chains[j]?.[k - 1] ?? []) {
        if (at - start > within) continue;
        if (own !== undefined && value !== undefined && own !== value) continue;
        const key = own ?? value;
        found.set(key, Math.max(found.get(key) ?? Number.NEGATIVE_INFINITY, start));
      }
    }
    if (breaks[j] !== true) continue;
    // Without an order within an instant, an event at the instant of the break is not after it.
    if (ties === 'causal') break;
    if (isBefore) barrier = before.at;
  }
  return found;
}
