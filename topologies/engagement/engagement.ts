/**
 * Everything kept of a subject for its score, and how an event that joins or leaves the set changes
 * it.
 */
import { addConsent, isConsent, purposeOf } from '../accepted/consent.ts';
import type { Event } from '../event.ts';
import { dayMs, hourMs } from '../time-units.ts';
import { type BandStep, bandPath } from './bands.ts';
import { type Companions, companionsAt } from './companions.ts';
import { type Counts, countEvent, hourOf, noCounts, settleHours } from './counts.ts';
import type { EngagementConfig } from './engagement-config.ts';
import { forgetGates, type Gates, gateEvent, gateEvents, openGates } from './gates.ts';
import { forgetOrders, noOrders, type Orders, orderEvent } from './orders.ts';
import { ScoreCurve } from './score.ts';

export interface Engagement {
  counts: Counts;
  gates: Gates;
  orders: Orders;
  /** The last band that no correction can change; its instant is -1 before the first. */
  start: BandStep;
  /** Instants of events after `start` at which the score may have changed, ascending. */
  instants: number[];
}

export function noEngagement(): Engagement {
  return {
    counts: noCounts(),
    gates: openGates(),
    orders: noOrders(),
    start: { at: -1, band: 0 },
    instants: [],
  };
}

/** Whether an event affects the score, the gates or money. */
export function concernsEngagement(config: EngagementConfig, event: Event): boolean {
  return (
    config.classes[event.class] !== undefined ||
    gateEvents.has(event.class) ||
    config.money.classes.includes(event.class) ||
    concernsGate(config, event)
  );
}

function concernsGate(config: EngagementConfig, event: Event): boolean {
  return isConsent(event) && purposeOf(event) === config.gatePurpose;
}

/**
 * Applies an event that joins the accepted set or leaves it. Returns whether the band of an instant
 * that is already decided may change; several events at one instant count as such a change.
 */
export function applyEvent(
  config: EngagementConfig,
  state: Engagement,
  event: Event,
  at: number,
  add: boolean,
): boolean {
  if (!concernsEngagement(config, event)) return false;
  countEvent(config, state.counts, event, at, add);
  orderEvent(config, state.orders, event, at, add);
  const gate = gateEvents.get(event.class);
  if (gate !== undefined) gateEvent(state.gates, gate, at, add);
  if (concernsGate(config, event)) addConsent(state.gates.consent, event, at, add);
  const last = state.instants.at(-1) ?? state.start.at;
  if (add && at > last) {
    state.instants.push(at);
    return false;
  }
  if (add && at > state.start.at && !state.instants.includes(at)) {
    state.instants.push(at);
    state.instants.sort((a, b) => a - b);
  }
  return true;
}

export function curveOf(config: EngagementConfig, state: Engagement): ScoreCurve {
  return new ScoreCurve(config, state.counts, state.gates);
}

/** The bands from the start of the kept past to `end`, ms UTC. */
export function bandsUntil(
  config: EngagementConfig,
  state: Engagement,
  curve: ScoreCurve,
  end: number,
): BandStep[] {
  return bandPath(config, curve, state.start, state.instants, end);
}

/**
 * Settles what no event can change any more: everything before `now` less the grace and the refund
 * time. Call it once a day of the subject's time; it also moves the start of the bands.
 */
export function settle(config: EngagementConfig, state: Engagement, now: number): void {
  const settled = now - config.graceMs - config.refundMs;
  if (settled < state.start.at + dayMs || settled < 0) return;
  // Of an hour that is settled the instants are gone: the start lies at the end of one.
  const hour = hourOf(settled);
  const at = hour * hourMs - 1;
  const last = bandsUntil(config, state, curveOf(config, state), at).at(-1) as BandStep;
  state.start = { at, band: last.band };
  state.instants = state.instants.filter((instant) => instant > at);
  settleHours(config, state.counts, hour);
  forgetOrders(state.orders, hour);
  forgetGates(state.gates, at);
}

export function companions(config: EngagementConfig, state: Engagement, at: number): Companions {
  return companionsAt(config, state.counts, state.orders, hourOf(at));
}
