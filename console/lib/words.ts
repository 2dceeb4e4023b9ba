/** Conditions in everyday words: "opened an email at least 2 times in the last 7 days". */
import { count, instant, span } from './format.ts';

type Json = Readonly<Record<string, unknown>>;

/** Phrases for the classes that the shipped mappings use; any other class is shown by its name. */
const doings: Readonly<Record<string, string>> = {
  email_sent: 'was sent an email',
  email_delivered: 'got an email',
  email_open: 'opened an email',
  email_click: 'clicked in an email',
  email_reply: 'replied to an email',
  email_forward: 'forwarded an email',
  email_bounce: 'could not be reached by email',
  email_complaint: 'complained about an email',
  email_unsubscribe: 'unsubscribed',
  email_subscribe: 'subscribed',
  machine_open: 'email opened by a machine',
  machine_click: 'email clicked by a machine',
  machine_view: 'page fetched by a machine',
  page_view: 'viewed a page',
  product_view: 'viewed a product',
  add_to_cart: 'put something in the cart',
  remove_from_cart: 'took something out of the cart',
  purchase: 'bought something',
  loyalty_redeem: 'used loyalty points',
  coupon: 'used a coupon',
};

/** After "has", where that is another phrase. */
const dones: Readonly<Record<string, string>> = {
  email_sent: 'been sent an email',
  email_bounce: 'been out of reach by email',
  machine_open: 'had an email opened by a machine',
  machine_click: 'had an email clicked by a machine',
  machine_view: 'had a page fetched by a machine',
  remove_from_cart: 'taken something out of the cart',
};

export function doing(name: string): string {
  return doings[name] ?? name.replaceAll('_', ' ');
}

function done(name: string): string {
  return dones[name] ?? doings[name] ?? `had ${name.replaceAll('_', ' ')}`;
}

function listed(all: readonly string[], word = 'or'): string {
  if (all.length < 2) return all[0] ?? '';
  return `${all.slice(0, -1).join(', ')} ${word} ${all.at(-1)}`;
}

function textOf(value: unknown): string {
  if (Array.isArray(value)) return listed(value.map(textOf));
  return typeof value === 'string' ? `“${value}”` : String(value);
}

const units: Readonly<Record<string, number>> = {
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
};

/** A duration as in definitions: ms, or 30d; "ever" for no end. */
function spanOf(value: unknown): string {
  if (typeof value === 'number') return span(value);
  const [, n, unit] = /^(\d+)(s|m|h|d|w)$/.exec(String(value)) ?? [];
  if (n === undefined || unit === undefined) return 'ever';
  return span(Number(n) * (units[unit] ?? 0));
}

function within(value: unknown): string {
  const text = value === undefined || value === null ? 'ever' : spanOf(value);
  return text === 'ever' ? ' at any time' : ` in the last ${text}`;
}

const tests: Readonly<Record<string, string>> = {
  eq: 'is',
  ne: 'is not',
  lt: 'is below',
  le: 'is at most',
  gt: 'is above',
  ge: 'is at least',
  in: 'is',
  contains: 'contains',
  startsWith: 'begins with',
  before: 'is before',
  after: 'is after',
};

function times(op: unknown, n: unknown): string {
  const many = Number(n) === 1 ? 'once' : `${count(Number(n))} times`;
  switch (op) {
    case 'ge':
      return `at least ${many}`;
    case 'gt':
      return `more than ${many}`;
    case 'le':
      return `at most ${many}`;
    case 'lt':
      return `fewer than ${Number(n) === 1 ? 'one time' : many}`;
    case 'ne':
      return `not exactly ${many}`;
    default:
      return `exactly ${many}`;
  }
}

function eventsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(eventsOf);
  if (typeof value === 'string') return [value];
  return eventsOf((value as Json | undefined)?.['event'] ?? []);
}

function matched(fields: unknown, phrase = doing): string {
  const what = listed(eventsOf(fields).map(phrase));
  const where = (fields as Json | undefined)?.['where'] as Json | undefined;
  if (where === undefined) return what;
  const filters = Object.entries(where).map(([path, test]) => tested(path, test as Json));
  return `${what} where ${listed(filters, 'and')}`;
}

function tested(path: string, test: unknown): string {
  const name = path.replace(/^(traits|numbers)\./, '').replaceAll('_', ' ');
  if (typeof test !== 'object' || test === null) return `${name} is ${textOf(test)}`;
  const { op, value } = test as { op?: string; value?: unknown };
  if (op === 'exists') return value === false ? `${name} is not known` : `${name} is known`;
  if (op === 'withinLast') return `${name} was in the last ${spanOf(value)}`;
  if (op === 'withinNext') return `${name} is in the next ${spanOf(value)}`;
  if ((op === 'before' || op === 'after') && typeof value === 'number') {
    return `${name} is ${op} ${instant(value)}`;
  }
  return `${name} ${tests[op ?? 'eq'] ?? op} ${textOf(value)}`;
}

