/**
 * Questions about subjects and segments of the ready topology, for programs that decide by them.
 */
import { MillraceError, utf8 } from 'millrace';
import type { AnyRoute, Log, Runtime } from 'millrace/engine';
import {
  asOfSchema,
  countOf,
  instantOf,
  keyIdOf,
  needed,
  type TableQuestions,
} from '../../../engine/cli/index.ts';
import { checkPersonalisation, type PersonalisationConfig } from '../../personalisation.ts';
import type { SegmentDefinition } from '../../segments/definition.ts';
import { segmentToJson } from '../../segments/unparse.ts';
import { segmentInWords } from '../../segments/words.ts';
import type { SubjectAnswer, SubjectArgs } from '../../subject/answer.ts';
import { type AskedPeopleChanges, peopleChanges } from './people-changes.ts';
import { type MemberCursor, SegmentIndex } from './segment-index.ts';

/** A running application of the ready topology; the getters may throw while it is not there yet. */
export interface AskedPeople extends AskedPeopleChanges {
  readonly runtime: Pick<Runtime, 'tasks'>;
  readonly tables: TableQuestions;
  readonly log: Log;
  readonly config: PersonalisationConfig;
}

const limits = { usual: 1_000, most: 10_000 };

const id = { description: 'The subject, as the events name it.' };
const segmentId = { description: 'Id of the segment.' };
const at = {
  description:
    'As if nothing more arrived until then: ms since 1970, or ISO 8601 with its zone; `now` for the clock of the server. Default: the subject’s own clock, up to which all is decided.',
};

const segmentSchema = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    version: { type: 'integer' },
    in: { type: 'boolean' },
    since: { type: 'number', description: 'Of the last change, ms UTC.' },
    changesAt: { type: 'number', description: 'If nothing more arrives, ms UTC.' },
  },
  required: ['id', 'version', 'in'],
};

const subjectSchema = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    at: { type: 'number', description: 'ms UTC.' },
    score: { type: 'integer' },
    channels: { type: 'object', additionalProperties: { type: 'number' } },
    band: { type: 'string' },
    segments: { type: 'array', items: segmentSchema },
    traits: {
      type: 'object',
      additionalProperties: {
        type: 'object',
        properties: {
          value: { type: ['string', 'number', 'boolean'] },
          since: { type: 'number' },
        },
        required: ['value', 'since'],
      },
    },
    consents: {
      type: 'object',
      additionalProperties: {
        type: 'object',
        properties: {
          status: { type: 'string', enum: ['granted', 'withdrawn', 'unknown'] },
          since: { type: 'number' },
          until: { type: 'number' },
        },
        required: ['status'],
      },
    },
    next: {
      type: 'object',
      description: 'What changes first if nothing more arrives.',
      properties: {
        at: { type: 'number' },
        what: { type: 'string', enum: ['band', 'segment'] },
        segments: { type: 'array', items: { type: 'string' } },
      },
      required: ['at', 'what'],
    },
    mergedInto: { type: 'string' },
    absorbed: { type: 'array', items: { type: 'string' } },
    erased: { type: 'number' },
    asOf: asOfSchema,
  },
  required: [
    ...['id', 'at', 'score', 'channels', 'band', 'segments', 'traits', 'consents', 'asOf'],
  ],
};

const sizes = { type: 'object', additionalProperties: { type: 'integer' } };
/** Of what is read from a topic: the process's last commit. */
const asOfProcess = {
  type: 'object',
  properties: {
    commit: { type: 'integer' },
    watermark: { type: ['number', 'null'], description: 'Of the tasks of this process, ms UTC.' },
  },
  required: ['commit', 'watermark'],
};
const segmentsSchema = {
  type: 'object',
  properties: {
    segments: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          id: { type: 'string' },
          version: { type: 'integer' },
          size: { type: 'integer' },
          words: { type: 'string', description: 'The condition, as a person would say it.' },
          definition: { type: 'object', additionalProperties: true },
        },
        required: ['id', 'version', 'size', 'words', 'definition'],
      },
    },
    asOf: asOfProcess,
  },
  required: ['segments', 'asOf'],
};
const membersSchema = {
  type: 'object',
  properties: {
    segment: { type: 'string' },
    size: { type: 'integer', description: 'Of the whole segment.' },
    members: { type: 'array', items: { type: 'string' } },
    next: { type: 'string', description: 'Cursor of the next page; absent at the end.' },
    asOf: asOfProcess,
  },
  required: ['segment', 'size', 'members', 'asOf'],
};

