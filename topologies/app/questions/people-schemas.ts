/** Parameters and answers of the questions about subjects and segments, as JSON Schema. */
import { asOfSchema } from '../../../engine/cli/index.ts';

export const subjectId = { description: 'The subject, as the events name it.', example: 'ann' };
export const segmentId = { description: 'Id of the segment.', example: 'newcomers' };
export const at = {
  description:
    'The instant of the answer: ms since 1970, or ISO 8601 with its zone; `now` for the clock of the server. The answer assumes that nothing more arrives until then. Default: the subject’s own clock, up to which everything is decided.',
};

const segmentSchema = {
  type: 'object',
  properties: {
    id: { type: 'string' },
    version: { type: 'integer' },
    in: { type: 'boolean' },
    since: { type: 'number', description: 'Instant of the last change, ms UTC.' },
    changesAt: {
      type: 'number',
      description: 'Instant of the next change if nothing more arrives, ms UTC.',
    },
  },
  required: ['id', 'version', 'in'],
};

export const subjectSchema = {
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
      description: 'The first change if nothing more arrives.',
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

export const sizesBySegment = { type: 'object', additionalProperties: { type: 'integer' } };
/** For answers that are read from a topic: the last commit of the process. */
export const asOfProcess = {
  type: 'object',
  properties: {
    commit: { type: 'integer' },
    watermark: {
      type: ['number', 'null'],
      description: 'Watermark of the tasks of this process, ms UTC.',
    },
  },
  required: ['commit', 'watermark'],
};
export const segmentsSchema = {
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
          words: { type: 'string', description: 'The condition in words.' },
          definition: { type: 'object', additionalProperties: true },
        },
        required: ['id', 'version', 'size', 'words', 'definition'],
      },
    },
    asOf: asOfProcess,
  },
  required: ['segments', 'asOf'],
};
export const membersSchema = {
  type: 'object',
  properties: {
    segment: { type: 'string' },
    size: { type: 'integer', description: 'Members of the whole segment.' },
    members: { type: 'array', items: { type: 'string' } },
    next: { type: 'string', description: 'Cursor of the next page; absent at the end.' },
    asOf: asOfProcess,
  },
  required: ['segment', 'size', 'members', 'asOf'],
};
