/** The gateway of `serve`: events in and questions over HTTP, beside the running application. */
import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { MillraceError } from 'millrace';
import {
  type AnyRoute,
  Appender,
  deadLetterTopic,
  type HttpEndpoint,
  type Log,
  messageOf,
  type RequestMetrics,
  requestMetrics,
  type ServerParts,
} from 'millrace/engine';
import { engineRoutes, jsonOf, type Running, systemClock } from '../../engine/cli/index.ts';
import type { Catalogue } from '../field-catalogue.ts';
import { Intake } from '../gateway/event-intake.ts';
import { checkGateway, type GatewayConfig } from '../gateway/gateway-config.ts';
import { serveGateway } from '../gateway/gateway-server.ts';
import { providers } from '../gateway/webhooks/providers.ts';
import { readCatalogue } from './catalogue-file.ts';
import { readMapping } from './mappings.ts';

/** Greatest age of the known backlog, ms. */
const backlogAgeMs = 1_000;
const fetchTimeoutMs = 10_000;
const fetchedBytesMax = 65_536;

/**
 * The configuration of `--gateway`. Without one, events are taken on the loopback interface from
 * every sender.
 */
export async function readGateway(file: string | undefined): Promise<GatewayConfig> {
  if (file === undefined) return {};
  let value: unknown;
  try {
    value = jsonOf(await readFile(file, 'utf8'));
  } catch (error) {
    const problem = `${file}: ${messageOf(error)}`;
    throw new MillraceError('CONFIG_INVALID', { field: '--gateway', problem });
  }
  return checkGateway(value);
}

/**
 * A listener for `execute`: serves the gateway, and closes what it wrote with.
 * @param questions makes the questions of the application; its argument is read only when one is
 * answered
 * @param writer names this process among the gateways of the application, when there are several
 */
export function gatewayListener(
  config: GatewayConfig,
  questions: (running: Running) => readonly AnyRoute[],
  writer?: string,
) {
  return async (parts: ServerParts): Promise<HttpEndpoint> => {
    const { running, application } = parts;
    const requests = requestMetrics();
    const catalogue = await declaredFields(config);
    const lazily = askedLater(parts);
    let opened: { appender: Appender; intake: Intake } | undefined;
    const intake = () => {
      const now = running();
      if (now === undefined) return undefined;
      const { log, runtime } = now;
      const { partitionsOf } = runtime.plan;
      opened ??= openIntake({ log, application, partitionsOf, writer, requests, catalogue });
      return opened.intake;
    };
    const endpoint = await serveGateway({
      port: parts.port,
      host: parts.host,
      config,
      intake,
      backlog: cachedBacklog(async () => (await running()?.runtime.lag()) ?? []),
      page: parts.page,
      health: parts.health,
      metrics: withRequests(parts.metrics, requests),
      requests,
      questions: [...engineRoutes(lazily), ...questions(lazily)],
      ...world,
    });
    return {
      port: endpoint.port,
      registry: requests.registry,
      close: async () => {
        await endpoint.close();
        await opened?.appender.close();
      },
    };
  };
}

/** The application, asked for at each use: questions are declared before it has started. */
function askedLater({ running, application }: ServerParts): Running {
  const asked = (): Running => {
    const now = running();
    if (now !== undefined) return now;
    const problem = 'the application has not started yet';
    throw new MillraceError('LOG_UNAVAILABLE', { directory: application, problem });
  };
  return {
    application,
    get runtime() {
      return asked().runtime;
    },
    get log() {
      return asked().log;
    },
    get tables() {
      return asked().tables;
    },
    get tails() {
      return asked().tails;
    },
    get owners() {
      return asked().owners;
    },
    get others() {
      return asked().others;
    },
    get mappings() {
      return asked().mappings;
    },
  };
}

/** The catalogue that the configuration of a gateway names; its mappings are checked against it. */
export async function declaredFields(config: GatewayConfig): Promise<Catalogue | undefined> {
  const { catalogue: file, webhooks = {}, mapping } = config;
  const catalogue = await readCatalogue(file, 'catalogue');
  if (catalogue === undefined) return undefined;
  const own = Object.values(webhooks).map(
    ({ mapping: named, provider }) => named ?? providers.get(provider)?.mapping,
  );
  for (const name of new Set([mapping, ...own])) {
    if (name !== undefined) catalogue.checkMapping(await readMapping(name));
  }
  return catalogue;
}

/** What webhooks need of this machine. */
export const world = {
  now: () => systemClock.now(),
  env: process.env,
  readSecret: (file: string) => readFile(file, 'utf8'),
  get: fetchText,
};

export interface IntakeParts {
  readonly log: Log;
  readonly application: string;
  readonly partitionsOf: Readonly<Record<string, number>>;
  /** Name of the writer; two writers of one name would fence each other. */
  readonly writer?: string | undefined;
  readonly requests: RequestMetrics;
  readonly catalogue?: Catalogue | undefined;
}

/** @returns the intake, and the appender that it writes with, which the caller closes */
export function openIntake(parts: IntakeParts) {
  const { log, application, partitionsOf, writer, requests, catalogue } = parts;
  const id = `${application}-gateway${writer === undefined ? '' : `-${writer}`}`;
  const appender = new Appender({ log, id, partitionsOf });
  const intake = new Intake({
    append: (records, bytes) => appender.append(records, bytes),
    problemOf: (record) => appender.problemOf(record),
    deadLetterTopic: deadLetterTopic(application),
    readMapping,
    now: () => systemClock.now(),
    catalogue,
    taken: requests.taken,
  });
  return { appender, intake };
}

/** Metrics of the process, followed by those of its requests. */
export function withRequests(
  metrics: ServerParts['metrics'],
  requests: RequestMetrics,
): ServerParts['metrics'] {
  return async () => {
    const { contentType, text } = await metrics();
    return { contentType, text: `${text}\n${await requests.text()}` };
  };
}

/**
 * Name of this process's writer among the gateways on Kafka; it survives a restart when the process
 * has an instance id.
 */
export function writerName(instanceId: string | undefined): string {
  return instanceId ?? randomUUID();
}

/** The number of records that the application is behind, looked up at most once a second. */
export function cachedBacklog(
  lags: () => Promise<readonly { readonly records: number }[]>,
): () => Promise<number> {
  let known = 0;
  let askedAt = Number.NEGATIVE_INFINITY;
  return async () => {
    const now = systemClock.monotonic();
    if (now - askedAt < backlogAgeMs) return known;
    askedAt = now;
    known = (await lags()).reduce((sum, { records }) => sum + records, 0);
    return known;
  };
}

/** https only, without redirects; at most 64 KiB within ten seconds. */
async function fetchText(url: URL): Promise<string> {
  if (url.protocol !== 'https:') throw new Error('only https is fetched');
  const answer = await fetch(url, {
    redirect: 'error',
    signal: AbortSignal.timeout(fetchTimeoutMs),
  });
  if (!answer.ok) throw new Error(`${url.host} answers ${answer.status}`);
  const bytes = await answer.arrayBuffer();
  if (bytes.byteLength > fetchedBytesMax) throw new Error(`the answer of ${url.host} is too long`);
  return Buffer.from(bytes).toString('utf8');
}
