/**
 * suppress: buffers table changes until (a) the window closes (one final result per window, and
 * early ones on a trigger), (b) a time limit, (c) the next tick of the wall clock, or (d) the
 * commit (until-commit.ts). Its stream time is that of its input. Released changes are ordered by
 * time, then key, then window.
 */

import { fatalError } from '../engine/base/assert.ts';
import { emptyBytes } from '../engine/base/bytes.ts';
import { MillraceError } from '../engine/base/errors.ts';
import { refusePromise } from '../engine/base/promises.ts';
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext, TimedStep } from '../engine/graph/processor.ts';
import type { Cells } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import type { Windowed } from '../engine/serde/windowed.ts';
import { closesAt } from '../engine/time/closed.ts';
import { standOfDue } from '../engine/time/watermark.ts';
import type { WindowSpec } from '../engine/time/windows/window-spec.ts';
import { changed, kept, removed } from './entry-list.ts';
import { OperatorTime } from './kit/operator-time.ts';
import { releaseDue } from './kit/release.ts';
import { type SuppressOptions, type SuppressSettings, settingsOf } from './suppress-options.ts';
import {
  findHeld,
  type Held,
  type HeldCell,
  heldAt,
  noteHeld,
  noWindow,
  type SuppressStore,
  suppressStore,
} from './suppress-store.ts';
import { untilCommitStep } from './until-commit.ts';

export function suppressStep(
  name: string,
  options: SuppressOptions,
  window: WindowSpec | undefined,
  key: Serde<unknown>,
  value: Serde<unknown>,
): Step {
  if ('untilCommit' in options) return untilCommitStep(name, options, window !== undefined);
  const settings = settingsOf(name, options, window);
  const { mode, ms, maxRecords, maxBytes, whenFull } = settings;
  const bounded = Math.min(maxRecords, maxBytes) < Number.POSITIVE_INFINITY;
  const held = suppressStore({
    name,
    key,
    value,
    // The oldest change may belong to any key, so all must be in memory.
    resident: bounded && whenFull === 'emit',
    clock: mode === 'wall' ? 'tick' : 'stream',
  });
  return {
    kind: 'suppress',
    name,
    detail: { ...options },
    stores: [held.store],
    ...(mode === 'wall' ? { wallClockMs: ms } : {}),
    build: (context) => {
      const suppress = new Suppress({ name, settings, window, held, value, context });
      if (mode === 'wall') context.onWallClock(() => suppress.tick());
      else context.onTime(suppress);
      return [suppress];
    },
  };
}

interface SuppressParts {
  readonly name: string;
  readonly settings: SuppressSettings;
  readonly window: WindowSpec | undefined;
  readonly held: SuppressStore;
  readonly value: Serde<unknown>;
  readonly context: BuildContext;
}

/** Sessions withdrawn by the current record, for the session that they grow into. */
interface Carried {
  readonly keyText: string;
  readonly offset: number;
  readonly records: number;
  readonly early: number;
}

/** A tick of the wall clock releases everything, whatever its time. */
const allTimes = Number.POSITIVE_INFINITY;

class Suppress implements AnyReceiver, TimedStep {
  readonly #parts: SuppressParts;
  readonly #cells: Cells<HeldCell>;
  readonly #time: OperatorTime;
  readonly #next: AnyReceiver;
  #carried: Carried | undefined;

  constructor(parts: SuppressParts) {
    this.#parts = parts;
    this.#cells = parts.context.cells<HeldCell>(parts.held.store);
    this.#time = new OperatorTime(this.#cells, parts.context.task);
    this.#next = parts.context.output(0);
  }

  receive(key: unknown, value: unknown, timestamp: number, old?: unknown): void {
    const { window, settings } = this.#parts;
    const streamTime = this.#time.advance(timestamp);
    const { start, end } =
      window === undefined ? { start: noWindow, end: noWindow } : (key as Windowed<unknown>);
    // A withdrawn session never becomes final, so its buffered change must not either.
    const withdrawn = settings.mode === 'closed' && (value === null || value === undefined);
    if (withdrawn) this.#withdraw(key, start, end, timestamp);
    const held = withdrawn ? undefined : this.#hold({ start, end, timestamp, value, old });
    const { bySource } = this.#time;
    const told = held !== undefined && this.#isTold(held, streamTime);
    // Results of windows that end earlier are emitted first.
    if (!bySource) this.#release(streamTime);
    if (told) this.#tell(key, held);
    this.#makeRoom();
  }

