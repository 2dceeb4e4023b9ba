/** The questions of the ready topology over HTTP: named as the commands are. */
import type { PersonalisationConfig } from '../../topologies/personalisation.ts';
import { MillraceError } from '../base/errors.ts';
import type { Route } from '../http/server.ts';
import {
  type Asked,
  asOfOf,
  explainScore,
  explainSegment,
  lintOf,
  planOf,
  whatIfOf,
} from './questions.ts';

export function questionRoutes(asked: Asked): readonly Route[] {
  return [
    get('/segment/explain', (query) =>
      explainSegment(asked, {
        subject: needed(query, 'subject'),
        segment: needed(query, 'segment'),
        at: query.get('at') ?? undefined,
      }),
    ),
    get('/segment/as-of', (query) =>
      asOfOf(asked.log, { at: needed(query, 'at'), segment: query.get('segment') ?? undefined }),
    ),
    get('/score/explain', (query) =>
      explainScore(asked, {
        subject: needed(query, 'subject'),
        at: query.get('at') ?? undefined,
      }),
    ),
    post('/segment/lint', async (config) => ({ mistakes: lintOf(config) })),
    post('/segment/plan', async (config, query) => planOf(config, eventsPerDay(query))),
    post('/segment/what-if', (config) => whatIfOf(asked, config)),
  ];
}

function get(path: string, answer: (query: URLSearchParams) => Promise<object>): Route {
  return { method: 'GET', path, answer };
}

/** The body is a configuration, as a file of the command is. */
function post(
  path: string,
  answer: (config: PersonalisationConfig, query: URLSearchParams) => Promise<object>,
): Route {
  return {
    method: 'POST',
    path,
    answer: async (query, body) => {
      if (typeof body === 'object' && body !== null && !Array.isArray(body)) {
        return answer(body as PersonalisationConfig, query);
      }
      const problem = 'must be a configuration: an object with engagement, segments, ...';
      throw new MillraceError('CONFIG_INVALID', { field: '(body)', problem });
    },
  };
}

function needed(query: URLSearchParams, field: string): string {
  const value = query.get(field);
  if (value !== null && value !== '') return value;
  throw new MillraceError('CONFIG_INVALID', { field, problem: `is missing: add ?${field}=...` });
}

function eventsPerDay(query: URLSearchParams): number {
  const text = query.get('eventsPerDay');
  if (text === null) return 1;
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  const problem = `must be a number above 0, is ${text}`;
  throw new MillraceError('CONFIG_INVALID', { field: 'eventsPerDay', problem });
}
