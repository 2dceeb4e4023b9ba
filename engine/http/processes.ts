/** Processes of an application query each other for rows of the tasks that they hold. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { MillraceError, messageOf } from '../base/errors.ts';
import type { PartitionLag } from '../runtime/assignment.ts';
import type { LocalTasks } from '../runtime/local-tasks.ts';
import type { Owners } from '../runtime/owners.ts';
import type { OtherProcesses } from '../runtime/table-questions.ts';
import type { RowAnswer, RowQuestion } from '../task/row-answers.ts';
import type { Route } from './routes.ts';

const [rowsPath, statePath] = ['/v1/tasks/rows', '/v1/tasks/state'];
/** How long one process waits for another, ms; shorter for the console. */
const [answerMs, lookMs] = [5_000, 1_000];

/** A process's report on its tasks. */
export interface ProcessState {
  /** Unread records of each partition that its tasks read. */
  readonly lags: readonly PartitionLag[];
}

/** The addresses of the other processes. */
export class HttpProcesses implements OtherProcesses {
  readonly #owners: Owners;
  readonly #own: string;

  /** @param own host:port of this process */
  constructor(owners: Owners, own: string) {
    this.#owners = owners;
    this.#own = own;
  }

  async ask(taskId: string, question: RowQuestion, signal?: AbortSignal): Promise<RowAnswer> {
    const owners = this.#owners;
    const away = (problem: string) =>
      new MillraceError('STATE_AWAY', { table: question.name, problem });
    if (owners.addressOf(taskId) === undefined || owners.secret === undefined) {
      await owners.refresh();
    }
    const address = owners.addressOf(taskId);
    if (address === undefined) throw away(`no process has said that it holds task ${taskId}`);
    if (address === this.#own) {
      await owners.refresh();
      throw away(`task ${taskId} was here, and is given to another process`);
    }
    const tooLong = AbortSignal.timeout(answerMs);
    const either = signal === undefined ? tooLong : AbortSignal.any([signal, tooLong]);
    let status: number;
    let body: unknown;
    try {
      const asked = { task: taskId, question };
      ({ status, body } = await this.#post(address, rowsPath, asked, either));
    } catch (error) {
      await owners.refresh();
      const cause = (error as { cause?: unknown }).cause;
      throw away(
        `${address}, which held task ${taskId}, does not answer: ${messageOf(cause ?? error)}`,
      );
    }
    if (status === 200) return body as RowAnswer;
    const { code, problem = `answers ${status}` } = body as { code?: string; problem?: string };
    await owners.refresh();
    if (status === 503 || status === 401) throw away(`${address}: ${problem}`);
    const field = code === 'CONFIG_INVALID' ? 'question' : address;
    throw new MillraceError('CONFIG_INVALID', { field, problem });
  }

  /** The report of a process; undefined if it does not answer within a second. */
  async stateOf(address: string): Promise<ProcessState | undefined> {
    try {
      const tooLong = AbortSignal.timeout(lookMs);
      const { status, body } = await this.#post(address, statePath, {}, tooLong);
      return status === 200 ? (body as ProcessState) : undefined;
    } catch {
      return undefined;
    }
  }

  async #post(
    address: string,
    path: string,
    question: object,
    signal: AbortSignal,
  ): Promise<{ readonly status: number; readonly body: unknown }> {
    const answer = await fetch(`http://${address}${path}`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: `Bearer ${this.#owners.secret ?? ''}`,
      },
      body: JSON.stringify(question),
      redirect: 'error',
      signal,
    });
    return { status: answer.status, body: await answer.json() };
  }
}

/** The routes for other processes of the application: only about tasks of this process. */
export function processRoutes(asked: {
  readonly local: Pick<LocalTasks, 'ask' | 'commitId'>;
  readonly owners: Owners;
  readonly lag: () => Promise<readonly PartitionLag[]>;
}): readonly Route[] {
  return [
    {
      method: 'POST',
      path: statePath,
      isInternal: true,
      answer: async (_, __, ___, authorization): Promise<ProcessState> => {
        await checkSecret(asked.owners, authorization);
        return { lags: await asked.lag() };
      },
    },
    {
      method: 'POST',
      path: rowsPath,
      isInternal: true,
      answer: async (_, body, __, authorization) => {
        await checkSecret(asked.owners, authorization);
        const { task, question } = (body ?? {}) as { task?: unknown; question?: unknown };
        if (typeof task !== 'string' || typeof question !== 'object' || question === null) {
          const problem = 'must be an object with task and question';
          throw new MillraceError('CONFIG_INVALID', { field: '(body)', problem });
        }
        const commit = asked.local.commitId;
        const answer = await asked.local.ask(task, question as RowQuestion);
        return answer.commit >= commit ? answer : { ...answer, commit };
      },
    },
  ];
}

/** @throws NOT_OURS */
async function checkSecret(owners: Owners, authorization: string | undefined): Promise<void> {
  const given = authorization?.replace(/^Bearer /, '');
  for (let attempt = 0; attempt < 2; attempt++) {
    if (given !== undefined && owners.secret !== undefined && isSame(given, owners.secret)) return;
    // The secret may have been created after this process read it.
    if (attempt === 0) await owners.refresh();
  }
  throw new MillraceError('NOT_OURS', {});
}

function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
