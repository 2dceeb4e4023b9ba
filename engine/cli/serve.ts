/** `serve`: keeps what `start` ran running, so that time passes for it, and answers questions over HTTP. */
import type { LogLevel } from '../runtime/observe.ts';
import { execute } from './execution.ts';
import { onInterrupt } from './interrupt.ts';
import { keptApplication } from './kept-application.ts';
import { questionRoutes } from './question-routes.ts';

export interface ServeOptions {
  readonly data: string;
  readonly http?: number;
  readonly httpHost?: string;
  readonly threads: number;
  readonly idleAfter?: number;
  readonly logLevel: LogLevel;
}

/** Where questions are answered when nothing is said. */
const standardPort = 8_080;

export async function serve(options: ServeOptions): Promise<void> {
  const { config, ...kept } = await keptApplication(options.data);
  const { threads, logLevel, http = standardPort, httpHost, idleAfter } = options;
  const signal = onInterrupt((text) => process.stderr.write(`${text}\n`));
  const execution = await execute({
    ...kept,
    threads,
    logLevel,
    http,
    ...(httpHost === undefined ? {} : { httpHost }),
    routes: (running) => questionRoutes({ ...running, config }),
    settings: idleAfter === undefined ? {} : { idleAfterMs: idleAfter },
  });
  try {
    await execution.runtime.run(signal);
  } finally {
    await execution.close();
  }
}
