/**
 * `health`: queries the health of a running process, for container checks, which use exit codes.
 */
import { MillraceError, messageOf } from '../base/errors.ts';
import { type Health, isReady } from '../http/health.ts';
import { print } from './output.ts';

export interface HealthOptions {
  readonly http: number;
  readonly httpHost: string;
  /** A process that is restoring its state is healthy. */
  readonly live?: boolean;
}

const patienceMs = 4_000;

/** Prints the answer. Throws UNHEALTHY without an answer, or if the process is not running yet. */
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
