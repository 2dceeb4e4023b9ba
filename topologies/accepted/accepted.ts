/**
 * The accepted set of a subject: each of its events once, without those that are late, taken back
 * or not permitted. An arriving event is reported as the events that join the set or leave it, so
 * everything computed from the set is corrected by the same few lines, whatever the order of
 * arrival.
 */
import { listOf } from '../dictionary.ts';
import type { EngagementConfig } from '../engagement/engagement-config.ts';
import type { Event } from '../event.ts';
import {
  addConsent,
  type ConsentConfig,
  type Consents,
  forgetConsents,
  isConsent,
  isPermitted,
  purposeOf,
} from './consent.ts';
import { type MachineRule, type MachineRules, type MessageFacts, rulesDecide } from './machine.ts';

/** An event whose class may still change: its instant, the event, and the class it counts as. */
export interface Held {
  readonly at: number;
  readonly event: Event;
  /** Undefined while the event is not in the set. */
  as: string | undefined;
}

export interface Accepted {
  /** Ids of events within the grace period, with their instants. */
  recent: Map<string, number>;
  held: Held[];
  /** Instants of refunds by order, and of deliveries by message; ms UTC. */
  refunds: Map<string, number[]>;
  delivered: Map<string, number[]>;
  consents: Consents;
}

export interface SetChange {
  readonly add: boolean;
  readonly event: Event;
  readonly at: number;
}

/** Says that an activity now counts as a machine's, or no longer does. */
export interface Label {
  readonly at: number;
  readonly event: Event;
  readonly isMachine: boolean;
  /** The class it counts as. */
  readonly as: string;
  readonly rules: readonly MachineRule[];
  readonly correction: boolean;
}

export type Taken =
  | { readonly refused: 'late' | 'duplicate' | 'no_consent' }
  | { readonly changes: readonly SetChange[]; readonly labels: readonly Label[] };

/** A refund takes the order of its item out of the set. */
export const refundClass = 'refund';

export function nothingAccepted(): Accepted {
  return {
    recent: new Map(),
    held: [],
    refunds: new Map(),
    delivered: new Map(),
    consents: new Map(),
  };
}

export class AcceptedSet {
  readonly #engagement: EngagementConfig;
  readonly #machine: MachineRules;
  readonly #consent: ConsentConfig;
  /** Two events that are farther apart in time do not affect each other, ms. */
  readonly #reach: number;

  constructor(engagement: EngagementConfig, machine: MachineRules, consent: ConsentConfig) {
    this.#engagement = engagement;
    this.#machine = machine;
    this.#consent = consent;
    const { honeypotMs, burstMs, beforeDeliveryMs, afterDeliveryMs } = machine.config;
    this.#reach = Math.max(honeypotMs, burstMs, beforeDeliveryMs, afterDeliveryMs);
  }

