/**
 * The questions of the application as routes. Each can be asked by POST with a JSON body, so that
 * no subject is part of an address, which proxies and browsers log; GET takes the query.
 */
import type { FastifyRequest } from 'fastify';
import {
  addBodyValues,
  isStream,
  lastEventId,
  type RouteText,
  Streams,
  servedRoutes,
} from 'millrace/engine';
import { BodyError, jsonBody } from './body.ts';
import { answers, bodyOf, contentTypeOf } from './event-routes.ts';
import { type Gateway, securityHeaders } from './parts.ts';
import { questionBody } from './schemas.ts';

const bodyLimit = 4 * 1024 * 1024;
/** A schema describes an answer; it does not filter it. */
const serializerCompiler = () => JSON.stringify;

export function addQuestionRoutes(gateway: Gateway): void {
  const { app, options, allow } = gateway;
  const streams = new Streams();
  for (const { method, path, route, byBody } of servedRoutes(options.questions)) {
    const schema = schemaOf(path, route.about, method === 'POST');
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

const plain = { summary: 'A question of the application.' };

/** The schema of a route for the OpenAPI document. */
function schemaOf(path: string, about: RouteText = plain, hasBody: boolean): object {
  const { summary, parameters = {}, answer } = about;
  const inPath = new Set([...path.matchAll(/:(\w+)/g)].map(([, name = '']) => name));
  const [ofPath, others] = [inPath, (name: string) => !inPath.has(name)];
  const named = Object.entries(parameters).map(([name, { required, type = 'string', ...rest }]) => [
    name,
    { type, ...rest },
  ]);
  const params = Object.fromEntries(named.filter(([name]) => ofPath.has(name as string)));
  const values = Object.fromEntries(named.filter(([name]) => others(name as string)));
  const given = { type: 'object', properties: values };
  const hasValues = Object.keys(values).length > 0;
  return {
    summary,
    ...(inPath.size === 0 ? {} : { params: { type: 'object', properties: params } }),
    ...(hasBody ? { consumes: ['application/json'] } : {}),
    ...(hasBody ? { body: hasValues ? given : questionBody } : {}),
    ...(hasValues && !hasBody ? { querystring: given } : {}),
    response: {
      ...(answer === undefined ? {} : { 200: { description: 'The answer.', ...answer } }),
      ...answers,
    },
  };
}
