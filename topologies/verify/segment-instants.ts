/**
 * The instants at which a condition, or one below it, may change, as SQL that lists (subject, at).
 */

import { hourMs } from '../time-units.ts';
import { memberPlace, quoted } from './database.ts';
import type { Node } from './segment-node.ts';

/** @param tables (subject, at) of the conditions below */
export function criticalSql(node: Node, end: number, tables: readonly string[]): string {
  const own = ownSql(node, end);
  const below = tables.map((table) => `select subject, at from ${table}`);
  const all = [...below, ...own.parts].join(' union ');
  const all0 = `select subject, at from accepted union ${all === '' ? 'select subject, at from accepted' : all}`;
  if (own.spans.length === 0) return all0;
  const moved = own.spans.map((span) => `select subject, at + ${span} as at from base`);
  const repeated =
    own.repeat === undefined
      ? 'select subject, at from base'
      : `select * from (with recursive again (subject, at) as (select subject, at from base union
          select subject, at + ${own.repeat} from again where at + ${own.repeat} <= ${end}) select * from again)`;
  return `select * from (with base as (${all0}) ${[...moved, repeated].join(' union ')})`;
}

interface Own {
  /** Every known instant matters again this much later, ms. */
  readonly spans: readonly number[];
  /** Further instants, as SQL. */
  readonly parts: readonly string[];
  /** Repeats with this period, ms. */
  readonly repeat?: number;
}

function ownSql(node: Node, end: number): Own {
  const number = (name: string) => Number(node[name] ?? 0);
  switch (node.kind) {
    case 'count':
    case 'sum':
    case 'avg':
    case 'min':
    case 'max':
      return { spans: Number.isFinite(number('within')) ? [number('within')] : [], parts: [] };
    case 'absent':
    case 'sequence':
    case 'held':
    case 'cooldown':
      return { spans: [number('for')], parts: [] };
    case 'abandoned':
      return { spans: [number('after'), number('after') + number('for')], parts: [] };
    case 'once': {
      const span = node['reentryAfter'] as number | undefined;
      return span === undefined
        ? { spans: [], parts: [] }
        : { spans: [span], parts: [], repeat: span };
    }
    case 'calendar':
      return {
        spans: [],
        parts: [
          `select subject, window_end(${quoted(String(node['tz']))}, at, ${number('days')}, ${node['weekStart'] ?? 'null'}) as at from accepted`,
        ],
      };
    case 'consent':
      return {
        spans: [],
        parts: [`select subject, until as at from accepted where until is not null`],
      };
    case 'trait': {
      const at = memberPlace('traits', String(node['path']));
      const date = `date_from(json_extract(fields, ${at}), ${quoted(String(node['tz']))})`;
      const dates = `select subject, ${date} as d from accepted where json_type(fields, ${at}) is not null`;
      const span = typeof node['value'] === 'number' ? node['value'] : 0;
      const moved = ['d', `d + ${span}`, `d - ${span}`].map(
        (what) => `select subject, ${what} as at from (${dates}) where d is not null`,
      );
      return { spans: [], parts: String(node['op']).startsWith('within') ? moved : [] };
    }
    case 'score':
    case 'band':
    case 'openSignal':
      return { spans: [], parts: scoreInstants(end) };
    default:
      return { spans: [], parts: [] };
  }
}

/** Every hour from a subject's first event on, and the ends of what shuts the gate. */
function scoreInstants(end: number): string[] {
  return [
    `select subject, at from (with recursive hours (subject, at) as (
      select subject, (min(at) / ${hourMs} + 1) * ${hourMs} from accepted group by subject union all
      select subject, at + ${hourMs} from hours where at + ${hourMs} <= ${end}) select * from hours)`,
    `select subject, at + 31536000000 as at from gate where kind = 'complained'`,
    `select subject, until as at from gate where until is not null`,
  ];
}
