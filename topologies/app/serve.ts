/**
 * `serve`: keeps running what `start` began, so that time passes, and answers questions over HTTP.
 */
import { execute, loadTopology, type Observer } from 'millrace/engine';
import {
  type KeptOptions,
  type LogLevel,
  onInterrupt,
  readSources,
  sourcesFrom,
  standardPort,
  systemScheduler,
  type TimeFlags,
  timeSettings,
  whileStarting,
} from '../../engine/cli/index.ts';
import { application } from './application.ts';
import { readCatalogue } from './catalogue-file.ts';
import { keptOrBegun } from './kept-personalisation.ts';
import { readMapping } from './mappings.ts';
import { askedRoutes } from './questions/application-routes.ts';
import { QuestionPool } from './questions/question-pool.ts';
import type { Asked } from './questions/questions.ts';
import { mismatchesOf, verifySample } from './verify.ts';

export interface ServeOptions extends KeptOptions, TimeFlags {
  /** The longest time from the first signal to the end, ms. */
  readonly stopWithin?: number;
  readonly http?: number;
  readonly httpHost?: string;
  /** host:port of a DogStatsD agent. */
  readonly statsd?: string;
  readonly threads: number;
  /** Memory for state, bytes. */
  readonly memory?: number;
  readonly logLevel: LogLevel;
  /** File with accounts, webhooks and limits (docs/SOURCES.md). */
  readonly gateway?: string;
  /** File with scores and segments, for an application that begins here. */
  readonly config?: string;
  /** File of sources to pull from while it runs. */
  readonly sources?: string;
  /** Interval at which a sample is recomputed in SQL, ms; 0 for never. */
  readonly verifyEvery: number;
  readonly verifySample: number;
}

export async function serve(options: ServeOptions): Promise<void> {
  const { config, kafka, ...kept } = await keptOrBegun(options, options.config);
  const { threads, logLevel, http = standardPort, httpHost, memory } = options;
  const say = (text: string) => process.stderr.write(`${text}\n`);
  const signal = onInterrupt(say, options.stopWithin);
  const topology = await loadTopology(kept.reference);
  const pulling = { application, topology, isReady: true, warn: say, bounded: false };
  const sources = await sourcesFrom(options.sources, pulling);
  const questions = new QuestionPool();
  // Loaded here, because the other commands need no HTTP framework.
  const { gatewayListener, readGateway, writerName } = await import('./gateway-listener.ts');
  const gateway = await readGateway(options.gateway);
  const catalogue = await readCatalogue(gateway.catalogue, 'catalogue');
  catalogue?.checkConfiguration(config);
  if (catalogue !== undefined && options.sources !== undefined) {
    const specs = Object.values(await readSources(options.sources, application));
    for (const { mapping = '' } of specs) catalogue.checkMapping(await readMapping(mapping));
  }
  const started = whileStarting(signal, say);
  const execution = await execute({
    ...kept,
    ...(kafka === undefined ? {} : { kafka }),
    threads,
    logLevel,
    http,
    sources,
    ...(httpHost === undefined ? {} : { httpHost }),
    statsd: options.statsd,
    ...(options.advertise === undefined ? {} : { advertise: options.advertise }),
    listen: gatewayListener(
      gateway,
      (running) => askedRoutes(Object.assign(running, { config }), questions, kept.env.directory),
      // On Kafka, several processes serve one application.
      kafka && writerName(kafka.instanceId),
    ),
    mappings: application.mappings,
    hasPeople: true,
    settings: {
      ...timeSettings(options),
      ...(memory === undefined ? {} : { memoryBytes: memory }),
    },
  });
  started();
  const asked: Asked = { ...execution, config };
  const failed = new AbortController();
  const either = AbortSignal.any([signal, failed.signal]);
  try {
    const done = await Promise.allSettled([
      execution.runtime.run(either),
      verifyAgainAndAgain(asked, options, execution.observer, either).catch((error: unknown) => {
        failed.abort();
        throw error;
      }),
    ]);
    for (const one of done) if (one.status === 'rejected') throw one.reason;
  } finally {
    await questions.close();
    await execution.close();
  }
}

/**
 * A timer may fire between reading the log and reading the state, so a difference is checked again.
 */
async function verifyAgainAndAgain(
  asked: Asked,
  { verifyEvery, verifySample: count }: ServeOptions,
  observer: Observer,
  signal: AbortSignal,
): Promise<void> {
  while (verifyEvery > 0 && !signal.aborted) {
    let parts = await verifySample(asked, count);
    if (mismatchesOf(parts) > 0) parts = await verifySample(asked, count);
    const compared = parts.reduce((sum, part) => sum + part.compared, 0);
    observer.on('stateVerified', { compared, differing: mismatchesOf(parts) });
    await systemScheduler.sleep(verifyEvery, signal);
  }
}
