/** The source connectors of a runtime: opened at their cursors, read a chunk a cycle, done once. */
import { type Observer, silentObserver } from '../base/events.ts';
import { deadLetterTopic } from '../graph/topic-names.ts';
import type { RecordLimits } from '../log/log.ts';
import type { SourceChunk, SourceConnector } from './connector.ts';
import type { PauseWatch } from './pause.ts';
import type { RuntimeOptions } from './runtime-options.ts';
import { addChunk, type SourceProgress } from './summary.ts';

export interface Taken {
  readonly source: SourceConnector;
  readonly chunk: SourceChunk;
}

export class Intake {
  readonly progress: readonly SourceProgress[];
  readonly #application: string;
  readonly #sources: readonly SourceConnector[];
  readonly #done = new Set<SourceConnector>();
  readonly #waiting = new Set<SourceConnector>();
  readonly #idle = new Set<SourceConnector>();
  readonly #observer: Observer;

  readonly #limits: RecordLimits | undefined;

  constructor(
    { application, sources = [], log }: Pick<RuntimeOptions, 'application' | 'sources' | 'log'>,
    observer: Observer = silentObserver,
  ) {
    this.#application = application;
    this.#observer = observer;
    this.#sources = sources;
    this.#limits = log.limits;
    this.progress = sources.map(({ name }) => newProgress(name));
  }

  /** Opens every unfinished source at its cursor, even if it is already open. */
  async open(
    cursors: ReadonlyMap<string, unknown>,
    partitionsOf: Readonly<Record<string, number>>,
  ): Promise<void> {
    for (const source of this.#sources) {
      if (this.#done.has(source)) continue;
      await source.open({
        cursor: cursors.get(cursorName(source)),
        partitionsOf,
        deadLetterTopic: deadLetterTopic(this.#application),
        observer: this.#observer,
        ...(this.#limits === undefined ? {} : { limits: this.#limits }),
      });
    }
  }

  /** True if a source returned nothing the last time and may have more. */
  get expectsMore(): boolean {
    return this.#waiting.size > 0;
  }

  /**
   * True if records of a source may be on their way; only finished and idle sources rule that out.
   */
  get isUnderWay(): boolean {
    return this.#sources.some((source) => !this.#done.has(source) && !this.#idle.has(source));
  }

  /** @param pause paused sources, which are not read */
  async take(limit: number, pause: Pick<PauseWatch, 'holdsSource'>): Promise<Taken[]> {
    const taken: Taken[] = [];
    for (const source of this.#sources) {
      if (this.#done.has(source) || pause.holdsSource(source.name)) continue;
      const chunk = await source.next(limit);
      if (chunk.records === 0 && !chunk.done) this.#waiting.add(source);
      else this.#waiting.delete(source);
      if (chunk.idle === true) this.#idle.add(source);
      else this.#idle.delete(source);
      taken.push({ source, chunk });
    }
    return taken;
  }

  /** Call when the chunks are committed. */
  committed(taken: readonly Taken[]): void {
    for (const { source, chunk } of taken) {
      if (chunk.done) this.#done.add(source);
      const progress = this.progress.find(({ name }) => name === source.name);
      if (progress !== undefined) addChunk(progress, chunk);
    }
  }

  async close(): Promise<void> {
    for (const source of this.#sources) await source.close();
  }
}

/** True if there is something to commit. */
export function bringsNews({ records, moved }: SourceChunk): boolean {
  return records > 0 || moved === true;
}

/** The name of a source's cursor in the cursor topic. */
export function cursorName(source: SourceConnector): string {
  return `source:${source.name}`;
}

/**
 * Id of a source's writer on a shared log; the process that started last with the source owns it.
 */
export function cursorWriter(application: string, source: SourceConnector): string {
  return `${application}-source-${source.name}`;
}

function newProgress(name: string): SourceProgress {
  const eventTime = Number.NEGATIVE_INFINITY;
  return { name, records: 0, bytes: 0, deadLettered: 0, skipped: {}, done: false, eventTime };
}
