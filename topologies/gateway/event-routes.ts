/** Routes that take events: CloudEvents and plain JSON, Segment's API, Snowplow's collector. */
import type { FastifyRequest } from 'fastify';
import { BodyError, jsonBody, unpackedBody } from './body.ts';
import { cloudEvents } from './cloud-events.ts';
import type { Taken } from './event-intake.ts';
import type { Gateway } from './parts.ts';
import {
  eventsBody,
  segmentBatchBody,
  segmentBody,
  snowplowBody,
  snowplowQuery,
} from './schemas.ts';
import { segmentCalls, segmentPaths, writeKeyOf } from './segment-api.ts';
import { pixel, snowplowPayloads, snowplowRow } from './snowplow.ts';
import { addAskedFirst, isKeyInBody, sending } from './web-pages.ts';

const taken = {
  type: 'object',
  properties: {
    accepted: { type: 'integer', description: 'Events that are durable now.' },
    skipped: { type: 'integer', description: 'Events that the mapping skips.' },
    rejected: {
      type: 'array',
      items: {
        type: 'object',
        properties: {
          index: { type: 'integer', description: 'Index in the request, from 0.' },
          problem: { type: 'string' },
        },
      },
    },
  },
};

/** The answer when some events are taken and some are wrong. */
const partly = { ...taken.properties, problem: { type: 'string' } };

const problem = {
  type: 'object',
  properties: {
    code: { type: 'string' },
    problem: { type: 'string' },
    remedy: { type: 'string' },
  },
};

export const answers = {
  400: { description: 'The request is wrong; some of its events may have been taken.', ...problem },
  401: { description: 'Credentials are missing or wrong.', ...problem },
  403: { description: 'The caller may not do this.', ...problem },
  413: { description: 'Too large.', ...problem },
  415: { description: 'A content type or encoding that is not accepted.', ...problem },
  429: { description: 'The application is too far behind; see Retry-After.', ...problem },
  503: { description: 'The log is not available; see Retry-After.', ...problem },
};

export const unknownName = { description: 'There is no such name.', ...problem };

/** The answer for trackers, which do not read it. */
const accepted = {
  description: 'The payloads are durable.',
  content: { 'text/plain': { schema: { type: 'string' } } },
};
const pixelAnswer = {
  description: 'The payload is durable; the answer is a transparent picture of one pixel.',
  content: { 'image/gif': { schema: { type: 'string', contentMediaType: 'image/gif' } } },
};

/** The body, decompressed within the limits. @throws BodyError */
export async function bodyOf({ limits }: Gateway, request: FastifyRequest): Promise<Buffer> {
  const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
  return unpackedBody(body, request.headers['content-encoding'], limits.bodyBytes);
}

/** Without parameters, in lower case; '' when there is none. */
export function contentTypeOf(request: FastifyRequest): string {
  return (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
}

export function addEventRoutes(gateway: Gateway): void {
  addEvents(gateway);
  addSegment(gateway);
  addSnowplow(gateway);
}

function addEvents(gateway: Gateway): void {
  const { app, options, limits } = gateway;
  addAskedFirst(gateway, 'POST', '/v1/events');
  app.post<{ Querystring: { mapping?: string } }>(
    '/v1/events',
    {
      onRequest: sending(gateway),
      schema: {
        summary: 'Takes CloudEvents (structured, batch, binary), or JSON by a mapping.',
        querystring: {
          type: 'object',
          properties: {
            mapping: {
              type: 'string',
              description: 'Name of a shipped mapping.',
              pattern: '^[a-z0-9][a-z0-9-]{0,62}$',
              examples: ['sample'],
            },
          },
        },
        headers: {
          type: 'object',
          properties: {
            'idempotency-key': {
              type: 'string',
              description:
                'A request that is repeated with the same key makes the same events, which count once.',
            },
          },
        },
        body: eventsBody,
        response: { ...answers, 202: taken, 400: { ...taken, properties: partly } },
      },
    },
    async (request, reply) => {
      await gateway.checkBacklog();
      const body = await bodyOf(gateway, request);
      const contentType = contentTypeOf(request);
      const { headers } = request;
      const { depth: depthMax, events } = limits;
      const cloud = cloudEvents({ contentType, headers, body, depthMax });
      if (cloud === undefined && contentType !== 'application/json') {
        throw new BodyError(415, 'send application/json or application/cloudevents+json');
      }
      const rows = cloud ?? listOf(jsonBody(body, depthMax));
      if (rows.length > events)
        throw new BodyError(413, `has more than ${events} events`, 'too_many');
      const mapping =
        cloud === undefined
          ? shippedName(request.query.mapping ?? options.config.mapping ?? 'sample')
          : (options.config.mapping ?? 'cloudevents');
      const result = await gateway.intake().take({
        mapping,
        rows,
        idempotencyKey: idempotencyKey(request),
        deadLetters: false,
        source: 'events',
        trace: gateway.traceOf(request)?.headers,
      });
      if (result.rejected.length === 0) return reply.code(202).send(answerOf(result));
      gateway.refuse(request, 'event_invalid');
      return reply.code(400).send(answerOf(result));
    },
  );
}

function answerOf(result: Taken) {
  const { accepted, skipped, rejected } = result;
  if (rejected.length === 0) return { accepted, skipped };
  const [first] = rejected;
  const problem = `event ${first?.index}: ${first?.problem}`;
  return { problem, accepted, skipped, rejected };
}

/** A request may name shipped mappings only: a path would read files of this machine. */
function shippedName(name: string): string {
  if (/^[a-z0-9][a-z0-9-]{0,62}$/.test(name)) return name;
  throw new BodyError(400, 'mapping must be the name of a shipped mapping');
}

function idempotencyKey({ headers }: FastifyRequest): string | undefined {
  const key = headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && /^[\x21-\x7e]{1,200}$/.test(key)) return key;
  throw new BodyError(400, 'Idempotency-Key must be 1 to 200 printable characters');
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [value];
}

