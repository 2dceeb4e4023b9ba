/** What `start` ran in a data directory, opened for questions; it may run meanwhile. */
import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import { MillraceError } from 'millrace';
import { environment, type TopologyReference } from 'millrace/engine';
import {
  type Environment,
  type KafkaSettings,
  type KeptOptions,
  kafkaOf,
  knownApplication,
  openInspected,
  prepare,
  readApplication,
  withApplication,
} from '../../engine/cli/index.ts';
import { checkPersonalisation, type PersonalisationConfig } from '../personalisation.ts';
import { personalisationModule, ready } from './application.ts';
import { readConfig } from './configuration.ts';
import type { Asked } from './questions/questions.ts';

export interface Kept {
  readonly env: Environment;
  readonly application: string;
  readonly reference: TopologyReference;
  /** Settings when the log is Kafka. */
  readonly kafka: KafkaSettings | undefined;
  /** The configuration that ran last. */
  readonly config: PersonalisationConfig;
}

/** @throws USAGE when nothing ran here, or another application than that of `start` */
export async function keptPersonalisation(options: KeptOptions): Promise<Kept> {
  const env = environment(options.data);
  const file = await readApplication(env);
  const { application, topology: reference } = file;
  if (reference.module !== personalisationModule) {
    const problem = `${env.directory} holds another application; this is for what \`start\` ran`;
    throw new MillraceError('USAGE', { problem });
  }
  const config = (reference.params ?? {}) as PersonalisationConfig;
  return { env, application, reference, kafka: await kafkaOf(options, file), config };
}

/**
 * The same; where nothing has run yet, the ready topology begins there.
 * @param file of `--config`: where something ran, only on Kafka it may say otherwise than that
 */
export async function keptOrBegun(options: KeptOptions, file: string | undefined): Promise<Kept> {
  const env = environment(options.data);
  const config = file === undefined ? undefined : await readConfig(file);
  if (config !== undefined) checkPersonalisation(config);
  const params = config ?? {};
  // When the application of a log cannot be read, other definitions must not take it over.
  if ((await knownApplication(env)) === undefined && !existsSync(env.logDirectory)) {
    await prepare(env, false);
    const reference = { module: personalisationModule, params };
    const kafka = await kafkaOf(options, undefined);
    return { env, application: ready, reference, kafka, config: params };
  }
  const kept = await keptPersonalisation(options);
  if (config === undefined || isDeepStrictEqual(config, kept.config)) return kept;
  if (kept.kafka !== undefined) {
    return { ...kept, reference: { ...kept.reference, params }, config };
  }
  const problem = `${env.directory} runs another configuration; \`start --config ${file}\` changes it`;
  throw new MillraceError('USAGE', { problem });
}

/** Opens log and state of the application of `start` for a question. */
export async function withState<T>(
  options: KeptOptions,
  use: (asked: Asked) => Promise<T>,
): Promise<T> {
  const { config } = await keptPersonalisation(options);
  return withApplication(options, (opened) => use({ ...opened, config }));
}

/** Opens only the log of the application, for questions that need no state. */
export async function withLog<T>(
  options: KeptOptions,
  use: (asked: Pick<Asked, 'log' | 'config'>) => Promise<T>,
): Promise<T> {
  const { config } = await keptPersonalisation(options);
  const log = await openInspected(options);
  try {
    return await use({ log, config });
  } finally {
    await log.close();
  }
}
