/**
 * Selects dead letters: `step=score`, `text=no such field`, `from=2026-05-01T00:00:00Z` ...
 */
import { MillraceError } from '../../base/errors.ts';
import { instantIn } from '../../base/instant-text.ts';
import { type Letter, timeOfRecord } from './letter-topic.ts';

/** The criteria, with their help texts. */
export const whereTexts = {
  stage: 'source, deserialise, process, produce or future',
  step: 'that refused it',
  topic: 'that the record came from; of a row its file or source',
  partition: 'that the record came from',
  key: 'of the record, as text, or 0x and hexadecimal digits',
  reason: 'the whole message',
  text: 'that the message contains',
  from: 'first time of the record: ISO 8601 with its zone, or ms since 1970',
  to: 'time of the record before which it ends',
} as const;
export type WhereName = keyof typeof whereTexts;

/** Criteria by name: one of the values of a name must match, for every name. */
export type Where = Readonly<Partial<Record<WhereName, readonly string[]>>>;

const names = Object.keys(whereTexts) as WhereName[];

/** Parses texts of the form `name=value`. @throws CONFIG_INVALID */
export function whereOf(texts: readonly string[]): Where {
  const where: Partial<Record<WhereName, string[]>> = {};
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1) refuse('where', `must be name=value, is ${text}`);
    const name = text.slice(0, at);
    const checked = checkedName(name);
    where[checked] = [...(where[checked] ?? []), text.slice(at + 1)];
  }
  return where;
}

/** Parses an object of strings, or lists of strings, by name. @throws CONFIG_INVALID */
export function whereIn(value: unknown): Where {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    refuse('where', 'must be an object of texts by name');
  }
  const where: Partial<Record<WhereName, string[]>> = {};
  for (const [name, given] of Object.entries(value)) {
    const all: unknown[] = Array.isArray(given) ? given : [given];
    const wrong = all.find((one) => typeof one !== 'string' && typeof one !== 'number');
    if (wrong !== undefined) refuse(`where.${name}`, 'must be a text, or a list of texts');
    where[checkedName(name)] = all.map(String);
  }
  return where;
}

function checkedName(name: string): WhereName {
  if ((names as readonly string[]).includes(name)) return name as WhereName;
  return refuse('where', `there is no ${name}; there are ${names.join(', ')}`);
}

/** @throws CONFIG_INVALID for an invalid instant */
export function letterFilter(where: Where): (letter: Letter) => boolean {
  const tests = Object.entries(where).map(([name, values]) => {
    const each = values.map((value) => testOf(name as WhereName, value));
    return (letter: Letter) => each.some((test) => test(letter));
  });
  return (letter) => tests.every((test) => test(letter));
}

function testOf(name: WhereName, value: string): (letter: Letter) => boolean {
  if (name === 'key') return ({ key }) => keyText(key) === value;
  if (name === 'text') return ({ headers }) => (headers['reason'] ?? '').includes(value);
  if (name !== 'from' && name !== 'to') return ({ headers }) => headers[name] === value;
  const at = instantIn(value);
  if (at === undefined) {
    return refuse(`where.${name}`, `must be ISO 8601 with its zone or ms since 1970, is ${value}`);
  }
  return name === 'from'
    ? (letter) => timeOfRecord(letter) >= at
    : (letter) => timeOfRecord(letter) < at;
}

/** The key as lists of dead letters show it. */
function keyText(key: Buffer | null): string | undefined {
  if (key === null) return undefined;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(key);
  } catch {
    return `0x${key.toString('hex')}`;
  }
}

function refuse(field: string, problem: string): never {
  throw new MillraceError('CONFIG_INVALID', { field, problem });
}
