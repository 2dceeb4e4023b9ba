/**
 * The questions of the application as routes. Each can be asked by POST with a JSON body, so that
 * no subject stands in an address, which proxies and browsers write down; GET takes the query.
 */
import { BodyError, jsonBody } from './body.ts';
import { answers, bodyOf, contentTypeOf } from './event-routes.ts';
import { questionBody } from './schemas.ts';
import type { Gateway } from './server.ts';

export function addQuestionRoutes(gateway: Gateway): void {
  const { app, options, limits, allow } = gateway;
  const schema = { summary: 'A question of the application.', response: answers };
  for (const route of options.questions) {
    const { path, method } = route;
    if (method === 'GET') {
      app.get(path, { onRequest: allow('read'), schema }, (request) => {
        const query = new URLSearchParams(request.query as Record<string, string>);
        return route.answer(query, undefined, request.signal);
      });
    }
    app.post(
      path,
      {
        onRequest: allow('read'),
        schema: { ...schema, consumes: ['application/json'], body: questionBody },
        bodyLimit: 4 * 1024 * 1024,
      },
      async (request) => {
        if (contentTypeOf(request) !== 'application/json') {
          throw new BodyError(415, 'send application/json');
        }
        const body = jsonBody(await bodyOf(gateway, request), limits.depth);
        if (typeof body !== 'object' || body === null || Array.isArray(body)) {
          throw new BodyError(400, 'the body must be an object');
        }
        const query = new URLSearchParams(request.query as Record<string, string>);
        if (method === 'POST') return route.answer(query, body, request.signal);
        for (const [name, value] of Object.entries(body)) query.set(name, String(value));
        return route.answer(query, undefined, request.signal);
      },
    );
  }
}