const sums: Readonly<Record<string, string>> = {
  sum: 'the sum',
  avg: 'the average',
  min: 'the least',
  max: 'the greatest',
};

/** A condition of a definition in words; a nested one is in brackets when needed. */
export function conditionText(condition: Json): string {
  const [kind = '', fields] = Object.entries(condition)[0] ?? [];
  const own = (fields ?? {}) as Json;
  switch (kind) {
    case 'and':
    case 'or':
      return listed((fields as Json[]).map(inBrackets), kind);
    case 'not':
      return `not: ${conditionText(own)}`;
    case 'held':
      return `${conditionText(own['expr'] as Json)}, without a break for ${spanOf(own['for'])}`;
    case 'once':
      return `${conditionText(own['expr'] as Json)} (the first time only)`;
    case 'cooldown':
      return `${conditionText(own['expr'] as Json)} (not again for ${spanOf(own['for'])})`;
    case 'latch':
      return `from when ${inBrackets(own['enter'] as Json)}, until ${inBrackets(own['exit'] as Json)}`;
    case 'inSegment':
      return `is in ${String(fields)}`;
    case 'count': {
      const distinct = own['distinct'];
      const of = distinct === undefined ? '' : `, counting each ${String(distinct)} once`;
      const since = eventsOf(own['since'] ?? []);
      const after = since.length === 0 ? '' : ` since they last ${listed(since.map(doing))}`;
      return `${matched(own)} ${times(own['op'], own['n'])}${within(own['within'])}${after}${of}`;
    }
    case 'sum':
    case 'avg':
    case 'min':
    case 'max': {
      const { path, op, value } = own as { path?: string; op?: string; value?: unknown };
      const name = String(path).replaceAll('_', ' ');
      return `${sums[kind]} of “${name}” when they ${matched(own)}${within(own['within'])} ${tests[op ?? 'eq']} ${textOf(value)}`;
    }
    case 'absent':
      return `has not ${matched(own, done)} for ${spanOf(own['for'])}`;
    case 'calendar': {
      const [inner = '', counted] = Object.entries(own)[0] ?? [];
      const text = conditionText({ [inner]: counted }).replace(' at any time', '');
      return `${text}, over ${String(own['days'])} calendar days (${String(own['tz'])})`;
    }
    case 'sequence': {
      const steps = (own['steps'] as unknown[]).map((step) => matched(step));
      const not = eventsOf(own['notBetween'] ?? []);
      const without = not.length === 0 ? '' : ` without having ${listed(not.map(done))} between`;
      return `${steps.join(', then ')}, all within ${spanOf(own['within'])}${without}; counts for ${spanOf(own['for'])}`;
    }
    case 'abandoned': {
      const same = own['key'] === 'subject' ? '' : ` (the same ${String(own['key'])})`;
      return `${matched(own['start'])}, but has not ${matched(own['unless'], done)}${same} within ${spanOf(own['after'])}; counts for ${spanOf(own['for'])}`;
    }
    case 'trait':
      return tested(String(own['path']), own);
    case 'consent':
      return own['is'] === false
        ? `has not agreed to “${String(own['purpose'])}”`
        : `has agreed to “${String(own['purpose'])}”`;
    case 'score': {
      const channel = own['channel'] === undefined ? 'score' : `${String(own['channel'])} score`;
      return `the ${channel} ${tests[String(own['op'])]} ${String(own['value'])}`;
    }
    case 'band':
      return `is ${listed((own['in'] as string[]) ?? [])}`;
    case 'openSignal':
      return own['is'] === 'unreliable'
        ? 'opens are mostly a machine’s and say nothing'
        : 'opens can be trusted';
    case 'bucket': {
      const share = (Number(own['to']) - Number(own['from'])) / 100;
      return `is in a stable random share of ${share} % (“${String(own['salt'])}”)`;
    }
    default:
      return JSON.stringify(condition);
  }
}

function inBrackets(condition: Json): string {
  const kind = Object.keys(condition)[0] ?? '';
  const text = conditionText(condition);
  return kind === 'and' || kind === 'or' || kind === 'latch' ? `(${text})` : text;
}

/**
 * The title of an explanation: JSON for a condition without parts, else its kind: `and`, `held for
 * 604800000`.
 */
export function titleText(condition: string): string {
  if (condition.startsWith('{')) {
    try {
      return conditionText(JSON.parse(condition) as Json);
    } catch {
      return condition;
    }
  }
  const [kind = '', , duration] = condition.split(' ');
  switch (kind) {
    case 'and':
      return 'All of these:';
    case 'or':
      return 'At least one of these:';
    case 'not':
      return 'Not this:';
    case 'held':
      return `This, without a break for ${spanOf(Number(duration))}:`;
    case 'latch':
      return 'From when the first comes true, until the second does:';
    case 'once':
      return duration === undefined
        ? 'The first time only:'
        : `Not again before ${spanOf(Number(duration))} have passed:`;
    case 'cooldown':
      return `Not again for ${spanOf(Number(duration))} after leaving:`;
    default:
      return condition;
  }
}