/** @param now of the wall clock, ms UTC */
export function peopleRoutes(asked: AskedPeople, now: () => number): readonly AnyRoute[] {
  const { segments } = checkPersonalisation(asked.config);
  const known = new Map(segments.map((segment) => [segment.id, segment]));
  let index: SegmentIndex | undefined;
  /** An index that has all that was committed when it is asked for. */
  const indexNow = async () => {
    const { commitId: commit, watermark } = asked.runtime.tasks;
    index ??= new SegmentIndex(asked.log);
    await index.catchUp();
    return { index, asOf: { commit, watermark } };
  };
  return [
    ...peopleChanges(asked, (id) => checkKnown(known, id)),
    {
      method: 'GET',
      path: '/v1/subjects/:id',
      byPost: '/v1/subjects',
      about: {
        summary: 'Score, band, segments, traits and consents of a subject, and what changes next.',
        parameters: { id, at },
        answer: subjectSchema,
      },
      answer: (query, _, signal) => {
        const text = query.get('at');
        const instant = text === 'now' ? now() : text === null ? undefined : instantOf(text, 'at');
        const args = instant === undefined ? {} : { at: instant };
        return subjectOf(asked.tables, needed(query, 'id'), args, signal);
      },
    },
    {
      method: 'GET',
      path: '/v1/segments',
      byPost: null,
      about: { summary: 'Segments: definition, in words, size.', answer: segmentsSchema },
      answer: async () => {
        const { index, asOf } = await indexNow();
        return { segments: segments.map((one) => segmentOf(one, index)), asOf };
      },
    },
    {
      method: 'GET',
      path: '/v1/segments/sizes',
      byPost: null,
      about: {
        summary: 'How many members each segment has.',
        answer: {
          type: 'object',
          properties: { sizes, asOf: asOfProcess },
          required: ['sizes', 'asOf'],
        },
      },
      answer: async () => {
        const { index, asOf } = await indexNow();
        return {
          sizes: Object.fromEntries(segments.map((one) => [one.id, index.sizeOf(one.id)])),
          asOf,
        };
      },
    },
    {
      method: 'GET',
      path: '/v1/segments/:id/members',
      about: {
        summary:
          'Members page by page, in no meaningful order: who stays a member meanwhile comes once.',
        parameters: {
          id: segmentId,
          limit: {
            description: `Members a page, at most ${limits.most}; ${limits.usual} when nothing is said.`,
            type: 'integer',
          },
          cursor: { description: '`next` of the page before; it holds in every process.' },
        },
        answer: membersSchema,
      },
      answer: async (query) => {
        const segment = needed(query, 'id');
        checkKnown(known, segment);
        const cursor = query.get('cursor');
        const after = cursor === null ? undefined : cursorOf(cursor);
        const limit = countOf(query, 'limit', limits);
        const { index, asOf } = await indexNow();
        const { members, next } = await index.membersOf(segment, limit, after);
        const size = index.sizeOf(segment);
        const rest = next === undefined ? {} : { next: cursorText(next) };
        return { segment, size, members, ...rest, asOf };
      },
    },
    {
      method: 'GET',
      path: '/v1/segments/:id/overlap',
      byPost: null,
      about: {
        summary: 'How many members a segment shares with each other one.',
        parameters: { id: segmentId },
        answer: {
          type: 'object',
          properties: {
            segment: { type: 'string' },
            size: { type: 'integer' },
            shared: sizes,
            asOf: asOfProcess,
          },
          required: ['segment', 'size', 'shared', 'asOf'],
        },
      },
      answer: async (query) => {
        const segment = needed(query, 'id');
        checkKnown(known, segment);
        const { index, asOf } = await indexNow();
        const others = segments.filter(({ id }) => id !== segment);
        const shared = Object.fromEntries(
          others.map((one) => [one.id, index.overlapOf(segment, one.id)]),
        );
        return { segment, size: index.sizeOf(segment), shared, asOf };
      },
    },
  ];
}

/** @throws SUBJECT_UNKNOWN */
async function subjectOf(
  tables: TableQuestions,
  id: string,
  args: SubjectArgs,
  signal: AbortSignal,
): Promise<object> {
  const { rows, asOf } = await tables.row('subjects', keyIdOf(utf8.encode(id)), { args }, signal);
  const [row] = rows;
  if (row === undefined) throw new MillraceError('SUBJECT_UNKNOWN', { subject: id });
  return { id, ...(row.value as SubjectAnswer), asOf };
}

function segmentOf(segment: SegmentDefinition, index: SegmentIndex): object {
  const { id, version } = segment;
  return {
    ...{ id, version, size: index.sizeOf(id) },
    words: segmentInWords(segment),
    definition: segmentToJson(segment),
  };
}

function checkKnown(known: ReadonlyMap<string, SegmentDefinition>, segment: string): void {
  if (known.has(segment)) return;
  const hint = `there are ${[...known.keys()].join(', ') || 'none'}`;
  throw new MillraceError('SEGMENT_UNKNOWN', { segment, hint });
}

function cursorText({ hash, keyId }: MemberCursor): string {
  return `${hash.toString(36)}.${Buffer.from(keyId, 'latin1').toString('base64url')}`;
}

function cursorOf(text: string): MemberCursor {
  const [, hash, name] = /^([\da-z]{1,7})\.([\w-]*)$/.exec(text) ?? [];
  if (hash === undefined || name === undefined) {
    const problem = 'is not the `next` of a page';
    throw new MillraceError('CONFIG_INVALID', { field: 'cursor', problem });
  }
  const keyId = Buffer.from(name, 'base64url').toString('latin1');
  return { hash: Number.parseInt(hash, 36), keyId };
}
