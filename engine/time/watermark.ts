/**
 * What a watermark is, decided here and nowhere else.
 *
 *   source time  of a source partition: the greatest timestamp taken from it
 *   stand        how far a source partition has come: its source time less its disorder, or the wall clock's promise
 *                while it is idle. Each record has the stand of its own source partition at the moment it was read;
 *                a record is late when that stand has closed its window. Nothing else makes a record late
 *   promise      of an input: every record that comes later has a stand of at least this much.
 *                A source partition promises its stand; a repartition partition promises the least of what its
 *                upstream tasks have told
 *                What falls due because time has passed stands at the last instant before: it is in time for whatever
 *                falls due at that same instant further down, such as a longer window with the same end
 *   watermark    of a task: the least of what its inputs have promised. It never goes back. Windows close, timers
 *                fire and joins give up waiting when the watermark has passed
 *
 * Results therefore depend on what each source partition holds, in its order, and on nothing else.
 */

/** An input that holds nobody back: it is silent, and not known to have passed any instant. */
export const aside = Number.POSITIVE_INFINITY;
/** Nothing is promised yet. */
export const unknown = Number.NEGATIVE_INFINITY;

/** The greatest instant a JavaScript date can express, ms UTC. */
export const lastInstant = 8.64e15;

/** True for a time that a record, a timer or a clock may have: whole ms UTC from 0 to 8.64e15. */
export function isInstant(time: unknown): time is number {
  return Number.isInteger(time) && (time as number) >= 0 && (time as number) <= lastInstant;
}

/** What to say of a time that is none. */
export function instantProblem(time: unknown): string {
  return `the time is ${String(time)}, not whole ms UTC from 0 to ${lastInstant}`;
}

/** The stand of what falls due at an instant, ms UTC. */
export function standOfDue(instant: number): number {
  return instant - 1;
}

/** Something that a task waits for. */
export interface TimeInput {
  readonly promise: number;
}

/** Time of one partition of a source topic. */
export class SourceTime implements TimeInput {
  /** The source time, ms UTC. */
  greatest = unknown;
  /** How far the partition has come: what a record that is read now stands at. */
  stand = unknown;
  #isAside = false;
  readonly #disorderMs: number;

  /** @param disorderMs how far records may be out of order, ms */
  constructor(disorderMs = 0) {
    this.#disorderMs = disorderMs;
  }

  /** Takes a record's timestamp in. */
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
   * The partition is silent and promises nothing, but need not be waited for until it speaks again.
   */
  stepAside(): void {
    this.#isAside = true;
  }

  get promise(): number {
    return this.#isAside ? aside : this.stand;
  }

  /** The wall clock has brought it further than its records have. */
  get isIdle(): boolean {
    return this.stand > this.greatest - this.#disorderMs;
  }

  /** As text without blanks, to be kept with the committed offset. */
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

/** A coordinator keeps so many bytes of metadata with an offset; some are left for the ledger. */
const textMost = 3_000;
/** From one unit to the next coarser one: a digit less for each promise. */
const unitStep = 36;

/** Promises above the least in units of so many ms; '+' is aside, '-' unknown. */
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

  /** @param tasks number of upstream tasks */
  constructor(tasks: number) {
    this.#told = new Float64Array(tasks).fill(unknown);
    this.#ended = new Uint8Array(tasks);
  }

  /**
   * Takes in what upstream task `i` told. A promise is not taken back, but by one who stood aside.
   */
  tell(i: number, promise: number): void {
    if (i >= this.#told.length) return;
    const before = this.#told[i] as number;
    if (promise > before || before === aside) this.#told[i] = promise;
    this.#ended[i] = 0;
    this.#recompute();
  }

  /**
   * Upstream task `i` has come to the end of bounded input, and has told all that follows from it.
   */
  tellEnd(i: number): void {
    if (i < this.#ended.length) this.#ended[i] = 1;
  }

  /** Every upstream task has come to the end of its input. */
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

  /** What each upstream task has told, ms UTC. */
  get promises(): number[] {
    return [...this.#told];
  }

  #recompute(): void {
    let least = aside;
    for (const told of this.#told) if (told < least) least = told;
    this.promise = least;
  }

  /**
   * As text without blanks. Where it would be too long, promises are rounded down: each of those
   * that can still move comes again, and whoever has stepped aside is kept as such.
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

/** Time of a task: the least of its inputs. */
export class Watermark {
  /** ms UTC; -Infinity at first. */
  now = unknown;
  readonly #inputs: readonly TimeInput[];

  constructor(inputs: readonly TimeInput[]) {
    this.#inputs = inputs;
  }

  /** Asks the inputs; true when the watermark moved. */
  advance(): boolean {
    let least = aside;
    for (const { promise } of this.#inputs) if (promise < least) least = promise;
    if (least === aside || least <= this.now) return false;
    this.now = least;
    return true;
  }

  /**
   * What the task promises to those downstream: its watermark, unless none of its inputs has
   * anything to say.
   */
  get promise(): number {
    return this.#inputs.length > 0 && this.#inputs.every(({ promise }) => promise === aside)
      ? aside
      : this.now;
  }
}

function numberText(value: number): string {
  return Number.isFinite(value) ? value.toString(36) : '';
}

function numberOf(text: string): number {
  return text === '' ? unknown : Number.parseInt(text, 36);
}
