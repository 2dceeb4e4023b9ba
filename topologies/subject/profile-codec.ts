/**
 * How a profile is written: dictionaries are lists of names and values in turn, so that every name
 * comes back as it was. MessagePack's own maps lose `__proto__`, and become objects that have a
 * `constructor`.
 *
 * Profiles of version 0 were objects throughout; they are read as they are, and written in this
 * form when they change.
 */
import { msgpack, type Serde, versioned } from 'millrace';
import type { ConsentEntry } from '../accepted/consent.ts';
import { setOwn } from '../dictionary.ts';
import type { Hour } from '../engagement/points.ts';
import type { Trait } from '../event.ts';
import { fromWritten as eventFromWritten, toWritten as eventToWritten } from '../event-codec.ts';
import { type History, type Kept, noFields } from '../segments/history.ts';
import type { Profile } from './profile.ts';

/** Name, value, name, value; in version 0 an object. */
type Written = readonly unknown[] | Readonly<Record<string, unknown>>;
type Fields = Readonly<Record<string, never>>;

export const profileSerde: Serde<Profile> = versioned(1, { 0: (older) => older }, serde());

function serde(): Serde<Profile> {
  const base = msgpack<unknown>();
  return {
    format: base.format,
    encode: (profile) => base.encode(toWritten(profile)),
    decode: (bytes, start, end) => fromWritten(base.decode(bytes, start, end)),
  };
}

/** A profile as plain data: numbers, texts, lists, and objects with fixed names. */
export function toWritten(profile: Profile): unknown {
  const { accepted, engagement, emitted, segments } = profile;
  const { history } = segments;
  return {
    ...profile,
    accepted: {
      ...accepted,
      recent: pairs(accepted.recent),
      held: accepted.held.map((held) => ({ ...held, event: eventToWritten(held.event) })),
      refunds: pairs(accepted.refunds),
      delivered: pairs(accepted.delivered),
      consents: pairs(accepted.consents),
    },
    engagement: {
      ...engagement,
      counts: { ...engagement.counts, hours: pairs(engagement.counts.hours, hoursToWritten) },
      orders: { ...engagement.orders, lines: pairs(engagement.orders.lines) },
    },
    emitted: emitted && { ...emitted, subs: Object.entries(emitted.subs).flat() },
    segments: {
      ...segments,
      history: historyToWritten(history),
      members: pairs(segments.members),
      wakes: pairs(segments.wakes),
    },
  };
}

/** The profile from what `toWritten` made, or from version 0. */
export function fromWritten(written: unknown): Profile {
  const profile = written as Fields & { readonly [part: string]: Fields };
  const { accepted, engagement, emitted, segments } = profile as Record<string, Fields>;
  const history = segments?.['history'] as unknown as Record<string, Written>;
  const counts = engagement?.['counts'] as unknown as Record<string, Written>;
  const orders = engagement?.['orders'] as unknown as Record<string, Written>;
  return {
    ...(profile as unknown as Profile),
    accepted: {
      ...(accepted as unknown as Profile['accepted']),
      recent: mapOf<number>(accepted?.['recent']),
      held: (accepted as unknown as Profile['accepted']).held.map((held) => ({
        ...held,
        event: eventFromWritten(held.event),
      })),
      refunds: mapOf<number[]>(accepted?.['refunds']),
      delivered: mapOf<number[]>(accepted?.['delivered']),
      consents: mapOf<ConsentEntry[]>(accepted?.['consents']),
    },
    engagement: {
      ...(engagement as unknown as Profile['engagement']),
      counts: {
        ...(counts as unknown as Profile['engagement']['counts']),
        hours: mapOf(counts['hours'], hoursFromWritten),
      },
      orders: {
        ...(orders as unknown as Profile['engagement']['orders']),
        lines: mapOf(orders['lines']),
      },
    },
    emitted: emittedFrom(emitted as unknown as Profile['emitted']),
    segments: {
      ...(segments as unknown as Profile['segments']),
      history: historyFromWritten(history),
      members: mapOf(segments?.['members']),
      wakes: mapOf(segments?.['wakes']),
    },
  };
}

export function historyToWritten(history: History): unknown {
  return {
    ...history,
    events: pairs(history.events, (all) => all.map(keptToWritten)),
    traits: pairs(history.traits),
    consents: pairs(history.consents),
  };
}

export function historyFromWritten(written: unknown): History {
  const history = written as Record<string, Written>;
  return {
    ...(written as History),
    events: mapOf(history['events'], (all) => (all as unknown[][]).map(keptFromWritten)),
    traits: mapOf(history['traits']),
    consents: mapOf(history['consents']),
  };
}

function pairs<V>(map: ReadonlyMap<string, V>, write: (value: V) => unknown = (v) => v): unknown[] {
  const list: unknown[] = [];
  for (const [name, value] of map) list.push(name, write(value));
  return list;
}

function mapOf<V>(
  written: Written | undefined,
  read: (value: unknown) => V = (value) => value as V,
): Map<string, V> {
  const map = new Map<string, V>();
  if (Array.isArray(written)) {
    for (let i = 0; i < written.length; i += 2) map.set(written[i], read(written[i + 1]));
  } else {
    for (const [name, value] of Object.entries(written ?? {})) map.set(name, read(value));
  }
  return map;
}

function emittedFrom(emitted: Profile['emitted']): Profile['emitted'] {
  if (emitted === undefined || emitted === null) return undefined;
  const subs: Record<string, number> = {};
  for (const [name, value] of mapOf<number>(emitted.subs)) setOwn(subs, name, value);
  return { ...emitted, subs };
}

/** Names are hours: digits. */
function hoursToWritten(hours: Readonly<Record<string, Hour>>): Record<string, unknown> {
  const written: Record<string, unknown> = {};
  for (const hour in hours) {
    const items = hours[hour] as Hour;
    written[hour] = typeof items === 'number' ? items : pairs(items);
  }
  return written;
}

function hoursFromWritten(written: unknown): Record<string, Hour> {
  const hours: Record<string, Hour> = {};
  for (const [hour, items] of Object.entries(written as Record<string, Written | number>)) {
    hours[hour] = typeof items === 'number' ? items : mapOf<number[]>(items);
  }
  return hours;
}

/** Instant, id, then names and values of fields in turn. */
function keptToWritten([at, id, fields]: Kept): unknown[] {
  return fields.size === 0 ? [at, id] : [at, id, ...pairs(fields)];
}

function keptFromWritten(written: readonly unknown[]): Kept {
  const [at, id, fields] = written as [number, string, unknown];
  if (written.length === 2) return [at, id, noFields];
  if (typeof fields === 'object') return [at, id, mapOf<Trait>(fields as Written)];
  return [at, id, mapOf<Trait>(written.slice(2))];
}