  /**
   * Takes an event in. A refused event changes nothing.
   * @param now the greatest instant that the subject's clock has seen, ms UTC
   */
  take(state: Accepted, event: Event, at: number, now: number): Taken {
    const horizon = now - this.#engagement.graceMs;
    if (at < horizon) return { refused: 'late' };
    if (state.recent.has(event.id)) return { refused: 'duplicate' };
    const permitted = isPermitted(this.#consent, state.consents, event, at);
    if (!permitted && !this.#consent.keepRefused) return { refused: 'no_consent' };
    this.#forget(state, horizon);
    state.recent.set(event.id, at);
    const changes: SetChange[] = [];
    const labels: Label[] = [];
    const item = itemOf(event);
    let concerned: readonly Held[] = [];
    if (isConsent(event)) {
      const purpose = purposeOf(event);
      addConsent(listOf(state.consents, purpose), event, at);
      concerned = [...state.held];
    }
    if (!this.#mayChange(event)) {
      const alone = { at, event };
      const rules = this.#machine.rulesFor(alone, { clicks: [alone], delivered: [] });
      const held: Held = { at, event, as: undefined };
      this.#put(state, held, this.#classBy(event, rules), rules, changes, labels);
    } else state.held.push({ at, event, as: undefined });
    if (!isConsent(event)) {
      // What an event tells about its message or order holds for all events that share it.
      concerned = state.held.filter((held) => held.event === event || itemOf(held.event) === item);
    }
    // Two passes: a delivery or refund that joins or leaves in the first decides about others in
    // the second.
    for (const held of [...concerned, ...concerned]) {
      this.#reform(state, held, horizon, changes, labels);
    }
    if (!this.#consent.keepRefused && isConsent(event)) {
      state.held = state.held.filter((one) =>
        isPermitted(this.#consent, state.consents, one.event, one.at),
      );
    }
    return { changes, labels };
  }

  #isOrder(event: Event): boolean {
    return this.#engagement.money.classes.includes(event.class);
  }

  /** Whether a later event can change what this one counts as. */
  #mayChange(event: Event): boolean {
    const { needs } = this.#consent;
    const needsConsent = needs[event.class] !== undefined || needs['*'] !== undefined;
    return (
      this.#isOrder(event) ||
      (this.#machine.isClick(event) && event.item !== undefined) ||
      (needsConsent && !isConsent(event))
    );
  }

  /** Adds a held event to the set, removes it, or changes its class, as the rules now have it. */
  #reform(
    state: Accepted,
    held: Held,
    horizon: number,
    changes: SetChange[],
    labels: Label[],
  ): void {
    const { at, event } = held;
    if (!isPermitted(this.#consent, state.consents, event, at) || this.#isRefunded(state, held)) {
      this.#put(state, held, undefined, [], changes, labels);
      return;
    }
    // Some of its siblings are forgotten: the decision made when all were there stands.
    if (at < horizon - this.#reach && held.as !== undefined) return;
    const isActivity = this.#machine.machineClass(event) !== undefined;
    const rules = isActivity ? this.#machine.rulesFor(held, this.#messageOf(state, event)) : [];
    this.#put(state, held, this.#classBy(event, rules), rules, changes, labels);
  }

  /** Records the change that the event now counts as `as`. */
  #put(
    state: Accepted,
    held: Held,
    as: string | undefined,
    rules: readonly MachineRule[],
    changes: SetChange[],
    labels: Label[],
  ): void {
    const { at, event, as: before } = held;
    if (as === before) return;
    if (before !== undefined) changes.push({ add: false, event: { ...event, class: before }, at });
    if (as !== undefined) changes.push({ add: true, event: { ...event, class: as }, at });
    held.as = as;
    if (event.class === refundClass) toggle(state.refunds, itemOf(event), at, as !== undefined);
    if (event.class === this.#machine.config.delivered) {
      toggle(state.delivered, itemOf(event), at, as !== undefined);
    }
    const isMachine = as !== undefined && as !== event.class;
    const wasMachine = before !== undefined && before !== event.class;
    if (as === undefined || (!isMachine && !wasMachine)) return;
    labels.push({ at, event, isMachine, as, rules, correction: before !== undefined });
  }

  #classBy(event: Event, rules: readonly MachineRule[]): string {
    const machineClass = this.#machine.machineClass(event);
    return machineClass !== undefined && rulesDecide(rules) ? machineClass : event.class;
  }

  #messageOf(state: Accepted, event: Event): MessageFacts {
    const item = itemOf(event);
    const clicks = state.held.filter(
      (held) =>
        this.#machine.isClick(held.event) &&
        itemOf(held.event) === item &&
        isPermitted(this.#consent, state.consents, held.event, held.at),
    );
    return { clicks, delivered: state.delivered.get(item) ?? [] };
  }

  #isRefunded(state: Accepted, { at, event }: Held): boolean {
    if (!this.#isOrder(event)) return false;
    const until = at + this.#engagement.refundMs;
    const refunds = state.refunds.get(itemOf(event));
    return refunds?.some((one) => at <= one && one <= until) === true;
  }

  /** Forgets what no event from `horizon` on can affect. */
  #forget(state: Accepted, horizon: number): void {
    for (const [id, seen] of state.recent) if (seen < horizon) state.recent.delete(id);
    const siblings = horizon - 2 * this.#reach;
    const orders = horizon - this.#engagement.refundMs;
    const isOver = ({ at, event }: Held) => at < (this.#isOrder(event) ? orders : siblings);
    if (state.held.some(isOver)) state.held = state.held.filter((held) => !isOver(held));
    for (const [instants, from] of [
      // Refunds are kept for as long as the orders they removed.
      [state.refunds, orders],
      [state.delivered, siblings],
    ] as const) {
      for (const [item, all] of instants) {
        if (all.every((at) => at < from)) instants.delete(item);
      }
    }
    for (const entries of state.consents.values()) {
      forgetConsents(entries, Math.min(orders, siblings));
    }
  }
}

function toggle(all: Map<string, number[]>, item: string, at: number, add: boolean): void {
  const instants = listOf(all, item);
  if (add) instants.push(at);
  else if (instants.includes(at)) instants.splice(instants.indexOf(at), 1);
}

function itemOf(event: Event): string {
  return event.item ?? event.id;
}
