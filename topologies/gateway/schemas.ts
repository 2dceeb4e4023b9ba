/**
 * Schemas of bodies for the OpenAPI document. The routes themselves report what is wrong with a
 * body.
 */

const text = { type: 'string' } as const;
const filled = { type: 'string', minLength: 1 } as const;
const instant = { type: 'string', format: 'date-time' } as const;
const record = { type: 'object', additionalProperties: true } as const;

/** cloudevents.io: JSON event format 1.0.2. */
export const cloudEvent = {
  type: 'object',
  required: ['specversion', 'id', 'source', 'type'],
  properties: {
    specversion: { const: '1.0' },
    id: filled,
    source: filled,
    type: filled,
    subject: { ...text, description: 'The person.' },
    time: instant,
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
  required: ['subject', 'class', 'time'],
  properties: {
    id: text,
    subject: { ...filled, examples: ['ann'] },
    class: { ...filled, examples: ['email_open'] },
    item: text,
    time: { ...instant, examples: ['2026-01-31T09:30:00Z'] },
  },
  additionalProperties: true,
} as const;

const oneOrMore = <S extends object>(items: S) => ({
  anyOf: [items, { type: 'array', items }],
});

export const eventsBody = {
  content: {
    'application/json': { schema: oneOrMore(mappedRow) },
    'application/cloudevents+json': { schema: cloudEvent },
    'application/cloudevents-batch+json': { schema: { type: 'array', items: cloudEvent } },
  },
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
    timestamp: instant,
    sentAt: instant,
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
    sentAt: instant,
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

/** The answer of `/live`, `/ready` and `/health`; `/health` has more fields. */
const status = {
  type: 'object',
  required: ['status'],
  properties: { status: text },
  additionalProperties: true,
} as const;
export const isAlive = { 200: { description: 'It is.', ...status } } as const;
export const isHealthy = {
  ...isAlive,
  503: { description: 'Not now: it starts, waits, or has failed.', ...status },
} as const;

export const metricsAnswer = {
  description: 'In the text format of Prometheus.',
  content: { 'text/plain': { schema: text } },
} as const;

/** The answer to a subscription. */
export const eventStream = {
  description: 'Server-sent events, without end.',
  content: { 'text/event-stream': { schema: text } },
} as const;

/** The answer to a question whose answer is not described. */
export const questionAnswer = record;

/** Parameters of a question, as in the query of GET. */
export const questionBody = record;