  nextDue(): number {
    return this.#cells.nextDue();
  }

  pass(until: number): void {
    this.#release(this.#time.pass(until));
  }

  end(): void {
    this.#release(Number.MAX_VALUE);
  }

  /** The wall clock has reached the next multiple of the interval. */
  tick(): void {
    this.#release(allTimes);
  }

  #dueOf(end: number, timestamp: number): number {
    const { settings, window } = this.#parts;
    if (settings.mode === 'closed') return closesAt(window as WindowSpec, end);
    return settings.mode === 'limit' ? timestamp + settings.ms : timestamp;
  }

  #hold(change: Pick<Held, 'start' | 'end' | 'timestamp' | 'value' | 'old'>): Held {
    const { start, end, timestamp, value } = change;
    const cell = this.#cells.get() ?? { list: this.#parts.held.newList() };
    const same = findHeld(cell.list, start, end);
    const bytes = this.#bytesOf(value);
    const held = same ?? {
      ...change,
      due: this.#dueOf(end, timestamp),
      headers: emptyBytes,
      records: 0,
      early: Number.POSITIVE_INFINITY,
      bytes: 0,
    };
    if (same === undefined) this.#count('waiting', 1);
    // The first change determines the due time and the old value.
    held.value = value;
    held.timestamp = timestamp;
    held.headers = this.#parts.context.task.headerBytes();
    held.records++;
    this.#count('bytes', bytes - held.bytes);
    held.bytes = bytes;
    this.#takeCarried(held);
    if (same === undefined) cell.list.insert(start, held);
    else noteHeld(cell.list, held);
    this.#cells.put(cell);
    return held;
  }

  #putChange(held: Held): void {
    const cell = this.#cells.get() as HeldCell;
    noteHeld(cell.list, held);
    this.#cells.put(cell);
  }

  /**
   * True if an early result is due by its number of changes or the predicate (results due by time
   * are released anyway); otherwise notes when the next one is due by time.
   */
  #isTold(held: Held, streamTime: number): boolean {
    const { early } = this.#parts.settings;
    const passed = this.#time.bySource ? this.#time.now : streamTime;
    if (early === undefined || Math.min(held.due, held.early) <= passed) return false;
    const { everyRecords, everyMs, when } = early;
    if (everyRecords !== undefined && held.records % everyRecords === 0) return true;
    const isWanted = when?.(held.value, held.old);
    if (typeof isWanted === 'object') refusePromise(isWanted, 'the function of early results');
    if (isWanted === true) return true;
    if (everyMs !== undefined && held.early === Number.POSITIVE_INFINITY) {
      held.early = streamTime + everyMs;
      this.#putChange(held);
    }
    return false;
  }

  /** Emits an early result; the change stays buffered for the final one. */
  #tell(key: unknown, held: Held): void {
    const { value, timestamp, old } = held;
    held.old = value;
    held.early = Number.POSITIVE_INFINITY;
    this.#putChange(held);
    this.#next.receive(key, value, timestamp, old);
  }

  #withdraw(key: unknown, start: number, end: number, timestamp: number): void {
    const cell = this.#cells.get();
    const held = cell && findHeld(cell.list, start, end);
    if (cell === undefined || held === undefined) return;
    cell.list.scan(start, start, (entries, i) => (heldAt(entries, i) === held ? removed : kept));
    this.#count('waiting', -1);
    this.#count('bytes', -held.bytes);
    if (cell.list.size === 0) this.#cells.remove();
    else this.#cells.put(cell);
    if (this.#parts.settings.early !== undefined) this.#carry(held);
    // Withdraw the early result.
    if (held.old !== undefined) this.#next.receive(key, null, timestamp, held.old);
  }

  #carry({ records, early }: Held): void {
    const { keyText, origin } = this.#parts.context.task;
    const before = this.#carriedHere();
    this.#carried = {
      keyText,
      offset: origin.offset,
      records: records + (before?.records ?? 0),
      early: Math.min(early, before?.early ?? Number.POSITIVE_INFINITY),
    };
  }

  #takeCarried(held: Held): void {
    const carried = this.#carried === undefined ? undefined : this.#carriedHere();
    this.#carried = undefined;
    if (carried === undefined) return;
    held.records += carried.records;
    held.early = Math.min(held.early, carried.early);
  }

  #carriedHere(): Carried | undefined {
    const { keyText, origin } = this.#parts.context.task;
    const carried = this.#carried;
    return carried?.keyText === keyText && carried.offset === origin.offset ? carried : undefined;
  }

  #release(until: number): void {
    if (this.#parts.settings.mode === 'wall' && until !== allTimes) return;
    if (this.#cells.nextDue() > until) return;
    if (until < Number.MAX_VALUE) this.#time.keep();
    const { context, held } = this.#parts;
    const isTimed = this.#time.bySource && this.#parts.settings.mode !== 'wall';
    const timeOf = ({ due, early }: Held) => Math.min(due, early);
    releaseDue(context.task, held.store, this.#cells, until, {
      take: () => this.#take(until),
      compare: (a, b) => timeOf(a) - timeOf(b),
      standOf: isTimed ? (one) => standOfDue(timeOf(one)) : undefined,
      headersOf: ({ headers }) => headers,
      forward: (key, one) => this.#forward(key, one),
    });
  }

  /** Takes the due changes of the current key; early ones stay buffered. */
  #take(until: number): readonly Held[] {
    const cell = this.#cells.get();
    if (cell === undefined) return [];
    const taken: Held[] = [];
    cell.list.scanWaking(until, (entries, i) => {
      const held = heldAt(entries, i);
      const final = held.due <= until;
      const early = held.early <= until;
      if (final || early) taken.push({ ...held });
      if (final) {
        this.#count('waiting', -1);
        this.#count('bytes', -held.bytes);
        return removed;
      }
      if (!early) return kept;
      held.old = held.value;
      held.early = Number.POSITIVE_INFINITY;
      return changed;
    });
    if (cell.list.size === 0) this.#cells.remove();
    else this.#cells.put(cell);
    return taken;
  }

  #makeRoom(): void {
    const { name, settings } = this.#parts;
    const { maxRecords, maxBytes, whenFull } = settings;
    for (;;) {
      const many = this.#number('waiting') > maxRecords;
      if (!many && this.#number('bytes') <= maxBytes) return;
      if (whenFull === 'stop') {
        const held = many ? `${maxRecords} records` : `${maxBytes} bytes`;
        throw fatalError(new MillraceError('SUPPRESS_FULL', { step: name, held }));
      }
      this.#evictOldest();
    }
  }

  #evictOldest(): void {
    const keyText = this.#cells.dueKeys(this.#cells.nextDue())[0] ?? '';
    const { task } = this.#parts.context;
    let oldest: Held | undefined;
    task.enterUndecoded(keyText, () => {
      const cell = this.#cells.get();
      if (cell === undefined) return;
      const { list } = cell;
      const { wake } = list;
      list.scanWaking(wake, (entries, i) => {
        const held = heldAt(entries, i);
        if (oldest !== undefined || held.due !== wake) return kept;
        oldest = held;
        return removed;
      });
      if (list.size === 0) this.#cells.remove();
      else this.#cells.put(cell);
    });
    if (oldest === undefined) return;
    const evicted: Held = oldest;
    this.#count('waiting', -1);
    this.#count('bytes', -evicted.bytes);
    task.enter(keyText, this.#parts.held.store, (key) => {
      task.withHeaders(evicted.headers, () => this.#forward(key, evicted));
    });
  }

  #forward(key: unknown, { start, end, value, timestamp, old }: Held): void {
    const full = start === noWindow ? key : { key, start, end };
    this.#next.receive(full, value, timestamp, old);
  }

  /** Encoded size; computed only if bytes are limited. */
  #bytesOf(value: unknown): number {
    const { settings, value: serde, context } = this.#parts;
    if (settings.maxBytes === Number.POSITIVE_INFINITY) return 0;
    const none = value === null || value === undefined;
    return context.task.keyText.length + (none ? 0 : serde.encode(value).byteLength);
  }

  #number(name: 'waiting' | 'bytes'): number {
    return this.#cells.number(name) ?? 0;
  }

  #count(name: 'waiting' | 'bytes', change: number): void {
    if (change !== 0) this.#cells.setNumber(name, this.#number(name) + change);
  }
}
