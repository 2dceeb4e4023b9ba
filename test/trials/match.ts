/**
 * Patterns of expected values. A plain value matches itself; an object matches an object that has
 * at least its fields; an array matches an array of the same length. An object with one of these
 * keys is a rule: `$any`, `$text` (the value as text contains it), `$matches` (regular expression),
 * `$count` (entries of an array or object), `$has` (each pattern matches one entry), `$rows` (the
 * entries in any order, each pattern once), `$absent` (the field must not be there).
 */

type Rule = (value: unknown, wanted: never) => string | undefined;

const rules: Readonly<Record<string, Rule>> = {
  $any: () => undefined,
  $text: (value, wanted: string) =>
    textOf(value).includes(wanted) ? undefined : `does not contain ${wanted}`,
  $matches: (value, wanted: string) =>
    new RegExp(wanted, 'm').test(textOf(value)) ? undefined : `does not match ${wanted}`,
  $count: (value, wanted: number) => {
    const entries = value !== null && typeof value === 'object' ? Object.keys(value).length : -1;
    return entries === wanted ? undefined : `has ${entries} entries, not ${wanted}`;
  },
  $has: (value, wanted: readonly unknown[]) => missing(asArray(value), wanted, false),
  $rows: (value, wanted: readonly unknown[]) => missing(asArray(value), wanted, true),
};

/** @returns what differs and where, or undefined when `value` matches `pattern` */
export function difference(
  value: unknown,
  pattern: unknown,
  at = 'the output',
): string | undefined {
  if (pattern === null || typeof pattern !== 'object') {
    return Object.is(value, pattern)
      ? undefined
      : `${at} is ${shown(value)}, not ${shown(pattern)}`;
  }
  if (Array.isArray(pattern)) return differenceOfArrays(value, pattern, at);
  const fields = Object.entries(pattern);
  const [name = '', wanted] = fields[0] ?? [];
  const rule = fields.length === 1 ? rules[name] : undefined;
  if (rule !== undefined) {
    const problem = rule(value, wanted as never);
    return problem === undefined ? undefined : `${at} ${problem}: ${shown(value)}`;
  }
  if (value === null || typeof value !== 'object') {
    return `${at} is ${shown(value)}, not an object`;
  }
  for (const [field, inner] of fields) {
    const found = fieldProblem(value as Record<string, unknown>, field, inner, at);
    if (found !== undefined) return found;
  }
  return undefined;
}

function fieldProblem(
  value: Record<string, unknown>,
  field: string,
  pattern: unknown,
  at: string,
): string | undefined {
  const there = Object.hasOwn(value, field);
  if (isAbsent(pattern)) return there ? `${at}.${field} is there` : undefined;
  return there
    ? difference(value[field], pattern, `${at}.${field}`)
    : `${at} has no field ${field}: ${shown(value)}`;
}

function isAbsent(pattern: unknown): boolean {
  return pattern !== null && typeof pattern === 'object' && Object.hasOwn(pattern, '$absent');
}

function differenceOfArrays(value: unknown, pattern: readonly unknown[], at: string) {
  if (!Array.isArray(value)) return `${at} is ${shown(value)}, not a list`;
  if (value.length !== pattern.length) {
    return `${at} has ${value.length} entries, not ${pattern.length}: ${shown(value)}`;
  }
  for (let i = 0; i < pattern.length; i++) {
    const found = difference(value[i], pattern[i], `${at}[${i}]`);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Patterns that no entry matches; with `exact`, entries that no pattern matches as well. */
function missing(values: readonly unknown[], wanted: readonly unknown[], exact: boolean) {
  const left = [...values];
  for (const pattern of wanted) {
    const found = left.findIndex((value) => difference(value, pattern) === undefined);
    if (found < 0) return `has no entry ${shown(pattern)}`;
    left.splice(found, 1);
  }
  if (!exact || left.length === 0) return undefined;
  return `has ${left.length} entries too many, such as ${shown(left[0])}`;
}

function asArray(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return value !== null && typeof value === 'object' ? Object.values(value) : [];
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? 'undefined');
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'undefined';
  return text.length > 600 ? `${text.slice(0, 600)}...` : text;
}
