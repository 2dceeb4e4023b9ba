/** Questions about segments: what they are, how large, who is in them, and what they share. */
import { MillraceError } from 'millrace';
import type { Log, Route, Runtime } from 'millrace/engine';
import { countOf, needed } from '../../../engine/cli/index.ts';
import type { PersonalisationConfig } from '../../personalisation.ts';
import type { SegmentDefinition } from '../../segments/definition.ts';
import { segmentToJson } from '../../segments/unparse.ts';
import { segmentInWords } from '../../segments/words.ts';
import type { AskedPeopleChanges } from './people-changes.ts';
import {
  asOfProcess,
  membersSchema,
  segmentId,
  segmentsSchema,
  sizesBySegment,
} from './people-schemas.ts';
import { type MemberCursor, SegmentIndex } from './segment-index.ts';

export interface AskedSegments extends AskedPeopleChanges {
  readonly runtime: Pick<Runtime, 'tasks'>;
  readonly log: Log;
  readonly config: PersonalisationConfig;
}

/** Members a page: when nothing is said, and at most. */
const limits = { usual: 1_000, most: 10_000 };

/** The index, and the commit and watermark of what it holds. */
type IndexNow = () => Promise<{ readonly index: SegmentIndex; readonly asOf: object }>;

/** @param segments as the configuration has them, checked */
export function segmentRoutes(
  asked: AskedSegments,
  segments: readonly SegmentDefinition[],
): readonly Route[] {
  let index: SegmentIndex | undefined;
  /** An index that has all that was committed when it is asked for. */
  const indexNow: IndexNow = async () => {
    const { commitId: commit, watermark } = asked.runtime.tasks;
    index ??= new SegmentIndex(asked.log);
    await index.catchUp();
    return { index, asOf: { commit, watermark } };
  };
  return [
    definitionsRoute(segments, indexNow),
    sizesRoute(segments, indexNow),
    membersRoute(segments, indexNow),
    overlapRoute(segments, indexNow),
    overlapsRoute(segments, indexNow),
  ];
}

function definitionsRoute(segments: readonly SegmentDefinition[], indexNow: IndexNow): Route {
  return {
    method: 'GET',
    path: '/v1/segments',
    byPost: null,
    about: { summary: 'Segments: definition, condition in words, size.', answer: segmentsSchema },
    answer: async () => {
      const { index, asOf } = await indexNow();
      return { segments: segments.map((one) => segmentOf(one, index)), asOf };
    },
  };
}

function sizesRoute(segments: readonly SegmentDefinition[], indexNow: IndexNow): Route {
  return {
    method: 'GET',
    path: '/v1/segments/sizes',
    byPost: null,
    about: {
      summary: 'How many members each segment has.',
      answer: {
        type: 'object',
        properties: { sizes: sizesBySegment, asOf: asOfProcess },
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
  };
}

function membersRoute(segments: readonly SegmentDefinition[], indexNow: IndexNow): Route {
  return {
    method: 'GET',
    path: '/v1/segments/:id/members',
    about: {
      summary:
        'Members page by page, in no meaningful order; a subject that stays a member comes once.',
      parameters: {
        id: segmentId,
        limit: {
          description: `Members a page, at most ${limits.most}; default ${limits.usual}.`,
          type: 'integer',
        },
        cursor: { description: '`next` of the page before; it is valid in every process.' },
      },
      answer: membersSchema,
    },
    answer: async (query) => {
      const segment = needed(query, 'id');
      checkKnown(segments, segment);
      const cursor = query.get('cursor');
      const after = cursor === null ? undefined : cursorOf(cursor);
      const limit = countOf(query, 'limit', limits);
      const { index, asOf } = await indexNow();
      const { members, next } = await index.membersOf(segment, limit, after);
      const size = index.sizeOf(segment);
      const rest = next === undefined ? {} : { next: cursorText(next) };
      return { segment, size, members, ...rest, asOf };
    },
  };
}

function overlapRoute(segments: readonly SegmentDefinition[], indexNow: IndexNow): Route {
  return {
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
          shared: sizesBySegment,
          asOf: asOfProcess,
        },
        required: ['segment', 'size', 'shared', 'asOf'],
      },
    },
    answer: async (query) => {
      const segment = needed(query, 'id');
      checkKnown(segments, segment);
      const { index, asOf } = await indexNow();
      const others = segments.filter(({ id }) => id !== segment);
      const shared = Object.fromEntries(
        others.map((one) => [one.id, index.overlapOf(segment, one.id)]),
      );
      return { segment, size: index.sizeOf(segment), shared, asOf };
    },
  };
}

/** For the console: all pairs at once. */
function overlapsRoute(segments: readonly SegmentDefinition[], indexNow: IndexNow): Route {
  return {
    method: 'GET',
    path: '/segment/overlap',
    answer: async () => {
      const { index } = await indexNow();
      const ids = segments.map(({ id }) => id);
      const sizes = Object.fromEntries(ids.map((id) => [id, index.sizeOf(id)]));
      return { sizes, pairs: await index.overlaps(ids) };
    },
  };
}

function segmentOf(segment: SegmentDefinition, index: SegmentIndex): object {
  const { id, version } = segment;
  return {
    ...{ id, version, size: index.sizeOf(id) },
    words: segmentInWords(segment),
    definition: segmentToJson(segment),
  };
}

/** @throws MillraceError SEGMENT_UNKNOWN for an id that no segment has */
export function checkKnown(segments: readonly SegmentDefinition[], segment: string): void {
  if (segments.some(({ id }) => id === segment)) return;
  const hint = `there are ${segments.map(({ id }) => id).join(', ') || 'none'}`;
  throw new MillraceError('SEGMENT_UNKNOWN', { segment, hint });
}

function cursorText({ hash, keyText }: MemberCursor): string {
  return `${hash.toString(36)}.${Buffer.from(keyText, 'latin1').toString('base64url')}`;
}

function cursorOf(text: string): MemberCursor {
  const [, hash, name] = /^([\da-z]{1,7})\.([\w-]*)$/.exec(text) ?? [];
  if (hash === undefined || name === undefined) {
    const problem = 'is not the `next` of a page';
    throw new MillraceError('CONFIG_INVALID', { field: 'cursor', problem });
  }
  const keyText = Buffer.from(name, 'base64url').toString('latin1');
  return { hash: Number.parseInt(hash, 36), keyText };
}
