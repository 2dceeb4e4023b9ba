/** The fields of sources of every kind, and shared checks. */
import { Cron } from 'croner';
import { messageOf } from '../../base/errors.ts';
import { type SecretSpec, secretName } from './secrets.ts';
import { type Check, type Fields, maybe, numberFrom, text } from './spec-check.ts';

export interface CommonSpec {
  /** Rows become events by this mapping: a shipped one by name, or a path. */
  readonly mapping?: string;
  /** The target topic; default events. Required without a mapping. */
  readonly topic?: string;
  /** Without a mapping: the fields of the record's key and time; the row is the value. */
  readonly key?: string;
  readonly time?: string;
  /** iso, epoch-ms, epoch-s or a pattern in UTC; default iso. */
  readonly timeFormat?: string;
  /** When to poll: cron with five fields, or six with seconds first. */
  readonly schedule?: string;
  /** IANA name of the schedule's time zone; default UTC. */
  readonly zone?: string;
  /** Instead of a schedule: pause between two polls, seconds. */
  readonly everySeconds?: number;
}

export type ValueSpec = string | number | SecretSpec;

export const seconds = numberFrom(0.01, 31_536_000);

export const address: Check = (value, path, tell) => {
  if (typeof value !== 'string' || !URL.canParse(value)) return tell(path, 'must be a URL');
  const { protocol, username, password, searchParams } = new URL(value);
  if (!/^https?:$/.test(protocol)) tell(path, 'must begin with https: or http:');
  if (username + password !== '') tell(path, 'must not hold user or password: use auth');
  for (const name of searchParams.keys()) {
    if (secretName.test(name)) tell(path, `must not hold ${name}: name it in query, as a secret`);
  }
};

export const instant: Check = (value, path, tell) => {
  const is = typeof value === 'string' && /^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$/.test(value);
  if (!is || Number.isNaN(Date.parse(value))) {
    tell(path, 'must be an instant such as 2026-01-31T00:00:00Z');
  }
};

const cron: Check = (value, path, tell) => {
  if (typeof value !== 'string') return tell(path, 'must be a cron pattern');
  try {
    const next = new Cron(value, { paused: true, timezone: 'UTC' }).nextRun(new Date(0));
    if (next === null) tell(path, `${JSON.stringify(value)} never comes`);
  } catch (error) {
    tell(path, `is no cron pattern: ${messageOf(error)}`);
  }
};

const zone: Check = (value, path, tell) => {
  try {
    new Intl.DateTimeFormat('en', { timeZone: value as string });
    text(value, path, tell);
  } catch {
    tell(path, 'must be an IANA time zone, such as Europe/Berlin');
  }
};

export const commonFields: Fields = {
  mapping: maybe(text),
  topic: maybe(text),
  key: maybe(text),
  time: maybe(text),
  timeFormat: maybe(text),
  schedule: maybe(cron),
  zone: maybe(zone),
  everySeconds: maybe(seconds),
};

/** Checks across fields of every source. */
export const commonRules: Check = (value, path, tell) => {
  const spec = value as CommonSpec;
  if (spec.schedule !== undefined && spec.everySeconds !== undefined) {
    tell(`${path}.everySeconds`, "is in place of 'schedule': leave one of them out");
  }
  if (spec.zone !== undefined && spec.schedule === undefined) {
    tell(`${path}.zone`, "is the zone of 'schedule', which is missing");
  }
  const own = ['key', 'time', 'timeFormat'] as const;
  if (spec.mapping !== undefined) {
    for (const name of own) {
      if (spec[name] !== undefined) tell(`${path}.${name}`, "is in place of 'mapping'");
    }
  } else if (spec.topic === undefined && own.every((name) => spec[name] === undefined)) {
    tell(`${path}.mapping`, 'is missing: rows become events by it');
  } else {
    for (const name of ['topic', 'key', 'time'] as const) {
      if (spec[name] === undefined)
        tell(`${path}.${name}`, "is missing, and there is no 'mapping'");
    }
  }
};
