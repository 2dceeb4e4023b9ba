/**
 * Queries of whole tables: finds the task of a key, pages over all tasks, and retries while tasks
 * move.
 */
import { bytesOfKeyText, keyTextOf } from '../base/bytes.ts';
import { type Clock, systemClock } from '../base/clock.ts';
import { isMillraceError, MillraceError } from '../base/errors.ts';
import { type Scheduler, systemScheduler } from '../base/scheduler.ts';
import type { StoreSpec } from '../graph/store-spec.ts';
import { type Readable, readableTable } from '../graph/view.ts';
import { partitionOf } from '../record/partitioner.ts';
import type { KeyRange } from '../state/committed-reads.ts';
import type { RowAnswer, RowQuestion, ShownRow } from '../task/row-answers.ts';
import type { LocalTasks } from './local-tasks.ts';
import type { PlannedTask } from './start-plan.ts';

/** The state that a response reflects: all changes up to this commit. */
export interface AsOf {
  /** The task that responded; of several, the slowest. */
  readonly task: string;
  readonly commit: number;
  /** The task's event time, ms UTC; null before its first record. */
  readonly watermark: number | null;
}

export interface RowsAnswer {
  readonly rows: readonly ShownRow[];
  readonly asOf: AsOf;
}

export interface PageAnswer extends RowsAnswer {
  /** Start of the next page; absent after the last one. */
  readonly next?: PageCursor;
}

/** A place between two keys of one task. */
export interface PageCursor {
  readonly partition: number;
  /** Text of the key after which to continue; absent: from the first. */
  readonly after?: string;
}

/** Options of a query besides the keys. */
export interface Showing {
  readonly window?: RowQuestion['window'];
  readonly args?: unknown;
}

/** The processes that hold the other tasks. */
export interface OtherProcesses {
  /** @throws STATE_AWAY if no process is known to hold the task, or it does not respond */
  ask(taskId: string, question: RowQuestion, signal?: AbortSignal): Promise<RowAnswer>;
}

export interface TableQuestionsOptions {
  readonly local: Pick<
    LocalTasks,
    'ask' | 'commitId' | 'holds' | 'needsOthers' | 'plan' | 'topology'
  >;
  readonly others?: OtherProcesses | undefined;
  /** How long to wait for a task that moves, ms. */
  readonly patienceMs?: number;
  readonly clock?: Clock;
  readonly scheduler?: Scheduler;
}

const defaultPatienceMs = 10_000;
const [firstPauseMs, pauseMostMs] = [10, 250];
/** A page that finds few rows ends after this time, ms; the caller continues with the next page. */
const pageMs = 1_000;
/** Maximal number of keys examined at once. */
const keysPerAsking = 1_000;

/** A table, and where its rows are. */
interface Table extends Readable {
  readonly name: string;
  readonly spec: StoreSpec<unknown, unknown>;
  /** In the order of the partitions. */
  readonly tasks: readonly PlannedTask[];
}

export class TableQuestions {
  readonly #options: TableQuestionsOptions;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;

  constructor(options: TableQuestionsOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#scheduler = options.scheduler ?? systemScheduler;
  }

  /** The store with the keys of a table. @throws STORE_UNKNOWN, TABLE_NOT_KEPT */
  specOf(name: string): StoreSpec<unknown, unknown> {
    return this.#table(name).spec;
  }

