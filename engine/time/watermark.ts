/**
 * The definition of the watermark and its terms.
 *
 *    source time  of a source partition: the greatest timestamp read from it
 *    stand        of a source partition: its source time minus its disorder, or the promise of the wall clock while it
 *                 is idle. Each record gets the stand of its own source partition when it is read. A record is late if
 *                 that stand has passed the close of its window; nothing else makes a record late
 *    promise      of an input: no later record has a smaller stand. A source partition promises its stand; a repartition
 *                 partition promises the minimum of the promises of its upstream tasks.
 *                 A result that falls due because time has passed stands at the last instant before: so it is on time
 *                 for anything downstream that falls due at the same instant, such as a longer window with the same end
 *    watermark    of a task: the minimum promise of its inputs. It never goes back. Windows close, timers fire and joins
 *                 emit unmatched records when the watermark has passed their instant. If steps of a task wait for
 *                 different inputs (graph/time-levels.ts), each has the watermark of its own inputs
 *
 * Results therefore depend only on the records of each source partition and their order.
 */

/**
 * Promise of an input that time does not wait for: it is silent, and not known to have passed any
 * instant.
 */
export const aside = Number.POSITIVE_INFINITY;
/** Value of a promise before the first one. */
export const unknown = Number.NEGATIVE_INFINITY;

/** The greatest instant a JavaScript date can express, ms UTC. */
export const lastInstant = 8.64e15;

/** True for a time that a record, a timer or a clock may have: whole ms UTC from 0 to 8.64e15. */
export function isInstant(time: unknown): time is number {
  return Number.isInteger(time) && (time as number) >= 0 && (time as number) <= lastInstant;
}

/** The error text for an invalid time. */
export function instantProblem(time: unknown): string {
  return `the time is ${String(time)}, not whole ms UTC from 0 to ${lastInstant}`;
}

/** The stand of a result that falls due at an instant, ms UTC. */
export function standOfDue(instant: number): number {
  return instant - 1;
}

/** An input of a task's time. */
export interface TimeInput {
  readonly promise: number;
}

/** Time of one partition of a source topic. */
export class SourceTime implements TimeInput {
  /** The source time, ms UTC. */
  greatest = unknown;
  /** The current stand of the partition, which a record that is read now gets, ms UTC. */
  stand = unknown;
  #isAside = false;
  readonly #disorderMs: number;

  /** @param disorderMs how far records may be out of order, ms */
  constructor(disorderMs = 0) {
    this.#disorderMs = disorderMs;
  }

  /** Advances the time by a record's timestamp. */
  take(timestamp: number): void {
    this.#isAside = false;
    if (timestamp <= this.greatest) return;
    this.greatest = timestamp;
    if (timestamp - this.#disorderMs > this.stand) this.stand = timestamp - this.#disorderMs;
  }

  /** The partition is idle: time is known to have passed up to `until`, ms UTC. */
  passIdle(until: number): void {
    this.#isAside = false;
    if (until > this.stand) this.stand = until;
  }

  /**
   * The partition is silent and promises nothing; time does not wait for it until its next record.
   */
  stepAside(): void {
    this.#isAside = true;
  }

  get promise(): number {
    return this.#isAside ? aside : this.stand;
  }

  /** True if the wall clock has advanced it beyond its records. */
  get isIdle(): boolean {
    return this.stand > this.greatest - this.#disorderMs;
  }

  /** The state as text without spaces, stored with the committed offset. */
  get text(): string {
    return `s${numberText(this.greatest)}${this.stand === this.greatest - this.#disorderMs ? '' : `,${numberText(this.stand)}`}`;
  }

  restore(text: string): void {
    if (!text.startsWith('s')) return;
    const [greatest, stand] = text.slice(1).split(',').map(numberOf);
    this.greatest = greatest ?? unknown;
    this.stand = stand ?? this.greatest - this.#disorderMs;
  }
}

/**
 * Limit of the text, bytes: a coordinator limits the metadata of an offset, and the ledger needs
 * some of it.
 */
const textMost = 3_000;
/** Factor between units: each coarser unit saves a digit per promise. */
const unitStep = 36;

/** Promises relative to the least one, in units of `unit` ms; '+' is aside, '-' unknown. */
function textOf(told: readonly number[], least: number, unit: number): string {
  const parts = told.map((one) => {
    if (one === aside) return '+';
    if (one === unknown) return '-';
    const above = Math.floor((one - least) / unit);
    return above === 0 ? '' : above.toString(36);
  });
  return `u${least.toString(36)}${unit === 1 ? '' : `*${unit.toString(36)}`},${parts.join(',')}`;
}

/** Time of one partition of a repartition topic, by the upstream tasks that write it. */
export class UpstreamTime implements TimeInput {
  readonly #told: Float64Array;
  readonly #ended: Uint8Array;
  promise = unknown;
  /** True if a task among them is aside. */
  hasAside = false;

