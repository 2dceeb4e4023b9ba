/**
 * Conditions on the events of a subject, as SQL that is true or false at each row `i` of `instant`.
 */
import { listOf, memberPlace, quoted } from './database.ts';
import { type ClassMatch, fieldSql, matchSql, operators, testSql } from './segment-match.ts';
import type { Node } from './segment-node.ts';

export function leafSql(node: Node, consentUnknown: 'granted' | 'withdrawn'): string {
  const of = node as unknown as ClassMatch;
  const own = `e.subject = i.subject and e.at <= i.t`;
  switch (node.kind) {
    case 'count':
      return countSql(node, `${own} and ${matchSql(of, 'e')} and i.t < ${windowSql(node)}`);
    case 'sum':
    case 'avg':
    case 'min':
    case 'max':
      return aggregateSql(node, `${own} and ${matchSql(of, 'e')} and i.t < ${windowSql(node)}`);
    case 'calendar': {
      const inner = node['of'] as Node & ClassMatch;
      const { tz, days, weekStart } = node as unknown as {
        tz: string;
        days: number;
        weekStart?: number;
      };
      const end = `window_end(${quoted(tz)}, e.at, ${days}, ${weekStart ?? 'null'})`;
      const where = `${own} and ${matchSql(inner, 'e')} and i.t < ${end}`;
      return inner.kind === 'count' ? countSql(inner, where) : aggregateSql(inner, where);
    }
    case 'absent': {
      const span = Number(node['for']);
      const present = `exists (select 1 from accepted e where ${own} and ${matchSql(of, 'e')} and e.at > i.t - ${span})`;
      const first = `(select min(f.at) from accepted f where f.subject = i.subject)`;
      const isKnown = node['knownSince'] === 'firstSeen' ? `i.t >= ${first} + ${span} and` : '';
      return `${isKnown} not ${present}`;
    }
    case 'abandoned':
      return abandonedSql(node);
    case 'sequence':
      return sequenceSql(node);
    case 'trait':
      return traitSql(node);
    case 'consent': {
      const unknown = consentUnknown === 'granted' ? 1 : 0;
      return `${node['is'] === true ? '' : 'not '}coalesce((
        select c.class = 'consent_granted' and (c.until is null or i.t < c.until) from accepted c
        where c.subject = i.subject and c.class in ('consent_granted', 'consent_withdrawn')
          and c.purpose = ${quoted(String(node['purpose']))} and c.at <= i.t
        order by c.at desc, c.class desc, coalesce(c.until, 9e15) desc limit 1), ${unknown})`;
    }
    case 'score': {
      const column = node['channel'] === undefined ? 'total' : `"sub_${String(node['channel'])}"`;
      return `(select ${column} ${operators[String(node['op'])]} ${Number(node['value'])}
        from score_at s where s.subject = i.subject and s.i = i.i)`;
    }
    case 'band':
      return `(select b.name in ${listOf(node['in'] as string[])} from band_at b
        where b.subject = i.subject and b.i = i.i)`;
    case 'openSignal': {
      const found = 'select 1 from unreliable_at u where u.subject = i.subject and u.i = i.i';
      return `${node['is'] === 'reliable' ? 'not ' : ''}exists (${found})`;
    }
    case 'bucket':
      return `share(${quoted(String(node['salt']))}, i.subject) between ${Number(node['from'])} and ${Number(node['to']) - 1}`;
    default:
      throw new Error(`no SQL for ${JSON.stringify(node)}`);
  }
}

function windowSql(node: Node): string {
  const within = node['within'];
  return typeof within === 'number' && Number.isFinite(within) ? `e.at + ${within}` : '9e15';
}

function countSql(node: Node, where: string): string {
  const {
    distinct,
    since = [],
    op,
    n,
  } = node as unknown as {
    distinct?: string;
    since?: readonly ClassMatch[];
    op: string;
    n: number;
  };
  // The reset is at the event or after it, by instant, rank and id.
  const reset = since.map((match) => matchSql(match, 'r')).join(' or ');
  const alive =
    since.length === 0
      ? '1'
      : `not exists (select 1 from accepted r join ranked rr on rr.class = r.class
          where r.subject = e.subject and r.at <= i.t and (${reset})
          and (r.at, rr.rank, r.id) >= (e.at, (select rank from ranked where class = e.class), e.id))`;
  const what = distinct === undefined ? '*' : `distinct ${fieldSql(distinct, 'e')}`;
  return `(select count(${what}) ${operators[op]} ${n} from accepted e where ${where} and ${alive})`;
}