  /** Rows of one key, by the text of its bytes; empty if it has none. */
  async row(
    name: string,
    keyText: string,
    showing: Showing = {},
    signal?: AbortSignal,
  ): Promise<RowsAnswer> {
    const table = this.#table(name);
    const first = table.tasks[this.#partitionOf(table, keyText)] as PlannedTask;
    const question = { ...this.#questionOf(table, showing), keyText };
    const answer = await this.#ask(first, question, signal);
    if (answer.rows.length > 0 || table.tasks.length === 1) {
      return { rows: answer.rows, asOf: asOf(first, answer) };
    }
    // Other writers of the topic may use another partitioner, so try all tasks.
    const rest = table.tasks.filter((task) => task !== first);
    const answers = await Promise.all(
      rest.map(async (task) => ({ task, answer: await this.#ask(task, question, signal) })),
    );
    const found = answers.find((one) => one.answer.rows.length > 0);
    if (found === undefined) return { rows: [], asOf: asOf(first, answer) };
    return { rows: found.answer.rows, asOf: asOf(found.task, found.answer) };
  }

  /**
   * Rows of keys in a range: partition by partition, in the order of the keys' bytes. A page may be
   * short or empty and still have a next one: with filters, it ends after a second.
   * @param limit maximal number of keys
   */
  async page(
    name: string,
    { range = {}, limit, cursor = { partition: 0 }, ...showing }: PageQuestion,
    signal?: AbortSignal,
  ): Promise<PageAnswer> {
    const table = this.#table(name);
    const begin = this.#clock.monotonic();
    const rows: ShownRow[] = [];
    const partitions = table.tasks.length;
    let { partition, after } = cursor;
    let least: AsOf | undefined;
    for (let left = limit; partition < partitions; ) {
      const task = table.tasks[partition] as PlannedTask;
      const answer = await this.#ask(
        task,
        {
          ...this.#questionOf(table, showing),
          range: after === undefined ? range : { ...range, after },
          limit: Math.min(left, keysPerAsking),
        },
        signal,
      );
      rows.push(...answer.rows);
      const now = asOf(task, answer);
      if (least === undefined || isBehind(now, least)) least = now;
      left -= answer.rows.length;
      after = answer.next;
      if (after === undefined) partition++;
      const isLate = this.#clock.monotonic() - begin >= pageMs;
      if (left <= 0 || isLate || signal?.aborted === true) break;
    }
    const task = table.tasks[0] as PlannedTask;
    const known = least ?? { task: task.taskId, commit: 0, watermark: null };
    if (partition >= partitions) return { rows, asOf: known };
    const next = after === undefined ? { partition } : { partition, after };
    return { rows, asOf: known, next };
  }

  /**
   * Returns the response of one task, here or elsewhere. Retries while tasks move; a task that
   * stays unavailable is STATE_AWAY.
   */
  async #ask(task: PlannedTask, question: RowQuestion, signal?: AbortSignal): Promise<RowAnswer> {
    const { patienceMs = defaultPatienceMs } = this.#options;
    const end = this.#clock.monotonic() + patienceMs;
    for (let pause = firstPauseMs; ; pause = Math.min(2 * pause, pauseMostMs)) {
      try {
        return await this.#askOnce(task, question, signal);
      } catch (error) {
        const moves = isMillraceError(error, 'STATE_AWAY') || isMillraceError(error, 'STATE_MOVED');
        if (!moves || signal?.aborted === true) throw error;
        if (this.#clock.monotonic() + pause > end) {
          const problem = String(error.context['problem'] ?? error.message);
          throw new MillraceError('STATE_AWAY', { table: question.name, problem });
        }
        await this.#scheduler.sleep(pause, signal);
      }
    }
  }

  async #askOnce(
    { taskId }: PlannedTask,
    question: RowQuestion,
    signal?: AbortSignal,
  ): Promise<RowAnswer> {
    const { local, others } = this.#options;
    if (!local.needsOthers || local.holds(taskId)) {
      const commit = local.commitId;
      const answer = await local.ask(taskId, question);
      return answer.commit >= commit ? answer : { ...answer, commit };
    }
    if (others !== undefined) return others.ask(taskId, question, signal);
    const problem = `task ${taskId} is held by another process, and this one is not told where: start each with a port (option \`http\`)`;
    throw new MillraceError('STATE_AWAY', { table: question.name, problem });
  }

  #questionOf({ table, store, name }: Table, { window, args }: Showing): RowQuestion {
    return {
      ...{ table, store, name },
      ...(window === undefined ? {} : { window }),
      ...(args === undefined ? {} : { args }),
    };
  }

  #table(name: string): Table {
    const { plan, topology } = this.#options.local;
    const { table, store } = readableTable(topology, name);
    const spec = topology.nodes
      .flatMap((node) => (node.type === 'step' ? node.step.stores : []))
      .find((one) => one.name === store);
    const tasks = plan.tasks.filter(({ stores }) => stores.includes(store));
    if (spec !== undefined && tasks.length > 0) return { name, table, store, spec, tasks };
    throw new MillraceError('STORE_UNKNOWN', { store: name, stores: 'none' });
  }

  #partitionOf({ spec, tasks }: Table, keyText: string): number {
    const bytes = bytesOfKeyText(keyText);
    const { byteLength } = bytes;
    return partitionOf(bytes, tasks.length, spec.key.partitionLength?.(byteLength) ?? byteLength);
  }
}

export interface PageQuestion extends Showing {
  readonly range?: KeyRange;
  readonly limit: number;
  readonly cursor?: PageCursor;
}

function asOf({ taskId }: PlannedTask, { commit, watermark }: RowAnswer): AsOf {
  return { task: taskId, commit, watermark };
}

/** True if the first is further behind in time; false if that is unknown. */
function isBehind(a: AsOf, b: AsOf): boolean {
  if (a.watermark === null) return false;
  return b.watermark === null || a.watermark < b.watermark;
}

/**
 * Parses a key as a person or a program writes it: text, integers, bytes as base64, anything else
 * as JSON. Returns its key text.
 * @throws CONFIG_INVALID that names the field
 */
export function askedKeyText(
  { key }: StoreSpec<unknown, unknown>,
  text: string,
  field: string,
): string {
  try {
    return keyTextOf(key.encode(keyOfText(key.format, text)));
  } catch (error) {
    const problem = `${JSON.stringify(text)} is no key of the format ${key.format}: ${String(
      error instanceof Error ? error.message : error,
    )}`;
    throw new MillraceError('CONFIG_INVALID', { field, problem });
  }
}

function keyOfText(format: string, text: string): unknown {
  if (format === 'utf8') return text;
  if (format === 'raw') return Buffer.from(text, 'base64');
  if (format === 'int64') {
    if (!/^-?\d{1,16}$/.test(text)) throw new RangeError('a whole number is wanted');
    return Number(text);
  }
  return JSON.parse(text);
}
