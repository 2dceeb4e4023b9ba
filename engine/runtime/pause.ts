/**
 * Pauses: of the whole application, topics, their partitions, sources. They are stored in the
 * cursor topic, so that they survive restarts and every process of the application sees them.
 * docs/decisions/1021-a-pause-is-in-the-log.md.
 */

import type { Clock } from '../base/clock.ts';
import { isPassing, MillraceError } from '../base/errors.ts';
import type { Observer } from '../base/events.ts';
import { cursorTopic } from '../graph/topic-names.ts';
import type { Log } from '../log/log.ts';
import { keyOf } from '../log/partition-key.ts';
import { cursorAppend, readCursors } from './cursors.ts';
import type { Plan, PlannedTask } from './start-plan.ts';

const pauseCursor = 'paused';
/** Interval between reads of other processes' changes, ms. */
const lookEveryMs = 1_000;

export interface Paused {
  /** The whole application. */
  readonly all: boolean;
  readonly topics: readonly string[];
  /** As 'topic/partition'. */
  readonly partitions: readonly string[];
  readonly sources: readonly string[];
}

export const nothingPaused: Paused = { all: false, topics: [], partitions: [], sources: [] };

/** What to pause or resume; the whole application if nothing is named. */
export interface PauseChange {
  readonly pause: boolean;
  readonly topic?: string | undefined;
  /** Partition of the topic. */
  readonly partition?: number | undefined;
  readonly source?: string | undefined;
}

/** What can be paused. */
export interface Pausable {
  /** Partitions of each topic that is read. */
  readonly topics: ReadonlyMap<string, number>;
  readonly sources: readonly string[];
}

function pausable(
  { tasks, partitionsOf }: Pick<Plan, 'tasks' | 'partitionsOf'>,
  sources: readonly string[],
): Pausable {
  const read = tasks.flatMap(({ topics }) => topics);
  return { topics: new Map(read.map((topic) => [topic, partitionsOf[topic] ?? 0])), sources };
}

/** @throws CONFIG_INVALID for an unknown part */
export function checkPause({ topic, partition, source }: PauseChange, known: Pausable): void {
  const refuse = (field: string, problem: string): never => {
    throw new MillraceError('CONFIG_INVALID', { field, problem });
  };
  if (topic !== undefined && source !== undefined)
    refuse('source', 'name it, or a topic: not both');
  if (source !== undefined && !known.sources.includes(source)) {
    refuse('source', `there is no ${source}; there are: ${known.sources.join(', ') || 'none'}`);
  }
  if (topic === undefined) {
    if (partition !== undefined) refuse('partition', 'is one of a topic: name that, too');
    return;
  }
  const partitions = known.topics.get(topic);
  if (partitions === undefined) {
    refuse('topic', `no ${topic} is read; there are: ${[...known.topics.keys()].join(', ')}`);
  } else if (partition !== undefined && partition >= partitions) {
    refuse('partition', `${topic} has ${partitions}, there is no ${partition}`);
  }
}

/** @throws CONFIG_INVALID if the change resumes a part of something that is paused as a whole */
export function pausedAfter(before: Paused, change: PauseChange): Paused {
  const { pause, topic, partition, source } = change;
  if (topic === undefined && source === undefined) {
    return pause ? { ...before, all: true } : nothingPaused;
  }
  const set = (list: readonly string[], name: string) =>
    pause ? [...new Set([...list, name])].sort() : list.filter((one) => one !== name);
  if (source !== undefined) return { ...before, sources: set(before.sources, source) };
  const name = topic as string;
  if (partition === undefined) {
    const others = before.partitions.filter((one) => !one.startsWith(`${name}/`));
    return { ...before, topics: set(before.topics, name), partitions: others };
  }
  if (before.topics.includes(name)) {
    if (pause) return before;
    const problem = `${name} is paused as a whole: resume the topic`;
    throw new MillraceError('CONFIG_INVALID', { field: 'partition', problem });
  }
  return { ...before, partitions: set(before.partitions, `${name}/${partition}`) };
}