  /** @param tasks number of upstream tasks */
  constructor(tasks: number) {
    this.#told = new Float64Array(tasks).fill(unknown);
    this.#ended = new Uint8Array(tasks);
  }

  /**
   * Receives the promise of upstream task `i`. A promise is never reduced, except by a task that
   * was aside.
   */
  tell(i: number, promise: number): void {
    if (i >= this.#told.length) return;
    const before = this.#told[i] as number;
    if (promise > before || before === aside) this.#told[i] = promise;
    this.#ended[i] = 0;
    this.#recompute();
  }

  /** True if upstream task `i` is aside. */
  isAside(i: number): boolean {
    return this.#told[i] === aside;
  }

  /**
   * Upstream task `i` was aside and will send a promise: until then its promise is `at`, ms UTC.
   */
  await(i: number, at: number): void {
    this.#told[i] = at;
    this.#recompute();
  }

  /** The same for every upstream task that is aside. */
  awaitAside(at: number): void {
    for (let i = 0; i < this.#told.length; i++) if (this.#told[i] === aside) this.#told[i] = at;
    this.#recompute();
  }

  /** Upstream task `i` has reached the end of bounded input and has sent all its results. */
  tellEnd(i: number): void {
    if (i < this.#ended.length) this.#ended[i] = 1;
  }

  /** True if every upstream task has reached the end of its input. */
  get ended(): boolean {
    return this.#ended.every((ended) => ended === 1);
  }

  clearEnded(): void {
    this.#ended.fill(0);
  }

  /** Time has passed up to `until` for all of them, ms UTC. */
  passAll(until: number): void {
    for (let i = 0; i < this.#told.length; i++) {
      if ((this.#told[i] as number) < until) this.#told[i] = until;
    }
    this.#recompute();
  }

  /** The promise of each upstream task, ms UTC. */
  get promises(): number[] {
    return [...this.#told];
  }

  #recompute(): void {
    let least = aside;
    let hasAside = false;
    for (const told of this.#told) {
      if (told < least) least = told;
      if (told === aside) hasAside = true;
    }
    this.promise = least;
    this.hasAside = hasAside;
  }

  /**
   * The state as text without spaces. If it would be too long, promises are rounded down: promises
   * that can still change are sent again, and tasks that are aside stay so.
   */
  get text(): string {
    const told = [...this.#told];
    const finite = told.filter(Number.isFinite);
    if (finite.length === 0 && told.every((one) => one === unknown)) return '';
    const least = finite.length === 0 ? 0 : Math.min(...finite);
    for (let unit = 1; unit <= lastInstant; unit *= unitStep) {
      const text = textOf(told, least, unit);
      if (text.length <= textMost) return text;
    }
    return this.promise === aside || this.promise === unknown ? '' : `u${least.toString(36)}`;
  }

  restore(text: string): void {
    if (!text.startsWith('u')) return;
    const [first = '', ...parts] = text.slice(1).split(',');
    const [least = Number.NaN, unit = 1] = first.split('*').map((one) => Number.parseInt(one, 36));
    if (Number.isNaN(least)) return;
    for (let i = 0; i < this.#told.length; i++) {
      const part = parts[i] ?? (parts.length === 0 ? '' : '-');
      if (part === '+') this.#told[i] = aside;
      else if (part !== '-')
        this.#told[i] = least + (part === '' ? 0 : unit * Number.parseInt(part, 36));
    }
    this.#recompute();
  }
}

/** The watermark of steps of a task: the minimum of their inputs, minus a delay. */
export class Watermark {
  /** ms UTC; -Infinity at first. */
  now = unknown;
  readonly #inputs: readonly TimeInput[];
  readonly #delayMs: number;

  constructor(inputs: readonly TimeInput[], delayMs = 0) {
    this.#inputs = inputs;
    this.#delayMs = delayMs;
  }

  /** Updates the watermark from the inputs; returns true if it moved. */
  advance(): boolean {
    let least = aside;
    for (const { promise } of this.#inputs) if (promise < least) least = promise;
    if (least === aside || least - this.#delayMs <= this.now) return false;
    this.now = least - this.#delayMs;
    return true;
  }

  /** The task's promise to downstream tasks: its watermark, unless all its inputs are aside. */
  get promise(): number {
    return this.isAside ? aside : this.now;
  }

  /** True if all its inputs are aside. */
  get isAside(): boolean {
    for (const { promise } of this.#inputs) if (promise !== aside) return false;
    return this.#inputs.length > 0;
  }
}

function numberText(value: number): string {
  return Number.isFinite(value) ? value.toString(36) : '';
}

function numberOf(text: string): number {
  return text === '' ? unknown : Number.parseInt(text, 36);
}