function addSegment(gateway: Gateway): void {
  const { app, options, limits } = gateway;
  for (const path of segmentPaths) {
    addAskedFirst(gateway, 'POST', `/v1/${path}`);
    app.post(
      `/v1/${path}`,
      {
        onRequest: sending(gateway, true),
        schema: {
          summary: "A call of Segment's HTTP API; the write key is the user name.",
          consumes: ['application/json'],
          body: ['batch', 'b', 'import'].includes(path) ? segmentBatchBody : segmentBody,
          response: {
            200: { type: 'object', properties: { success: { type: 'boolean' } } },
            ...answers,
          },
        },
      },
      async (request) => {
        const body = await segmentBodyOf(gateway, request);
        const rows = segmentCalls(path, body, options.now());
        if (rows.length > limits.events) {
          throw new BodyError(413, `has more than ${limits.events} calls`, 'too_many');
        }
        const source = 'segment-api';
        const trace = gateway.traceOf(request)?.headers;
        const batch = { mapping: 'segment-spec', rows, deadLetters: true, source, trace };
        await gateway.intake().take(batch);
        return { success: true };
      },
    );
  }
}

/**
 * SDKs send JSON under several types. Without accounts, the type keeps forms of foreign web pages
 * out, unless their origin may send: a browser asks before it sends application/json to another
 * host.
 */
async function segmentBodyOf(gateway: Gateway, request: FastifyRequest): Promise<unknown> {
  const { accounts, origins, limits } = gateway;
  if (isKeyInBody(gateway, request)) {
    // A fault of the body is reported only to callers whose key is accepted.
    const read = async () => jsonBody(await bodyOf(gateway, request), limits.depth);
    const body = await read().catch((error: unknown) => {
      if (!(error instanceof BodyError)) throw error;
    });
    accounts.allowKey(writeKeyOf(body), 'ingest');
    await gateway.checkBacklog();
    return body;
  }
  await gateway.checkBacklog();
  if (!accounts.closed && !origins.has(request) && contentTypeOf(request) !== 'application/json') {
    throw new BodyError(415, 'send application/json');
  }
  return jsonBody(await bodyOf(gateway, request), limits.depth);
}

function addSnowplow(gateway: Gateway): void {
  const { app, options, limits } = gateway;
  const batchOf = (rows: readonly object[]) => ({
    mapping: 'snowplow',
    rows,
    deadLetters: true,
    source: 'snowplow',
  });
  addAskedFirst(gateway, 'POST', '/com.snowplowanalytics.snowplow/tp2');
  app.post(
    '/com.snowplowanalytics.snowplow/tp2',
    {
      onRequest: sending(gateway),
      schema: {
        summary: "Snowplow's collector, payloads in the body.",
        consumes: ['application/json'],
        body: snowplowBody,
        response: { 200: accepted, ...answers },
      },
    },
    async (request, reply) => {
      await gateway.checkBacklog();
      const body = jsonBody(await bodyOf(gateway, request), limits.depth);
      const rows = snowplowPayloads(body, options.now(), limits.depth);
      if (rows.length > limits.events) {
        throw new BodyError(413, `has more than ${limits.events} payloads`, 'too_many');
      }
      await gateway.intake().take(batchOf(rows));
      return reply.header('content-type', 'text/plain').send('ok');
    },
  );
  app.get(
    '/i',
    {
      onRequest: sending(gateway),
      schema: {
        summary: "Snowplow's collector, one payload in the query.",
        querystring: snowplowQuery,
        response: { 200: pixelAnswer, ...answers },
      },
    },
    async (request, reply) => {
      await gateway.checkBacklog();
      await gateway
        .intake()
        .take(batchOf([snowplowRow(request.query, options.now(), limits.depth)]));
      return reply.header('content-type', 'image/gif').send(pixel);
    },
  );
}
