/**
 * The HTTP listeners of `serve` and `gateway`: one for everything, or one for events and one for
 * questions, health and metrics.
 */
import type { FastifyInstance } from 'fastify';
import { MillraceError } from 'millrace';
import type { HttpEndpoint } from 'millrace/engine';
import { gatewayApp } from './gateway-app.ts';
import { isLoopback } from './loopback.ts';
import type { GatewayOptions } from './parts.ts';

export interface GatewayEndpoint extends HttpEndpoint {
  /** Port for questions, health and metrics, when they have a listener of their own. */
  readonly adminPort?: number;
}

/**
 * Listens until the endpoint is closed.
 * @throws MillraceError HTTP_UNAVAILABLE when the port is taken; CONFIG_INVALID when others could
 * reach a gateway that has no accounts
 */
export async function serveGateway(options: GatewayOptions): Promise<GatewayEndpoint> {
  const { port, host, config } = options;
  const { accounts, admin } = config;
  checkReach(accounts === undefined, host, '--http-host');
  if (admin === undefined) return listen(await gatewayApp(options), port, host);
  const adminHost = admin.host ?? '127.0.0.1';
  checkReach(accounts === undefined, adminHost, 'admin.host');
  const main = await listen(await gatewayApp(options, 'ingest'), port, host);
  try {
    const beside = await listen(await gatewayApp(options, 'admin'), admin.port, adminHost);
    const close = async () => {
      await main.close();
      await beside.close();
    };
    return { port: main.port, adminPort: beside.port, close };
  } catch (error) {
    await main.close();
    throw error;
  }
}

function checkReach(open: boolean, host: string, field: string): void {
  if (!open || isLoopback(host)) return;
  const problem = `${host} can be reached from outside: name accounts in --gateway first`;
  throw new MillraceError('CONFIG_INVALID', { field, problem });
}

async function listen(app: FastifyInstance, port: number, host: string): Promise<HttpEndpoint> {
  try {
    await app.listen({ port, host });
  } catch (error) {
    await app.close();
    const problem = error instanceof Error ? error.message : String(error);
    throw new MillraceError('HTTP_UNAVAILABLE', { host, port, problem });
  }
  const address = app.server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : port,
    close: async () => {
      app.server.closeIdleConnections();
      await app.close();
    },
  };
}
