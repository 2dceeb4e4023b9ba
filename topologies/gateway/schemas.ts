/**
 * Schemas of bodies for the OpenAPI document. The routes themselves report what is wrong with a
 * body.
 */

const text = { type: 'string' } as const;
const record = { type: 'object', additionalProperties: true } as const;

/** cloudevents.io: JSON event format 1.0.2. */
export const cloudEvent = {
  type: 'object',
  required: ['specversion', 'id', 'source', 'type'],
  properties: {
    specversion: { const: '1.0' },
    id: { type: 'string', minLength: 1 },
    source: { type: 'string', minLength: 1 },
    type: { type: 'string', minLength: 1 },
    subject: { ...text, description: 'The person.' },
    time: { type: 'string', format: 'date-time' },
    datacontenttype: text,
    data: {},
    data_base64: { type: 'string', contentEncoding: 'base64' },
  },
  additionalProperties: true,
} as const;

/** Rows of the mapping that the request names; those of `sample` are the example. */
export const mappedRow = {
  type: 'object',
  description: 'A row of the mapping; here of `sample`.',
  properties: {
    id: text,
    subject: text,
    class: text,
    item: text,
    time: { type: 'string', format: 'date-time' },
  },
  additionalProperties: true,
} as const;

export const eventsBody = {
  anyOf: [
    cloudEvent,
    { type: 'array', items: cloudEvent },
    mappedRow,
    { type: 'array', items: mappedRow },
  ],
} as const;

/** segment.com/docs: "Spec: common fields". */
const segmentCall = {
  type: 'object',
  properties: {
    type: { enum: ['track', 'identify', 'page', 'screen', 'group', 'alias'] },
    messageId: text,
    userId: text,
    anonymousId: text,
    previousId: text,
    event: text,
    timestamp: { type: 'string', format: 'date-time' },
    sentAt: { type: 'string', format: 'date-time' },
    properties: record,
    traits: record,
    context: record,
  },
  additionalProperties: true,
} as const;

export const segmentBatchBody = {
  type: 'object',
  required: ['batch'],
  properties: {
    batch: { type: 'array', items: segmentCall },
    sentAt: { type: 'string', format: 'date-time' },
    context: record,
  },
  additionalProperties: true,
} as const;

export const segmentBody = segmentCall;

/** docs.snowplow.io: "Snowplow Tracker Protocol". */
export const snowplowBody = {
  type: 'object',
  required: ['schema', 'data'],
  properties: {
    schema: {
      type: 'string',
      pattern: '^iglu:com\\.snowplowanalytics\\.snowplow/payload_data/jsonschema/1-0-[0-9]+$',
    },
    data: { type: 'array', items: { type: 'object', additionalProperties: text } },
  },
} as const;

export const snowplowQuery = {
  type: 'object',
  properties: {
    e: { ...text, description: 'Kind of event, such as pv.' },
    eid: text,
    uid: text,
    duid: text,
    dtm: { ...text, description: 'When it happened, ms since 1970.' },
  },
  additionalProperties: true,
} as const;

export const webhookBody = {
  description: "The provider's payload, as its documentation has it.",
  anyOf: [record, { type: 'array', items: record }],
} as const;

/** Parameters of a question, as in the query of GET. */
export const questionBody = record;
