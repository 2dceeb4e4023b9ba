/**
 * `health`: asks a running process how it is; for the checks of containers, which know exit codes.
 */
import { MillraceError, messageOf } from '../base/errors.ts';
import { type Health, isReady } from '../http/health.ts';
import { print } from './output.ts';

export interface HealthOptions {
  readonly http: number;
  readonly httpHost: string;
  /** A process that restores its state is well, too. */
  readonly live?: boolean;
}

const patienceMs = 4_000;

/** Prints the answer; UNHEALTHY when there is none, or when the process does not run yet. */
export async function health({ http, httpHost, live }: HealthOptions): Promise<void> {
  const host = httpHost === '0.0.0.0' || httpHost === '::' ? '127.0.0.1' : httpHost;
  const address = `http://${host}:${http}/health`;
  let answer: Health;
  try {
    const response = await fetch(address, { signal: AbortSignal.timeout(patienceMs) });
    answer = (await response.json()) as Health;
  } catch (error) {
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
    throw new MillraceError('UNHEALTHY', { address, problem: messageOf(cause) }, { cause: error });
  }
  print(JSON.stringify(answer));
  const well = live === true ? answer.status !== 'stopped' : isReady(answer);
  if (!well) throw new MillraceError('UNHEALTHY', { address, problem: `it is ${answer.status}` });
}
