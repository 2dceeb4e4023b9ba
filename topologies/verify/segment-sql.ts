/**
 * Memberships in SQL: every condition is evaluated at every instant at which anything can change, by
 * plain counting over the accepted events; what held and latch mean is a fold over those instants.
 * Nothing of the evaluation of the engine is used but the shape of a checked definition.
 */
import { createHash } from 'node:crypto';
import type { EngagementConfig } from '../engagement/config.ts';
import { type Database, listOf, quoted } from './database.ts';
import { criticalSql } from './segment-instants.ts';
import { type ClassMatch, fieldSql, matchSql, operators, testSql } from './segment-match.ts';
import { type CheckedSegment, childrenOf, type Node, wholeOf } from './segment-node.ts';
import { scoreTables } from './segment-score.ts';
import { dateFrom, windowEnd } from './zone-days.ts';

/** A change of membership at an instant, ms UTC. */
export interface Edge {
  readonly at: number;
  readonly in: boolean;
}

export class SegmentsInSql {
  readonly #db: Database;
  readonly #segments: ReadonlyMap<string, CheckedSegment>;
  readonly #config: EngagementConfig;
  readonly #consentUnknown: 'granted' | 'withdrawn';
  /** Conditions with the segments they ask for in place; what several ask for is one object. */
  readonly #inlinedOf = new Map<string, Node>();
  /** Tables by condition: of the segment at hand; and of all, with the end that they reach to. */
  readonly #truths = new Map<Node, string>();
  readonly #criticals = new Map<Node, { readonly table: string; readonly end: number }>();
  #made = 0;

  constructor(
    db: Database,
    segments: readonly CheckedSegment[],
    config: EngagementConfig,
    consentUnknown: 'granted' | 'withdrawn',
  ) {
    this.#db = db;
    this.#segments = new Map(segments.map((one) => [one.id, one]));
    this.#config = config;
    this.#consentUnknown = consentUnknown;
    rankClasses(db);
    db.define('window_end', (zone, at, days, weekStart) =>
      windowEnd(
        String(zone),
        Number(at),
        Number(days),
        weekStart === null ? undefined : Number(weekStart),
      ),
    );
    db.define('date_from', (value, zone) =>
      typeof value === 'string' || typeof value === 'number'
        ? (dateFrom(value, String(zone)) ?? null)
        : null,
    );
    db.define('share', (salt, subject) => {
      const hex = createHash('sha256').update(`${salt}${subject}`).digest('hex');
      return Number((BigInt(`0x${hex.slice(0, 14)}`) >> 3n) % 10_000n);
    });
  }

