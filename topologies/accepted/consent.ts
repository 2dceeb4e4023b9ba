/** Consent by purpose, as intervals of event time: every instant has its own status. */
import { aRecord, checkSetting, checkSettings, choice, flag, text } from 'millrace/steps';
import { withoutInherited } from '../dictionary.ts';
import type { Event } from '../event.ts';

export interface ConsentConfig {
  /**
   * By class: the purpose that its events need; '*' is for classes not named. Without an entry,
   * events of the class are permitted.
   */
  readonly needs: Readonly<Record<string, string>>;
  /** The status before a subject has said anything; 'withdrawn' under an opt-in policy. */
  readonly unknown: 'granted' | 'withdrawn';
  /**
   * Whether a refused event is kept for the grace period, in case a consent arrives that was given
   * before it. If false, nothing of the event is kept, and such a consent does not bring it back.
   */
  readonly keepRefused: boolean;
}

/** Used for what a configuration leaves out: all events are permitted. */
export const defaultConsent: ConsentConfig = { needs: {}, unknown: 'granted', keepRefused: false };

export const consentGranted = 'consent_granted';
export const consentWithdrawn = 'consent_withdrawn';

/** Stated at an instant; granted until another instant, or for good (null). ms UTC. */
export type ConsentEntry = readonly [at: number, granted: boolean, until: number | null];
/** By purpose, ascending; at one instant the withdrawal comes last. */
export type Consents = Map<string, ConsentEntry[]>;

export function isConsent({ class: name }: Event): boolean {
  return name === consentGranted || name === consentWithdrawn;
}

/** The purpose a consent event is about: its `purpose`, or its item. */
export function purposeOf(event: Event): string {
  return event.purpose ?? event.item ?? '';
}

/** Adds the entry of a consent event, or removes it again. */
export function addConsent(entries: ConsentEntry[], event: Event, at: number, add = true): void {
  const granted = event.class === consentGranted;
  const entry: ConsentEntry = [at, granted, granted ? (event.until ?? null) : null];
  const known = add ? -1 : entries.findIndex((one) => one.every((part, i) => part === entry[i]));
  if (known >= 0) entries.splice(known, 1);
  if (add) entries.push(entry);
  // Of two grants at one instant the longer comes last.
  const length = ([, , until]: ConsentEntry) => until ?? Number.POSITIVE_INFINITY;
  entries.sort(
    (a, b) => a[0] - b[0] || Number(b[1]) - Number(a[1]) || compare(length(a), length(b)),
  );
}

/** 'unknown' before the first entry; a consent that has run out is withdrawn. */
export function consentAt(
  entries: readonly ConsentEntry[] | undefined,
  at: number,
): 'granted' | 'withdrawn' | 'unknown' {
  const last = entries?.findLast((entry) => entry[0] <= at);
  if (last === undefined) return 'unknown';
  const [, granted, until] = last;
  return granted && (until === null || at < until) ? 'granted' : 'withdrawn';
}

/** The next instant after `at` (ms UTC) at which a consent runs out; +Infinity for never. */
export function consentChangesAt(entries: readonly ConsentEntry[] | undefined, at: number): number {
  const last = entries?.findLast((entry) => entry[0] <= at);
  const until = last?.[1] === true ? last[2] : null;
  return until !== null && until > at ? until : Number.POSITIVE_INFINITY;
}

/** Forgets entries that say nothing about any instant from `from` on. */
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

/** Refuses invalid settings. @throws CONFIG_INVALID that names the field */
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
