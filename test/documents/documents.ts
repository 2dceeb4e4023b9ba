/** The documents of the interfaces, made of what is there. */
import { engineRoutes } from '../../engine/cli/execution.ts';
import { askedRoutes } from '../../engine/cli/question-routes.ts';
import { asyncApiDocument } from '../../topologies/asyncapi.ts';
import { checkGateway } from '../../topologies/gateway/config.ts';
import { gatewayApp } from '../../topologies/gateway/server.ts';
import { providers } from '../../topologies/gateway/webhooks/providers.ts';

/** Of a gateway with accounts and a webhook of every provider. */
async function openApiDocument(): Promise<object> {
  const webhooks = Object.fromEntries(
    [...providers.values()].map((provider) => [
      provider.name,
      {
        provider: provider.name,
        secrets: provider.secrets ? [{ env: 'SECRET' }] : [],
        mapping: provider.mapping ?? 'sample',
        ...(provider.needsUrl ? { url: 'https://events.example' } : {}),
        ...(provider.name === 'amazon-ses'
          ? { topicArns: ['arn:aws:sns:eu-central-1:123456789012:mail'] }
          : {}),
      },
    ]),
  );
  const app = await gatewayApp({
    port: 0,
    host: '127.0.0.1',
    config: checkGateway({ accounts: {}, webhooks }),
    intake: () => undefined,
    backlog: async () => 0,
    health: () => ({ status: 'running' }),
    metrics: async () => ({ contentType: 'text/plain', text: '' }),
    questions: [...engineRoutes({} as never), ...askedRoutes({ config: {} } as never, {} as never)],
    now: () => Date.now(),
    env: { SECRET: 'x' },
    readSecret: async () => '',
    get: async () => '',
  });
  try {
    return app.swagger();
  } finally {
    await app.close();
  }
}

/** By file name in docs. */
export const documents: Readonly<Record<string, () => Promise<object>>> = {
  'openapi.json': openApiDocument,
  'asyncapi.json': async () => asyncApiDocument(),
};

export function written(document: object): string {
  return `${JSON.stringify(document, undefined, 1)}\n`;
}