  /** Whether the score has a part in it: then every hour is an instant. */
  readsScore(node: Node): boolean {
    const nodes = new Set([this.#inlined(node)]);
    for (const one of nodes) for (const child of childrenOf(one)) nodes.add(child);
    return [...nodes].some(({ kind }) => ['score', 'band', 'openSignal'].includes(kind));
  }

  /** Edges by subject up to `end`. @param only these subjects; default all */
  edges(segment: CheckedSegment, end: number, only?: ReadonlySet<string>): Map<string, Edge[]> {
    const node = this.#inlined({ kind: 'inSegment', id: segment.id });
    this.#db.run('drop table if exists wanted; create table wanted (subject text primary key)');
    const subjects = this.#db
      .all('select distinct subject from accepted')
      .map((row) => String(row['subject']));
    this.#db.insert(
      'wanted',
      subjects.filter((subject) => only?.has(subject) ?? true).map((subject) => [subject]),
    );
    this.#db.run(`
      drop table if exists instant;
      create table instant as select subject, at as t,
        row_number() over (partition by subject order by at) as i
      from ${this.#critical(node, end)} a
      where subject in (select subject from wanted) and at <= ${end} and at >= (select min(b.at) from accepted b where b.subject = a.subject);
      create index instant_of on instant (subject, i);
    `);
    if (this.readsScore(node)) scoreTables(this.#db, this.#config);
    const truth = this.#truth(node);
    const rows = this.#db.all(`
      select subject, t, v from (
        select subject, t, v, lag(v, 1, 0) over (partition by subject order by t) as before from ${truth}
      ) where v <> before order by subject, t`);
    for (const table of this.#truths.values()) this.#db.run(`drop table ${table}`);
    this.#truths.clear();
    const edges = new Map<string, Edge[]>();
    for (const row of rows) {
      const subject = String(row['subject']);
      const known = edges.get(subject) ?? [];
      edges.set(subject, known);
      known.push({ at: Number(row['t']), in: row['v'] === 1 });
    }
    return edges;
  }

  #segment(node: Node): Node {
    return wholeOf(this.#segments.get(String(node['id'])) as CheckedSegment);
  }

  #inlined(node: Node): Node {
    if (node.kind === 'inSegment') {
      const id = String(node['id']);
      const known = this.#inlinedOf.get(id) ?? this.#inlined(this.#segment(node));
      this.#inlinedOf.set(id, known);
      return known;
    }
    const { children, child, enter, exit } = node as unknown as Record<string, Node | undefined>;
    return {
      ...node,
      ...(children === undefined
        ? {}
        : { children: (children as unknown as Node[]).map((one) => this.#inlined(one)) }),
      ...(child === undefined ? {} : { child: this.#inlined(child) }),
      ...(enter === undefined ? {} : { enter: this.#inlined(enter) }),
      ...(exit === undefined ? {} : { exit: this.#inlined(exit) }),
    };
  }

  /** Makes the table (subject, at) of the instants of a node; answers its name. */
  #critical(node: Node, end: number): string {
    const known = this.#criticals.get(node);
    if (known?.end === end) return known.table;
    const below = childrenOf(node).map((child) => this.#critical(child, end));
    const table = `critical_${this.#made++}`;
    this.#criticals.set(node, { table, end });
    this.#db.run(`create table ${table} as ${criticalSql(node, end, below)}`);
    return table;
  }

  /** Makes the table (subject, t, i, v) of a node; answers its name. */
  #truth(node: Node): string {
    const known = this.#truths.get(node);
    if (known !== undefined) return known;
    const below = childrenOf(node).map((child) => this.#truth(child));
    const name = `truth_${this.#truths.size}`;
    this.#truths.set(node, name);
    this.#db.run(`
      create table ${name} as ${this.#truthSql(node, below)};
      create index ${name}_of on ${name} (subject, i);
    `);
    return name;
  }

  #truthSql(node: Node, below: readonly string[]): string {
    const [one = '', other = ''] = below;
    const span = Number(node['for'] ?? node['reentryAfter'] ?? 9e15);
    switch (node.kind) {
      case 'and':
      case 'or': {
        const fold = node.kind === 'and' ? 'min' : 'max';
        const all = below.map((table) => `select * from ${table}`).join(' union all ');
        return `select subject, t, i, ${fold}(v) as v from (${all}) group by subject, t, i`;
      }
      case 'not':
        return `select subject, t, i, 1 - v as v from ${one}`;
      case 'held':
        return `select subject, t, i, v and t - min(case when v then t end)
            over (partition by subject, part) >= ${span} as v
          from (select *, sum(1 - v) over (partition by subject order by t) as part from ${one})`;
      case 'latch':
        return this.#folded(
          one,
          `i.v as enter, o.v as leave, case when o.v then 0 when i.v then 1 else ${node['initial'] === true ? 1 : 0} end as state, 0 as free`,
          `i.v, o.v, case when o.v and not b.leave then 0 when i.v and not b.enter then 1 else b.state end, 0`,
          `join ${other} o on o.subject = i.subject and o.i = i.i`,
          'enter, leave, state, free',
          'state',
        );
      case 'once':
        return this.#folded(
          one,
          `case when i.v then i.t + ${span} else -1 end as until`,
          `case when i.t >= b.until and i.v then i.t + ${span} else b.until end`,
          '',
          'until',
          't < until',
        );
      case 'cooldown':
        return this.#folded(
          one,
          'i.v as state, -9e15 as free',
          `case when i.v and (b.state or i.t >= b.free) then 1 else 0 end,
            case when b.state and not i.v then i.t + ${span} else b.free end`,
          '',
          'state, free',
          'state',
        );
      default:
        return `select i.subject, i.t, i.i, coalesce(${this.#leafSql(node)}, 0) as v from instant i`;
    }
  }

  /** A fold over the instants of each subject: `b` is the row before, `i` that of the child. */
  #folded(
    child: string,
    first: string,
    next: string,
    join: string,
    columns: string,
    value: string,
  ): string {
    return `with recursive fold (subject, t, i, ${columns}) as (
        select i.subject, i.t, i.i, ${first} from ${child} i ${join} where i.i = 1
        union all
        select i.subject, i.t, i.i, ${next} from fold b
          join ${child} i on i.subject = b.subject and i.i = b.i + 1 ${join}
      ) select subject, t, i, ${value} as v from fold`;
  }

  #leafSql(node: Node): string {
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
        const unknown = this.#consentUnknown === 'granted' ? 1 : 0;
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
}

/** Of one instant, what comes first in life comes first: sent, delivered, opened and so on. */
function rankClasses(db: Database): void {
  const parts = ['sen[dt]', 'deliver', 'open', 'click', 'view|visit|page|search', 'cart'];
  const order = [...parts, 'purchase|order|buy'].map((part) => new RegExp(part));
  const classes = db.all('select distinct class from accepted').map((row) => String(row['class']));
  db.run('create table ranked (class text primary key, rank integer)');
  db.insert(
    'ranked',
    classes.map((name) => {
      const rank = order.findIndex((part) => part.test(name));
      return [name, rank < 0 ? order.length : rank];
    }),
  );
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
  // A reset is as late as the event, or later, by instant, rank and id.
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
  const at = quoted(`$.traits."${path}"`);
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