/** Writes it to the log; processes elsewhere see it within a second. */
export async function writePause(
  log: Log,
  application: string,
  change: PauseChange,
): Promise<Paused> {
  // Open the writer first: it fences others, so the read below is current.
  const writer = await log.openWriter(`${application}-operate`);
  try {
    const before = pausedIn(await readCursors(log, application));
    const paused = pausedAfter(before, change);
    if (JSON.stringify(paused) === JSON.stringify(before)) return paused;
    const appends = [cursorAppend(application, new Map([[pauseCursor, paused]]))];
    await writer.commit({ appends, offsets: [], commitId: writer.lastCommitId + 1 });
    return paused;
  } finally {
    await writer.close();
  }
}

export function pausedIn(cursors: ReadonlyMap<string, unknown>): Paused {
  return { ...nothingPaused, ...(cursors.get(pauseCursor) as Partial<Paused> | undefined) };
}

/** The current pauses, as this process knows them. */
export class PauseWatch {
  readonly #log: Log;
  readonly #application: string;
  readonly #clock: Clock;
  readonly #observer: Observer;
  #paused = nothingPaused;
  #from = 0;
  #lookedAt: number;
  #looking: Promise<void> | undefined;

  constructor(log: Log, application: string, clock: Clock, observer: Observer) {
    this.#log = log;
    this.#application = application;
    this.#clock = clock;
    this.#observer = observer;
    this.#lookedAt = clock.monotonic();
  }

  get paused(): Paused {
    return this.#paused;
  }

  get isAny(): boolean {
    const { all, topics, partitions, sources } = this.#paused;
    return all || topics.length + partitions.length + sources.length > 0;
  }

  /**
   * True if the task must not be read: if one of its partitions is paused, the task waits as a
   * whole, so that its sources stay in order of time.
   */
  holds({ topics, partition }: Pick<PlannedTask, 'topics' | 'partition'>): boolean {
    if (!this.isAny) return false;
    const { all, topics: whole, partitions } = this.#paused;
    const isHeld = (topic: string) =>
      whole.includes(topic) || partitions.includes(keyOf({ topic, partition }));
    return all || topics.some(isHeld);
  }

  holdsSource(name: string): boolean {
    return this.#paused.all || this.#paused.sources.includes(name);
  }

  /**
   * Pauses or resumes, with immediate effect in this process.
   * @throws CONFIG_INVALID for an unknown part
   */
  async change(
    change: PauseChange,
    plan: Pick<Plan, 'tasks' | 'partitionsOf'>,
    sources: readonly string[],
  ): Promise<Paused> {
    checkPause(change, pausable(plan, sources));
    const paused = await writePause(this.#log, this.#application, change);
    await this.read();
    return paused;
  }

  /** Reads changes of other processes from time to time. */
  async look(): Promise<void> {
    if (this.#clock.monotonic() - this.#lookedAt < lookEveryMs) return;
    await this.read();
  }

  /** Reads changes. If the log is unavailable, tries again later. */
  async read(): Promise<void> {
    this.#looking ??= this.#read().finally(() => {
      this.#lookedAt = this.#clock.monotonic();
      this.#looking = undefined;
    });
    await this.#looking;
  }

  async #read(): Promise<void> {
    const at = { topic: cursorTopic(this.#application), partition: 0 };
    // Only the newest counts: a pause that was resumed meanwhile is not reported.
    let newest: Paused | undefined;
    try {
      const end = await this.#log.endOffset(at);
      let from = Math.max(this.#from, await this.#log.startOffset(at));
      while (from < end) {
        const batch = await this.#log.read(at, from, { records: 1_024 });
        if (batch === undefined) break;
        for (let i = 0; i < batch.count; i++) {
          if (batch.key(i)?.toString() === pauseCursor) newest = pausedAs(batch.value(i));
        }
        from = batch.nextOffset;
        this.#from = from;
      }
    } catch (error) {
      if (!(error instanceof MillraceError) || !isPassing(error)) throw error;
    }
    if (newest !== undefined) this.#take(newest);
  }

  #take(paused: Paused): void {
    if (JSON.stringify(paused) === JSON.stringify(this.#paused)) return;
    this.#paused = paused;
    this.#observer.on('pauseChanged', paused);
  }
}

function pausedAs(value: Buffer | null): Paused {
  const told = value === null ? {} : (JSON.parse(value.toString()) as Partial<Paused>);
  return { ...nothingPaused, ...told };
}
