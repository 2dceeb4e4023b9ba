/**
 * The e-mail gate: shut after a hard bounce until the address changes, for 365 days after a
 * complaint, and from an unsubscription or a withdrawn consent until the next subscription or
 * consent. It is kept as intervals of event time: the state at an instant does not depend on later
 * events.
 */
import {
  type ConsentEntry,
  consentAt,
  consentChangesAt,
  forgetConsents,
} from '../accepted/consent.ts';
import { hourMs } from '../time-units.ts';

export interface Gates {
  /** Instants of the events of each kind, ms UTC, ascending. */
  readonly events: Readonly<Record<GateKind, number[]>>;
  /** Consents for the purpose of the gate. */
  readonly consent: ConsentEntry[];
}

export type GateKind = 'bounced' | 'addressChanged' | 'left' | 'joined' | 'complained';

export const gateEvents: ReadonlyMap<string, GateKind> = new Map([
  ['email_bounce', 'bounced'],
  ['address_change', 'addressChanged'],
  ['email_unsubscribe', 'left'],
  ['email_subscribe', 'joined'],
  ['email_complaint', 'complained'],
]);

const complaintMs = 365 * 24 * hourMs;

export function openGates(): Gates {
  const events = { bounced: [], addressChanged: [], left: [], joined: [], complained: [] };
  return { events, consent: [] };
}

export function gateEvent(gates: Gates, kind: GateKind, at: number, add: boolean): void {
  const instants = gates.events[kind];
  if (add) instants.push(at);
  else if (instants.includes(at)) instants.splice(instants.indexOf(at), 1);
  instants.sort((a, b) => a - b);
}

/** At one instant, an event that opens the gate wins over one that shuts it. */
export function gateIsShut({ events, consent }: Gates, at: number): boolean {
  const complained = lastOf(events.complained, at);
  return (
    lastOf(events.bounced, at) > lastOf(events.addressChanged, at) ||
    lastOf(events.left, at) > lastOf(events.joined, at) ||
    at < complained + complaintMs ||
    consentAt(consent, at) === 'withdrawn'
  );
}

/**
 * The next instant after `at` (ms UTC) at which time alone may open or shut the gate; +Infinity for
 * never.
 */
export function gateChangesAt({ events, consent }: Gates, at: number): number {
  const until = lastOf(events.complained, at) + complaintMs;
  return Math.min(at < until ? until : Number.POSITIVE_INFINITY, consentChangesAt(consent, at));
}

/** Forgets events that say nothing about any instant from `from` on. */
export function forgetGates(gates: Gates, from: number): void {
  forgetConsents(gates.consent, from);
  for (const instants of Object.values(gates.events)) {
    const last = instants.findLastIndex((at) => at <= from);
    if (last > 0) instants.splice(0, last);
  }
}

function lastOf(instants: readonly number[], at: number): number {
  return instants.findLast((one) => one <= at) ?? Number.NEGATIVE_INFINITY;
}
