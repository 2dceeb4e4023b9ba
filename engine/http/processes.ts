/** The processes of an application ask each other for rows of the tasks that they hold. */
import { createHash, timingSafeEqual } from 'node:crypto';
import { MillraceError, messageOf } from '../base/errors.ts';
import type { LocalTasks } from '../runtime/local-tasks.ts';
import type { Owners } from '../runtime/owners.ts';
import type { OtherProcesses } from '../runtime/table-questions.ts';
import type { RowAnswer, RowQuestion } from '../task/row-answers.ts';
import type { Route } from './routes.ts';

const path = '/v1/tasks/rows';
/** How long one process waits for another, ms. */
const answerMs = 5_000;

/** The others, as this process reaches them. */
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
    let status: number;
    let body: unknown;
    try {
      const answer = await fetch(`http://${address}${path}`, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          authorization: `Bearer ${owners.secret ?? ''}`,
        },
        body: JSON.stringify({ task: taskId, question }),
        redirect: 'error',
        signal: signal === undefined ? tooLong : AbortSignal.any([signal, tooLong]),
      });
      status = answer.status;
      body = await answer.json();
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
}

/** What this process answers the others: only of tasks that it holds itself. */
export function processRoutes(asked: {
  readonly local: Pick<LocalTasks, 'ask' | 'commitId'>;
  readonly owners: Owners;
}): readonly Route[] {
  return [
    {
      method: 'POST',
      path,
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
    // It may be one that was made after this process has looked.
    if (attempt === 0) await owners.refresh();
  }
  throw new MillraceError('NOT_OURS', {});
}

function isSame(a: string, b: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}
