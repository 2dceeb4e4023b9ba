/** The gateway of `serve`: events in and questions over HTTP, beside the running application. */
import { readFile } from 'node:fs/promises';
import { checkGateway, type GatewayConfig } from '../../topologies/gateway/config.ts';
import { Intake } from '../../topologies/gateway/intake.ts';
import { serveGateway } from '../../topologies/gateway/server.ts';
import { systemClock } from '../base/clock.ts';
import { MillraceError, messageOf } from '../base/errors.ts';
import { deadLetterTopic } from '../graph/topic-names.ts';
import type { HttpEndpoint, Route } from '../http/server.ts';
import { Appender } from '../runtime/appender.ts';
import type { ServerParts } from './execution.ts';
import { readMapping } from './start.ts';

type Running = NonNullable<ReturnType<ServerParts['running']>>;

/** How old what is known of the backlog may be, ms. */
const backlogAgeMs = 1_000;
const fetchTimeoutMs = 10_000;
const fetchedBytesMax = 65_536;

/** The configuration of `--gateway`; none: events are taken on the loopback interface, from anybody. */
export async function readGateway(file: string | undefined): Promise<GatewayConfig> {
  if (file === undefined) return {};
  let value: unknown;
  try {
    value = JSON.parse((await readFile(file, 'utf8')).replace(/^\uFEFF/, ''));
  } catch (error) {
    const problem = `${file}: ${messageOf(error)}`;
    throw new MillraceError('CONFIG_INVALID', { field: '--gateway', problem });
  }
  return checkGateway(value);
}

/**
 * For `execute`: listens with the gateway, and closes what it wrote with.
 * @param questions makes the application's questions; its argument is asked only when one is answered
 */
export function gatewayListener(
  config: GatewayConfig,
  questions: (running: Running) => readonly Route[],
) {
  return async (parts: ServerParts): Promise<HttpEndpoint> => {
    const { running, application } = parts;
    const asked = (): Running => {
      const now = running();
      if (now !== undefined) return now;
      const problem = 'the application has not started yet';
      throw new MillraceError('LOG_UNAVAILABLE', { directory: application, problem });
    };
    let opened: { appender: Appender; intake: Intake } | undefined;
    const intake = () => {
      const now = running();
      if (now === undefined) return undefined;
      opened ??= openIntake(now, application);
      return opened.intake;
    };
    const endpoint = await serveGateway({
      port: parts.port,
      host: parts.host,
      config,
      intake,
      backlog: backlogOf(parts),
      page: parts.page,
      health: parts.health,
      metrics: parts.metrics,
      questions: questions({
        get runtime() {
          return asked().runtime;
        },
        get log() {
          return asked().log;
        },
      }),
      now: () => systemClock.now(),
      env: process.env,
      readSecret: (file) => readFile(file, 'utf8'),
      get: fetchText,
    });
    return {
      port: endpoint.port,
      close: async () => {
        await endpoint.close();
        await opened?.appender.close();
      },
    };
  };
}

function openIntake({ runtime, log }: Running, application: string) {
  const appender = new Appender({
    log,
    id: `${application}-gateway`,
    partitionsOf: runtime.plan.partitionsOf,
  });
  const intake = new Intake({
    append: (records, bytes) => appender.append(records, bytes),
    deadLetterTopic: deadLetterTopic(application),
    readMapping,
    now: () => systemClock.now(),
  });
  return { appender, intake };
}

/** Records that the application is behind, asked for once a second at most. */
function backlogOf({ running }: ServerParts): () => Promise<number> {
  let known = 0;
  let askedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    const now = systemClock.monotonic();
    const runtime = running()?.runtime;
    if (runtime === undefined || now - askedAt < backlogAgeMs) return known;
    askedAt = now;
    known = (await runtime.lag()).reduce((sum, { records }) => sum + records, 0);
    return known;
  };
}

/** No redirects, https only, at most 64 KiB within ten seconds. */
async function fetchText(url: URL): Promise<string> {
  if (url.protocol !== 'https:') throw new Error('only https is fetched');
  const answer = await fetch(url, {
    redirect: 'error',
    signal: AbortSignal.timeout(fetchTimeoutMs),
  });
  if (!answer.ok) throw new Error(`${url.host} answers ${answer.status}`);
  const bytes = await answer.arrayBuffer();
  if (bytes.byteLength > fetchedBytesMax) throw new Error(`${url.host} answers too much`);
  return Buffer.from(bytes).toString('utf8');
}
