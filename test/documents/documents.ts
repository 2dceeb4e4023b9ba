/** The documents that are made of what is there. */
import { generateKeyPairSync } from 'node:crypto';
import { engineRoutes } from '../../engine/embed/engine-routes.ts';
import { askedRoutes } from '../../topologies/app/questions/application-routes.ts';
import { asyncApiDocument } from '../../topologies/asyncapi.ts';
import { gatewayApp } from '../../topologies/gateway/gateway-app.ts';
import { checkGateway } from '../../topologies/gateway/gateway-config.ts';
import { providers } from '../../topologies/gateway/webhooks/providers.ts';
import { segmentsSchema } from '../../topologies/segments/segment-schema.ts';
import { errorsDocument, metricsDocument } from './lists.ts';

/** Of a gateway with accounts and a webhook of every provider. */
async function openApiDocument(): Promise<object> {
  const webhooks = Object.fromEntries(
    [...providers.values()].map((provider) => [
      provider.name,
      {
        provider: provider.name,
        secrets: provider.secrets ? [{ env: provider.name }] : [],
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
    env: Object.fromEntries([...providers.keys()].map((name) => [name, secretOf(name)])),
    readSecret: async () => '',
    get: async () => '',
  });
  try {
    return app.swagger();
  } finally {
    await app.close();
  }
}

/** Of the form that each provider's has. */
function secretOf(provider: string): string {
  const isStandard = ['resend', 'standard-webhooks'].includes(provider);
  if (isStandard) return `whsec_${Buffer.alloc(24).toString('base64')}`;
  if (provider !== 'sendgrid') return 'user:password';
  const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  return publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
}

/** By file name in docs. */
export const documents: Readonly<Record<string, () => Promise<object | string>>> = {
  'openapi.json': openApiDocument,
  'asyncapi.json': async () => asyncApiDocument(),
  'segments.schema.json': async () => segmentsSchema(),
  'ERRORS.md': async () => errorsDocument(),
  'METRICS.md': async () => metricsDocument(),
};

export function written(document: object | string): string {
  return typeof document === 'string' ? document : `${JSON.stringify(document, undefined, 1)}\n`;
}
