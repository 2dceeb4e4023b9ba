/**
 * The accepted set of a subject: its events, each once, none late, none taken back. What an arriving
 * event changes is told as events that join the set or leave it, so that everything computed from the
 * set is corrected by the same few lines, in whatever order events come.
 */
import type { EngagementConfig } from '../engagement/config.ts';
import type { Event } from '../event.ts';

/** An event that may still change its form: its instant, itself, and the class it counts as. */
export interface Held {
  readonly at: number;
  readonly event: Event;
  /** undefined: it is not in the set now. */
  as: string | undefined;
}

export interface Accepted {
  /** Ids of events within the grace period, with their instants. */
  recent: Record<string, number>;
  held: Held[];
  /** Instants of refunds by order. */
  refunds: Record<string, number[]>;
}

export interface SetChange {
  readonly add: boolean;
  readonly event: Event;
  readonly at: number;
}

export type Taken =
  | { readonly refused: 'late' | 'duplicate' }
  | { readonly changes: readonly SetChange[] };

/** A refund takes the order of its item out of the set. */
export const refundClass = 'refund';

export function nothingAccepted(): Accepted {
  return { recent: {}, held: [], refunds: {} };
}

/**
 * Takes an event in.
 * @param now the greatest instant that the subject's clock has seen, ms UTC
 */
export function takeEvent(
  config: EngagementConfig,
  state: Accepted,
  event: Event,
  at: number,
  now: number,
): Taken {
  const horizon = now - config.graceMs;
  if (at < horizon) return { refused: 'late' };
  if (state.recent[event.id] !== undefined) return { refused: 'duplicate' };
  forget(config, state, horizon);
  state.recent[event.id] = at;
  if (event.class === refundClass) return { changes: refunded(config, state, event, at) };
  if (!config.money.classes.includes(event.class)) return { changes: [{ add: true, event, at }] };
  const held: Held = { at, event, as: undefined };
  state.held.push(held);
  return { changes: reform(config, state, [held]) };
}

function refunded(
  config: EngagementConfig,
  state: Accepted,
  event: Event,
  at: number,
): readonly SetChange[] {
  const order = orderOf(event);
  state.refunds[order] = [...(state.refunds[order] ?? []), at];
  const concerned = state.held.filter((held) => orderOf(held.event) === order);
  return [...reform(config, state, concerned), { add: true, event, at }];
}

/** Brings events to the form that the set gives them now; answers what changed. */
function reform(
  config: EngagementConfig,
  state: Accepted,
  concerned: readonly Held[],
): SetChange[] {
  const changes: SetChange[] = [];
  for (const held of concerned) {
    const { at, event, as: before } = held;
    const after = formOf(config, state, held);
    if (after === before) continue;
    if (before !== undefined) changes.push({ add: false, event: { ...event, class: before }, at });
    if (after !== undefined) changes.push({ add: true, event: { ...event, class: after }, at });
    held.as = after;
  }
  return changes;
}

function formOf(
  config: EngagementConfig,
  state: Accepted,
  { at, event }: Held,
): string | undefined {
  const { money, refundMs } = config;
  const refunds = state.refunds[orderOf(event)];
  const isOrder = money.classes.includes(event.class);
  const isRefunded = refunds?.some((refund) => at <= refund && refund <= at + refundMs) === true;
  return isOrder && isRefunded ? undefined : event.class;
}

function orderOf(event: Event): string {
  return event.item ?? event.id;
}

/** Forgets what no event from `horizon` on can concern. */
function forget({ refundMs }: EngagementConfig, state: Accepted, horizon: number): void {
  for (const [id, seen] of Object.entries(state.recent)) {
    if (seen < horizon) delete state.recent[id];
  }
  if (state.held.some(({ at }) => at < horizon - refundMs)) {
    state.held = state.held.filter(({ at }) => at >= horizon - refundMs);
  }
  for (const [order, instants] of Object.entries(state.refunds)) {
    const kept = instants.filter((at) => at >= horizon);
    if (kept.length === 0) delete state.refunds[order];
    else if (kept.length < instants.length) state.refunds[order] = kept;
  }
}