function aggregateSql(node: Node, where: string): string {
  const { path, op, value } = node as unknown as { path: string; op: string; value: number };
  const field = fieldSql(path, 'e');
  const compare = operators[op];
  const result: Readonly<Record<string, string>> = {
    sum: `coalesce(sum(x), 0) ${compare} ${value}`,
    avg: `count(x) > 0 and sum(x) ${compare} ${value} * count(x)`,
    min: `count(x) > 0 and min(x) ${compare} ${value}`,
    max: `count(x) > 0 and max(x) ${compare} ${value}`,
  };
  return `(select ${result[node.kind]} from (
    select ${field} as x from accepted e where ${where}) where typeof(x) in ('integer', 'real'))`;
}

/** Whether \`later\` comes after \`sooner\`: by instant alone, or by instant, rank and id. */
function afterSql(later: string, sooner: string, ties: unknown): string {
  if (ties === 'strict') return `${later}.at > ${sooner}.at`;
  const rank = (of: string) => `(select rank from ranked where class = ${of}.class)`;
  return `(${later}.at, ${rank(later)}, ${later}.id) > (${sooner}.at, ${rank(sooner)}, ${sooner}.id)`;
}

function abandonedSql(node: Node): string {
  const { start, unless, key, after, ties } = node as unknown as {
    start: ClassMatch;
    unless: ClassMatch;
    key: string;
    after: number;
    ties: unknown;
  };
  const bySubject = key === 'subject';
  const own = bySubject ? '1' : `${fieldSql(key, 's')} is not null`;
  const same = bySubject ? '1' : `${fieldSql(key, 'u')} = ${fieldSql(key, 's')}`;
  return `exists (select 1 from accepted s where s.subject = i.subject and ${matchSql(start, 's')} and ${own}
    and i.t >= s.at + ${after} and i.t < s.at + ${after + Number(node['for'])}
    and not exists (select 1 from accepted u where u.subject = s.subject and u.at <= i.t
      and ${matchSql(unless, 'u')} and ${same} and ${afterSql('u', 's', ties)}))`;
}

function sequenceSql(node: Node): string {
  const { steps, within, maxGap, notBetween, ties } = node as unknown as {
    steps: readonly (ClassMatch & { bind?: string })[];
    within: number;
    maxGap?: number;
    notBetween: readonly ClassMatch[];
    ties: unknown;
  };
  const name = (k: number) => `s${k}`;
  const last = name(steps.length - 1);
  const conditions: string[] = [];
  const bound: string[] = [];
  steps.forEach((step, k) => {
    const own = name(k);
    conditions.push(`${own}.subject = i.subject`, matchSql(step, own));
    if (step.bind !== undefined) bound.push(fieldSql(step.bind, own));
    if (k === 0) return;
    const before = name(k - 1);
    conditions.push(afterSql(own, before, ties));
    if (maxGap !== undefined) conditions.push(`${own}.at - ${before}.at <= ${maxGap}`);
    for (const match of notBetween) {
      conditions.push(`not exists (select 1 from accepted x where x.subject = i.subject
        and ${matchSql(match, 'x')} and ${afterSql('x', before, ties)} and ${afterSql(own, 'x', ties)})`);
    }
  });
  bound.forEach((field, k) => {
    conditions.push(k === 0 ? `${field} is not null` : `${field} = ${bound[0]}`);
  });
  conditions.push(
    `${last}.at - s0.at <= ${within}`,
    `${last}.at <= i.t`,
    `i.t < ${last}.at + ${Number(node['for'])}`,
  );
  const from = steps.map((_, k) => `accepted ${name(k)}`).join(', ');
  return `exists (select 1 from ${from} where ${conditions.join(' and ')})`;
}

function traitSql(node: Node): string {
  const { path, op, value, tz } = node as unknown as {
    path: string;
    op: string;
    value: unknown;
    tz: string;
  };
  const at = memberPlace('traits', path);
  const newest = (what: string) => `(select ${what} from accepted e where e.subject = i.subject
    and e.at <= i.t and json_type(e.fields, ${at}) is not null order by e.at desc, e.id desc limit 1)`;
  const date = `date_from(json_extract(e.fields, ${at}), ${quoted(tz)})`;
  const when: Readonly<Record<string, string>> = {
    before: `${date} < ${Number(value)}`,
    after: `${date} > ${Number(value)}`,
    withinLast: `i.t >= ${date} and i.t < ${date} + ${Number(value)}`,
    withinNext: `i.t < ${date} and i.t >= ${date} - ${Number(value)}`,
  };
  const test =
    when[op] ?? testSql(`json_extract(e.fields, ${at})`, `json_type(e.fields, ${at})`, op, value);
  return newest(test);
}
