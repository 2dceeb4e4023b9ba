/** The questions of the ready topology over HTTP. They have the names of the commands. */
import type { MessagePort } from 'node:worker_threads';
import { MillraceError } from 'millrace';
import type { AnyRoute, Route, RouteText } from 'millrace/engine';
import { needed, systemClock } from '../../../engine/cli/index.ts';
import { events, segmentChanges } from '../../event.ts';
import type { PersonalisationConfig } from '../../personalisation.ts';
import type { AsOf } from '../../segments/as-of.ts';
import { definitionRoutes } from './definition-routes.ts';
import { type AskedPeople, peopleRoutes } from './people-routes.ts';
import { at, segmentId, subjectId } from './people-schemas.ts';
import { pictureRoutes } from './picture-routes.ts';
import type { QuestionPool } from './question-pool.ts';
import { type Asked, asOfAnswer, explainScore, explainSegment, instantOf } from './questions.ts';
import { logEdits } from './taken-events.ts';

/**
 * Subjects of a what-if over HTTP unless the request says otherwise; a sample is enough for a look.
 */
const subjectsUsual = 20_000;
const subjectsMost = 200_000;

/**
 * All questions of the ready topology.
 * @param folder where new versions of segments are kept
 */
export function askedRoutes(
  asked: Asked & AskedPeople,
  pool: QuestionPool,
  folder?: string,
): readonly AnyRoute[] {
  return [
    ...questionRoutes(asked, pool),
    ...definitionRoutes(asked, folder),
    ...peopleRoutes(asked, () => systemClock.now()),
  ];
}

/** @param pool answers the questions that take long */
export function questionRoutes(asked: Asked, pool: QuestionPool): readonly Route[] {
  return [
    ...pictureRoutes(asked, pool),
    get('/segment/explain', explainedSegment, (query) =>
      explainSegment(asked, {
        subject: needed(query, 'subject'),
        segment: needed(query, 'segment'),
        at: query.get('at') ?? undefined,
      }),
    ),
    get('/segment/as-of', membersAsOf, async (query, signal) => {
      const question = { at: needed(query, 'at'), segment: query.get('segment') ?? undefined };
      const at = instantOf(question.at, 'instant');
      const asking = (port: MessagePort) => ({ kind: 'as-of', at, port }) as const;
      const told = await pool.askOf(asked.log, segmentChanges.name, asking, signal);
      return asOfAnswer(asked.config, question, told as readonly AsOf[]);
    }),
    get('/score/explain', explainedScore, (query) =>
      explainScore(asked, {
        subject: needed(query, 'subject'),
        at: query.get('at') ?? undefined,
      }),
    ),
    post(
      '/segment/lint',
      { summary: 'What is wrong with segments, or odd about them.' },
      (config, _, signal) => pool.ask({ kind: 'lint', config }, signal),
    ),
    post(
      '/segment/plan',
      { summary: 'How segments are decided, and what they cost.' },
      (config, query, signal) =>
        pool.ask({ kind: 'plan', config, eventsPerDay: eventsPerDay(query) }, signal),
    ),
    post(
      '/segment/what-if',
      { summary: 'Who would be in which segment by another configuration.' },
      async (after, query, signal) => {
        const subjects = subjectsAskedFor(query);
        const edits = await logEdits(asked.log);
        const asking = (port: MessagePort) =>
          ({ kind: 'what-if', before: asked.config, after, subjects, edits, port }) as const;
        return pool.askOf(asked.log, events.name, asking, signal);
      },
    ),
  ];
}

type Get = (query: URLSearchParams, signal: AbortSignal) => Promise<object>;

const subject = { ...subjectId, required: true };
const explainedSegment: RouteText = {
  summary: 'Why a subject is in a segment, or is not: each condition with its value.',
  parameters: { subject, segment: { ...segmentId, required: true }, at },
};
const explainedScore: RouteText = {
  summary: 'What the score of a subject consists of.',
  parameters: { subject, at },
};
const membersAsOf: RouteText = {
  summary: 'Who was in the segments at an instant that has passed.',
  parameters: {
    at: {
      description: 'ms since 1970, or ISO 8601 with its zone.',
      required: true,
      example: '2026-01-31T09:30:00Z',
    },
    segment: { ...segmentId, description: 'This segment alone; default all.' },
  },
};

function get(path: string, about: RouteText, answer: Get): Route {
  return { method: 'GET', path, about, answer: (query, _, signal) => answer(query, signal) };
}

/** A question whose body is a configuration, as in the file of the command. */
function post(
  path: string,
  about: RouteText,
  answer: (
    config: PersonalisationConfig,
    query: URLSearchParams,
    signal: AbortSignal,
  ) => Promise<object>,
): Route {
  return {
    method: 'POST',
    path,
    about,
    answer: async (query, body, signal) => {
      if (typeof body === 'object' && body !== null && !Array.isArray(body)) {
        return answer(body as PersonalisationConfig, query, signal);
      }
      const problem = 'must be a configuration: an object with engagement, segments, ...';
      throw new MillraceError('CONFIG_INVALID', { field: '(body)', problem });
    },
  };
}

function subjectsAskedFor(query: URLSearchParams): number {
  const text = query.get('subjects');
  if (text === null) return subjectsUsual;
  const value = Number(text);
  if (Number.isSafeInteger(value) && value > 0 && value <= subjectsMost) return value;
  const problem = `must be a whole number of 1 to ${subjectsMost}, is ${text}; the command segment what-if takes all`;
  throw new MillraceError('CONFIG_INVALID', { field: 'subjects', problem });
}

function eventsPerDay(query: URLSearchParams): number {
  const text = query.get('eventsPerDay');
  if (text === null) return 1;
  const value = Number(text);
  if (Number.isFinite(value) && value > 0) return value;
  const problem = `must be a number above 0, is ${text}`;
  throw new MillraceError('CONFIG_INVALID', { field: 'eventsPerDay', problem });
}
