/**
 * The questions of the application as routes. Each can be asked by POST with a JSON body, so that
 * no subject is part of an address, which proxies and browsers log; GET takes the query.
 */
import type { FastifyRequest } from 'fastify';
import {
  type AnyRoute,
  addBodyValues,
  isStream,
  lastEventId,
  type RouteText,
  Streams,
  servedRoutes,
} from 'millrace/engine';
import { BodyError, jsonBody } from './body.ts';
import { answers, bodyOf, contentTypeOf, unknownName } from './event-routes.ts';
import { type Gateway, securityHeaders } from './parts.ts';
import { eventStream, questionAnswer, questionBody } from './schemas.ts';

const bodyLimit = 4 * 1024 * 1024;
/** A schema describes an answer; it does not filter it. */
const serializerCompiler = () => JSON.stringify;

export function addQuestionRoutes(gateway: Gateway): void {
  const { app, options, allow } = gateway;
  const streams = new Streams();
  for (const { method, path, route, byBody } of servedRoutes(options.questions)) {
    const schema = schemaOf(path, route, method === 'POST');
    const onRequest = allow(isStream(route) ? 'read' : (route.role ?? 'read'));
    if (isStream(route)) {
      app.route({
        ...{ method, url: path, onRequest, schema },
        handler: async (request, reply) => {
          const query = valuesOf(request);
          if (byBody) addBodyValues(query, await givenBody(gateway, request));
          streams.check();
          const lastId = lastEventId(request.headers['last-event-id'], query);
          const events = await route.subscribe(query, lastId, request.signal);
          reply.hijack();
          await streams.send(reply.raw, events, securityHeaders);
        },
      });
      continue;
    }
    if (route.isInternal === true) {
      app.post(path, { schema: { hide: true }, serializerCompiler, bodyLimit }, async (request) => {
        const body = await givenBody(gateway, request);
        return route.answer(valuesOf(request), body, request.signal, request.headers.authorization);
      });
      continue;
    }
    if (method === 'GET') {
      app.get(path, { onRequest, schema, serializerCompiler }, (request) =>
        route.answer(valuesOf(request), undefined, request.signal),
      );
      continue;
    }
    app.post(path, { onRequest, schema, serializerCompiler, bodyLimit }, async (request) => {
      const body = await givenBody(gateway, request);
      const query = valuesOf(request);
      if (!byBody) return route.answer(query, body, request.signal);
      addBodyValues(query, body);
      return route.answer(query, undefined, request.signal);
    });
  }
}

async function givenBody(gateway: Gateway, request: FastifyRequest): Promise<unknown> {
  if (contentTypeOf(request) !== 'application/json') {
    throw new BodyError(415, 'send application/json');
  }
  const body = jsonBody(await bodyOf(gateway, request), gateway.limits.depth);
  if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body;
  throw new BodyError(400, 'the body must be an object');
}

/** The parameters in the query and in the path. */
function valuesOf({ query, params }: FastifyRequest): URLSearchParams {
  const values = new URLSearchParams(query as Record<string, string>);
  for (const [name, value] of Object.entries(params as Record<string, string>)) {
    values.set(name, value);
  }
  return values;
}

const plain: RouteText = { summary: 'A question of the application.' };

type Parameter = NonNullable<RouteText['parameters']>[string];

/** The schema of a route for the OpenAPI document. */
function schemaOf(path: string, route: AnyRoute, hasBody: boolean) {
  const { about = plain, path: declared } = route;
  const { summary, parameters = {}, answer } = about;
  const inPath = namesIn(path);
  // A name that stands in another path of the question must stand in the body of this one.
  const needed = new Set(namesIn(declared).filter((name) => !inPath.includes(name)));
  const named = Object.entries(parameters);
  const params = named.filter(([name]) => inPath.includes(name));
  const values = named.filter(([name]) => !inPath.includes(name));
  const required = values.filter(([name, one]) => one.required === true || needed.has(name));
  const given = {
    type: 'object',
    properties: schemasOf(values),
    ...(required.length === 0 ? {} : { required: required.map(([name]) => name) }),
  };
  const hasValues = values.length > 0;
  return {
    summary,
    ...(inPath.length === 0 ? {} : { params: { type: 'object', properties: schemasOf(params) } }),
    ...(hasBody ? { consumes: ['application/json'] } : {}),
    ...(hasBody ? { body: hasValues ? given : questionBody } : {}),
    ...(hasValues && !hasBody ? { querystring: given } : {}),
    response: {
      200: isStream(route)
        ? eventStream
        : { description: 'The answer.', ...(answer ?? questionAnswer) },
      ...answers,
      404: unknownName,
    },
  };
}

function namesIn(path: string): string[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name);
}

function schemasOf(parameters: readonly (readonly [string, Parameter])[]): object {
  const schemas = parameters.map(([name, { description, type = 'string', example }]) => [
    name,
    { type, description, ...(example === undefined ? {} : { examples: [example] }) },
  ]);
  return Object.fromEntries(schemas);
}
