/** The console beside the gateway: its page is open to all; its data needs the role `read`. */
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Gateway } from './parts.ts';

export function addPageRoutes({ app, options: { page }, accounts, allow }: Gateway): void {
  if (page === undefined) return;
  const answer = async (request: FastifyRequest, reply: FastifyReply) => {
    const [path = '', query] = request.url.split('?');
    if (!page.isPublic(path)) await allow('read')(request);
    const found = await page.answer(path, new URLSearchParams(query), request.signal);
    if (found === undefined) return reply.callNotFound();
    const { status, headers, body } = found;
    reply.code(status).headers({ ...headers });
    if (typeof body === 'string' || body instanceof Uint8Array) return reply.send(body);
    return reply.send(Readable.from(body));
  };
  // Not part of the API, so not in the OpenAPI document.
  const schema = { hide: true };
  for (const path of ['/', '/console', '/console/*']) {
    app.get(path, { schema, exposeHeadRoute: false }, answer);
  }
  app.get('/console/api/me', { schema }, async (request) => {
    const { name, roles } = await accounts.allow(request, 'read');
    return { name, roles, closed: accounts.closed };
  });
}
