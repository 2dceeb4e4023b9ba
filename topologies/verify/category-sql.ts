/** Categories in SQL: the rules of the table as one expression over the accepted events. */
import { textTest } from '../ingest/pattern.ts';
import type { CategoryTable } from '../segments/categories.ts';
import { type Database, quoted } from './database.ts';
import { fieldSql, typeSql } from './segment-match.ts';

/** Gives each accepted event its category. */
export function categoriseInSql(db: Database, table: CategoryTable | undefined): void {
  db.run('alter table accepted add column category text');
  if (table === undefined) return;
  const patterns = new Map<string, (text: string) => boolean>();
  db.define('found', (pattern, text, anyCase) => {
    const key = `${anyCase} ${pattern}`;
    const test = { pattern: String(pattern), ignoreCase: anyCase === 1 };
    const fits = patterns.get(key) ?? textTest(test);
    patterns.set(key, fits);
    return fits(String(text)) ? 1 : 0;
  });
  db.define('small', (text) => String(text).toLowerCase());
  const { rules, otherwise } = table;
  const cases = rules.map(({ when, category }) => {
    const tests = Object.entries(when).map(([field, wanted]) => conditionSql(field, wanted));
    return `when ${tests.map((test) => `(${test})`).join(' and ')} then ${quoted(category)}`;
  });
  const other = otherwise === undefined ? 'null' : quoted(otherwise);
  const value = cases.length === 0 ? other : `case ${cases.join(' ')} else ${other} end`;
  db.run(`update accepted set category = ${value}`);
}

function conditionSql(field: string, wanted: unknown): string {
  const [value, type] = [fieldSql(field, 'accepted'), typeSql(field, 'accepted')];
  const isThere = `coalesce(${type} <> 'null', 0)`;
  if (typeof wanted === 'boolean') return wanted ? isThere : `not ${isThere}`;
  const text = `case when not ${isThere} then '' when ${type} in ('true', 'false') then ${type}
    else cast(${value} as text) end`;
  const isList = typeof wanted === 'string' || Array.isArray(wanted);
  const test = (isList ? { equals: wanted } : wanted) as Readonly<Record<string, unknown>>;
  const anyCase = test['ignoreCase'] === true;
  const folded = anyCase ? `small(${text})` : text;
  const each = (told: unknown) =>
    [told].flat().map((one) => quoted(anyCase ? String(one).toLowerCase() : String(one)));
  const parts = Object.entries(test).map(([name, told]) => {
    const texts = each(told);
    const [first = ''] = texts;
    if (name === 'equals') return `${folded} in (${texts.join(', ')})`;
    if (name === 'startsWith') return `substr(${folded}, 1, length(${first})) = ${first}`;
    if (name === 'endsWith') return `substr(${folded}, -length(${first})) = ${first}`;
    if (name === 'contains') return texts.map((one) => `instr(${folded}, ${one}) > 0`).join(' or ');
    if (name === 'pattern') return `found(${quoted(String(told))}, ${text}, ${anyCase ? 1 : 0})`;
    if (name === 'empty') return `(${text} = '') = ${told === true ? 1 : 0}`;
    return '1';
  });
  return parts.map((part) => `(${part})`).join(' and ');
}
