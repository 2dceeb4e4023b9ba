/** Consent by purpose, as intervals of event time: each instant has its own answer. */
import { aRecord, checkSetting, checkSettings, choice, flag, text } from 'millrace/steps';
import { withoutInherited } from '../dictionary.ts';
import type { Event } from '../event.ts';

export interface ConsentConfig {
  /**
   * Class -> the purpose that its events need; '*' for classes not named. None: all are permitted.
   */
  readonly needs: Readonly<Record<string, string>>;
  /** What holds while a subject has said nothing: 'withdrawn' where the policy is opt-in. */
  readonly unknown: 'granted' | 'withdrawn';
  /**
   * Whether an event that is not permitted is kept for the grace period, for a consent that comes
   * later but was given before. Without, nothing of it is kept, and such a consent does not bring
   * it back.
   */
  readonly keepRefused: boolean;
}

export const defaultConsent: ConsentConfig = { needs: {}, unknown: 'granted', keepRefused: false };

export const consentGranted = 'consent_granted';
export const consentWithdrawn = 'consent_withdrawn';

/** Said at an instant; granted until another, or for good (null). ms UTC. */
export type ConsentEntry = readonly [at: number, granted: boolean, until: number | null];
/** By purpose, ascending; of one instant the withdrawal is last. */
export type Consents = Map<string, ConsentEntry[]>;

export function isConsent({ class: name }: Event): boolean {
  return name === consentGranted || name === consentWithdrawn;
}

/** The purpose a consent event is about: its `purpose`, or its item. */
export function purposeOf(event: Event): string {
  return event.purpose ?? event.item ?? '';
}

/** Adds what a consent event says, or takes one such entry out again. */
export function addConsent(entries: ConsentEntry[], event: Event, at: number, add = true): void {
  const granted = event.class === consentGranted;
  const entry: ConsentEntry = [at, granted, granted ? (event.until ?? null) : null];
  const known = add ? -1 : entries.findIndex((one) => one.every((part, i) => part === entry[i]));
  if (known >= 0) entries.splice(known, 1);
  if (add) entries.push(entry);
  // Of two grants of one instant the longer one is last.
  const length = ([, , until]: ConsentEntry) => until ?? Number.POSITIVE_INFINITY;
  entries.sort(
    (a, b) => a[0] - b[0] || Number(b[1]) - Number(a[1]) || compare(length(a), length(b)),
  );
}

/** 'unknown' before anything was said; a consent that ran out is withdrawn. */
export function consentAt(
  entries: readonly ConsentEntry[] | undefined,
  at: number,
): 'granted' | 'withdrawn' | 'unknown' {
  const last = entries?.findLast((entry) => entry[0] <= at);
  if (last === undefined) return 'unknown';
  const [, granted, until] = last;
  return granted && (until === null || at < until) ? 'granted' : 'withdrawn';
}

/** When the answer changes by itself after `at`: a consent runs out. +Infinity for never. */
export function consentChangesAt(entries: readonly ConsentEntry[] | undefined, at: number): number {
  const last = entries?.findLast((entry) => entry[0] <= at);
  const until = last?.[1] === true ? last[2] : null;
  return until !== null && until > at ? until : Number.POSITIVE_INFINITY;
}

/** Forgets what says nothing about any instant from `from` on. */
export function forgetConsents(entries: ConsentEntry[], from: number): void {
  const last = entries.findLastIndex(([at]) => at <= from);
  if (last > 0) entries.splice(0, last);
}

/** Whether an event may be used at its instant. */
export function isPermitted(
  { needs, unknown }: ConsentConfig,
  consents: Consents,
  event: Event,
  at: number,
): boolean {
  const purpose = needs[event.class] ?? needs['*'];
  if (purpose === undefined || isConsent(event)) return true;
  const found = consentAt(consents.get(purpose), at);
  return (found === 'unknown' ? unknown : found) === 'granted';
}

/** Refuses what cannot be meant; the error names the field. */
export function checkConsent(given: ConsentConfig): ConsentConfig {
  checkSettings('consent', given, {
    needs: aRecord,
    unknown: choice('granted', 'withdrawn'),
    keepRefused: flag,
  });
  const needs = withoutInherited(given.needs);
  for (const [name, purpose] of Object.entries(needs)) {
    checkSetting(`consent.needs.${name}`, purpose, text);
  }
  return { ...given, needs };
}

function compare(a: number, b: number): number {
  return a === b ? 0 : a < b ? -1 : 1;
}
