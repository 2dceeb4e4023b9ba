/** `verify`: recomputes a sample of subjects from the log in SQL, and compares it with the state. */
import { createHash } from 'node:crypto';
import { events } from '../../../topologies/event.ts';
import type { PersonalisationConfig } from '../../../topologies/personalisation.ts';
import { MillraceError } from '../../base/errors.ts';
import { environment, readApplication } from '../environment.ts';
import { type Execution, execute } from '../execution.ts';
import { print, printJson } from '../output.ts';
import { personalisationModule } from '../start.ts';
import { compareWithSql, type Part, textOfPart } from './compare.ts';
import type { LoggedEvent } from './database.ts';
import { resultOf } from './result.ts';
import { recordsOf } from './topic-reader.ts';

export interface VerifyOptions {
  readonly data: string;
  readonly sample: number;
  readonly json?: boolean;
}

/** Throws VERIFY_DIFFERS when SQL and state are not the same. */
export async function verify(options: VerifyOptions): Promise<void> {
  const env = environment(options.data);
  const { application, topology: reference } = await readApplication(env);
  if (reference.module !== personalisationModule) {
    const problem = `${env.directory} holds another application; verify is for what \`start\` ran`;
    throw new MillraceError('USAGE', { problem });
  }
  const execution = await execute({ env, reference, application, threads: 0 });
  let parts: readonly Part[];
  try {
    const config = (reference.params ?? {}) as PersonalisationConfig;
    parts = await verifySample(execution, config, options.sample);
  } finally {
    await execution.close();
  }
  if (options.json === true) printJson(parts);
  else print(parts.map(textOfPart).join('\n'));
  const differing = mismatchesOf(parts);
  if (differing > 0) throw new MillraceError('VERIFY_DIFFERS', { differing });
}

export function mismatchesOf(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + part.differing, 0);
}

/** Compares `count` subjects, the same ones at every call: those whose hashes are the least. */
export async function verifySample(
  execution: Pick<Execution, 'runtime' | 'log'>,
  config: PersonalisationConfig,
  count: number,
): Promise<Part[]> {
  const { log, runtime } = execution;
  const subjects = new Set<string>();
  for await (const { key } of recordsOf(log, events)) subjects.add(key);
  const hash = (subject: string) => createHash('sha256').update(subject).digest('hex');
  const ordered = [...subjects].map((subject) => [hash(subject), subject] as const).sort();
  const chosen = new Set(ordered.slice(0, count).map(([, subject]) => subject));
  const logged: LoggedEvent[] = [];
  for await (const { key, value, timestamp } of recordsOf(log, events)) {
    if (chosen.has(key)) logged.push({ subject: key, at: timestamp, event: value });
  }
  const clock = Math.max(0, ...(await runtime.query('profiles')).map((row) => row.timestamp ?? 0));
  const result = await resultOf(execution, clock, (subject) => chosen.has(subject));
  return compareWithSql(config, logged, result);
}
