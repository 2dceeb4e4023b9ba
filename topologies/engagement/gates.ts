/**
 * The e-mail gate: shut after a hard bounce until the address changes, for 365 days after a complaint,
 * and from an unsubscription or a withdrawn consent until the next subscription or consent. Intervals
 * of event time: each instant has its own answer, whatever came later.
 */
import { hourMs } from './counts.ts';

/** Instants of the events of each kind, ms UTC, ascending. */
export type Gates = Record<GateKind, number[]>;
export type GateKind = 'bounced' | 'addressChanged' | 'left' | 'joined' | 'complained';

export const gateEvents: Readonly<Record<string, GateKind>> = {
  email_bounce: 'bounced',
  address_change: 'addressChanged',
  email_unsubscribe: 'left',
  email_subscribe: 'joined',
  email_complaint: 'complained',
};

const complaintMs = 365 * 24 * hourMs;

export function openGates(): Gates {
  return { bounced: [], addressChanged: [], left: [], joined: [], complained: [] };
}

export function gateEvent(gates: Gates, kind: GateKind, at: number, add: boolean): void {
  const instants = gates[kind];
  if (add) instants.push(at);
  else if (instants.includes(at)) instants.splice(instants.indexOf(at), 1);
  instants.sort((a, b) => a - b);
}

/** At one instant that which opens wins over that which shuts. */
export function gateIsShut(gates: Gates, at: number): boolean {
  const complained = lastOf(gates.complained, at);
  return (
    lastOf(gates.bounced, at) > lastOf(gates.addressChanged, at) ||
    lastOf(gates.left, at) > lastOf(gates.joined, at) ||
    at < complained + complaintMs
  );
}

/** When the gate opens by itself after `at`; +Infinity when it does not. */
export function gateChangesAt(gates: Gates, at: number): number {
  const until = lastOf(gates.complained, at) + complaintMs;
  return at < until ? until : Number.POSITIVE_INFINITY;
}

/** Forgets what says nothing about any instant from `from` on. */
export function forgetGates(gates: Gates, from: number): void {
  for (const instants of Object.values(gates)) {
    const last = instants.findLastIndex((at) => at <= from);
    if (last > 0) instants.splice(0, last);
  }
}

function lastOf(instants: readonly number[], at: number): number {
  return instants.findLast((one) => one <= at) ?? Number.NEGATIVE_INFINITY;
}
