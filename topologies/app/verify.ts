/**
 * `verify`: recomputes a sample of subjects from the log in SQL, and compares it with the state.
 */
import { createHash } from 'node:crypto';
import { MillraceError } from 'millrace';
import { type KeptOptions, print, printJson } from '../../engine/cli/index.ts';
import { compareWithSql, type Part, textOfPart } from '../verify/compare.ts';
import { loggedEvents } from '../verify/logged.ts';
import { resultOf } from '../verify/result.ts';
import { withState } from './kept-personalisation.ts';
import type { Asked } from './questions/questions.ts';
import { takenEvents } from './questions/taken-events.ts';
import { clockOf } from './start-report.ts';

export interface VerifyOptions extends KeptOptions {
  readonly sample: number;
}

/** @throws VERIFY_DIFFERS when SQL and state differ */
export async function verify(options: VerifyOptions): Promise<void> {
  const parts = await withState(options, (kept) => verifySample(kept, options.sample));
  if (options.json === true) printJson(parts);
  else print(parts.map(textOfPart).join('\n'));
  const differing = mismatchesOf(parts);
  if (differing > 0) throw new MillraceError('VERIFY_DIFFERS', { differing });
}

export function mismatchesOf(parts: readonly Part[]): number {
  return parts.reduce((sum, part) => sum + part.differing, 0);
}

/** Compares `count` subjects; every call takes the same ones, those with the smallest hashes. */
export async function verifySample(
  { log, runtime, config }: Asked,
  count: number,
): Promise<Part[]> {
  const subjects = new Set<string>();
  for await (const { key } of takenEvents(log)) subjects.add(key);
  const hash = (subject: string) => createHash('sha256').update(subject).digest('hex');
  const ordered = [...subjects].map((subject) => [hash(subject), subject] as const).sort();
  const chosen = new Set(ordered.slice(0, count).map(([, subject]) => subject));
  const clock = Math.max(0, await clockOf(runtime));
  const wanted = (subject: string) => chosen.has(subject);
  const result = await resultOf({ log, runtime }, clock, wanted);
  const logged = await loggedEvents(takenEvents(log), result.profiles, wanted);
  return compareWithSql(config, logged, result);
}
