/** What `start` keeps in a data directory, opened for the questions that are asked of it. */
import type { PersonalisationConfig } from '../../topologies/personalisation.ts';
import { MillraceError } from '../base/errors.ts';
import type { TopologyReference } from '../thread/load-topology.ts';
import { type Environment, environment, openLog, readApplication } from './environment.ts';
import { execute } from './execution.ts';
import type { Asked } from './questions.ts';
import { personalisationModule } from './start.ts';

export interface KeptOptions {
  readonly data: string;
  readonly json?: boolean;
}

export interface Kept {
  readonly env: Environment;
  readonly application: string;
  readonly reference: TopologyReference;
  /** That which ran last. */
  readonly config: PersonalisationConfig;
}

/** Throws USAGE where nothing, or another application than that of `start`, ran. */
export async function keptApplication(data: string): Promise<Kept> {
  const env = environment(data);
  const { application, topology: reference } = await readApplication(env);
  if (reference.module !== personalisationModule) {
    const problem = `${env.directory} holds another application; this is for what \`start\` ran`;
    throw new MillraceError('USAGE', { problem });
  }
  const config = (reference.params ?? {}) as PersonalisationConfig;
  return { env, application, reference, config };
}

/** Opens log and state, without running anything. */
export async function withState<T>(data: string, use: (asked: Asked) => Promise<T>): Promise<T> {
  const { config, ...kept } = await keptApplication(data);
  const execution = await execute({ ...kept, threads: 0 });
  try {
    return await use({ runtime: execution.runtime, log: execution.log, config });
  } finally {
    await execution.close();
  }
}

/** Opens the log alone: what it answers does not need the state. */
export async function withLog<T>(
  data: string,
  use: (asked: Pick<Asked, 'log' | 'config'>) => Promise<T>,
): Promise<T> {
  const { env, application, config } = await keptApplication(data);
  const log = await openLog(env, application);
  try {
    return await use({ log, config });
  } finally {
    await log.close();
  }
}
