/**
 * Memberships in SQL: every condition is evaluated at every instant at which anything can change,
 * by plain counting over the accepted events; `held` and `latch` are a fold over those instants. Of
 * the engine's evaluation only the shape of a checked definition is used.
 */
import { createHash } from 'node:crypto';
import type { EngagementConfig } from '../engagement/engagement-config.ts';
import type { Database } from './database.ts';
import { criticalSql } from './segment-instants.ts';
import { leafSql } from './segment-leaves.ts';
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
  /**
   * Conditions in which references to segments are replaced by their conditions; shared ones are
   * one object.
   */
  readonly #inlinedOf = new Map<string, Node>();
  /**
   * Tables by condition: of the current segment; and of all segments, with the end that they reach
   * to.
   */
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

  /** Whether the condition reads the score, which makes every hour an instant. */
  readsScore(node: Node): boolean {
    const nodes = new Set([this.#inlined(node)]);
    for (const one of nodes) for (const child of childrenOf(one)) nodes.add(child);
    return [...nodes].some(({ kind }) => ['score', 'band', 'openSignal'].includes(kind));
  }

  /**
   * Edges by subject up to `end`, ms UTC.
   * @param only these subjects; default: all
   */
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

  /** Makes the table (subject, at) of the instants of a node, and returns its name. */
  #critical(node: Node, end: number): string {
    const known = this.#criticals.get(node);
    if (known?.end === end) return known.table;
    const below = childrenOf(node).map((child) => this.#critical(child, end));
    const table = `critical_${this.#made++}`;
    this.#criticals.set(node, { table, end });
    this.#db.run(`create table ${table} as ${criticalSql(node, end, below)}`);
    return table;
  }

  /** Makes the table (subject, t, i, v) of a node, and returns its name. */
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
        return `select i.subject, i.t, i.i, coalesce(${leafSql(node, this.#consentUnknown)}, 0) as v from instant i`;
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
}

/**
 * Ranks classes, so that events at one instant come in the order of life: sent, delivered, opened
 * and so on.
 */
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
