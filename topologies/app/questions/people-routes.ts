/**
 * Questions about subjects and segments of the ready topology, for programs that decide by them.
 */
import { MillraceError, utf8 } from 'millrace';
import type { AnyRoute, Route } from 'millrace/engine';
import { instantOf, keyTextOf, needed, type TableQuestions } from '../../../engine/cli/index.ts';
import { checkPersonalisation } from '../../personalisation.ts';
import type { SubjectAnswer, SubjectArgs } from '../../subject/answer.ts';
import { peopleChanges } from './people-changes.ts';
import { at, subjectId, subjectSchema } from './people-schemas.ts';
import { type AskedSegments, checkKnown, segmentRoutes } from './segment-routes.ts';

/** A running application of the ready topology; the getters may throw until it has started. */
export interface AskedPeople extends AskedSegments {
  readonly tables: TableQuestions;
}

/** @param now of the wall clock, ms UTC */
export function peopleRoutes(asked: AskedPeople, now: () => number): readonly AnyRoute[] {
  const { segments } = checkPersonalisation(asked.config);
  return [
    ...peopleChanges(asked, (id) => checkKnown(segments, id)),
    subjectRoute(asked, now),
    ...segmentRoutes(asked, segments),
  ];
}

function subjectRoute(asked: AskedPeople, now: () => number): Route {
  return {
    method: 'GET',
    path: '/v1/subjects/:id',
    byPost: '/v1/subjects',
    about: {
      summary: 'Score, band, segments, traits and consents of a subject, and what changes next.',
      parameters: { id: subjectId, at },
      answer: subjectSchema,
    },
    answer: (query, _, signal) => {
      const text = query.get('at');
      const instant = text === 'now' ? now() : text === null ? undefined : instantOf(text, 'at');
      const args = instant === undefined ? {} : { at: instant };
      return subjectOf(asked.tables, needed(query, 'id'), args, signal);
    },
  };
}

/** @throws MillraceError SUBJECT_UNKNOWN */
async function subjectOf(
  tables: TableQuestions,
  id: string,
  args: SubjectArgs,
  signal: AbortSignal,
): Promise<object> {
  const { rows, asOf } = await tables.row('subjects', keyTextOf(utf8.encode(id)), { args }, signal);
  const [row] = rows;
  if (row === undefined) throw new MillraceError('SUBJECT_UNKNOWN', { subject: id });
  return { id, ...(row.value as SubjectAnswer), asOf };
}
