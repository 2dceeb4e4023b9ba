/**
 * A gateway in this process over the ready topology and an embedded log, for tests with real
 * clients.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';
import { environment, prepare } from '../../engine/embed/environment.ts';
import { execute } from '../../engine/embed/execute.ts';
import type { Execution } from '../../engine/embed/execution-options.ts';
import { gatewayListener } from '../../topologies/app/gateway-listener.ts';
import { askedRoutes } from '../../topologies/app/questions/application-routes.ts';
import { QuestionPool } from '../../topologies/app/questions/question-pool.ts';
import { events } from '../../topologies/event.ts';
import { checkGateway } from '../../topologies/gateway/gateway-config.ts';
import { emptyFolder } from '../process/millrace.ts';

export interface RunningGateway {
  readonly url: string;
  readonly execution: Execution;
  /** Values of a topic from its start, all partitions, as JSON. */
  records(topic: string): Promise<{ key: string; value: Record<string, unknown> }[]>;
  deadLetters(): Promise<{ value: unknown; headers: Record<string, string> }[]>;
}

export const hashOf = (key: string): string => createHash('sha256').update(key).digest('hex');

const topology = fileURLToPath(new URL('../../topologies/personalisation.ts', import.meta.url));

/** @param config of `--gateway` */
export async function startGateway(config: unknown = {}): Promise<RunningGateway> {
  const folder = await emptyFolder();
  const env = environment(join(folder, 'data'));
  await prepare(env, false);
  const questions = new QuestionPool();
  let port = 0;
  const listen = gatewayListener(checkGateway(config), (running) =>
    askedRoutes(Object.assign(running, { config: {} }), questions),
  );
  const execution = await execute({
    env,
    reference: { module: topology, params: {} },
    threads: 0,
    http: 0,
    logLevel: 'error',
    listen: async (parts) => {
      const endpoint = await listen(parts);
      port = endpoint.port;
      return endpoint;
    },
  });
  const stop = new AbortController();
  const run = execution.runtime.run(stop.signal);
  onTestFinished(async () => {
    stop.abort();
    await run;
    await questions.close();
    await execution.close();
  });
  const records = async (topic: string) => {
    const found = (await execution.log.topics()).find(({ name }) => name === topic);
    const all = [];
    for (let partition = 0; partition < (found?.partitions ?? 0); partition++) {
      const batch = await execution.log.read({ topic, partition }, 0, { records: 100_000 });
      for (let i = 0; i < (batch?.count ?? 0) && batch !== undefined; i++) {
        const value = decoded(topic, batch.value(i));
        all.push({ key: batch.key(i)?.toString() ?? '', value, batch, i });
      }
    }
    return all;
  };
  const { decodeHeaders } = await import('../../engine/record/headers.ts');
  return {
    url: `http://127.0.0.1:${port}`,
    execution,
    records,
    deadLetters: async () => {
      const letters = await records(`${execution.application}-dead-letters`);
      return letters.map(({ value, batch, i }) => ({
        value,
        headers: Object.fromEntries(
          Object.entries(decodeHeaders(batch.headerBytes(i))).map(([k, v]) => [k, String(v)]),
        ),
      }));
    },
  };
}

function decoded(topic: string, bytes: Buffer | null): Record<string, unknown> {
  if (bytes === null) return {};
  if (topic !== events.name) return JSON.parse(bytes.toString());
  return events.valueDecoder.decode(bytes, 0, bytes.byteLength) as unknown as Record<
    string,
    unknown
  >;
}

/** POST of a value as JSON, or of text or bytes as they are. */
export function post(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> {
  const raw = typeof body === 'string' || body instanceof Uint8Array;
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: raw ? (body as string) : JSON.stringify(body),
  });
}
