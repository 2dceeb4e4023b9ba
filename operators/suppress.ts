/**
 * suppress: holds the changes of a table back. Until its window is closed (one final result a
 * window), or for a time (the newest change within it). Its time is that of the changes it receives.
 * What is released is ordered by time, then key, then window.
 */
import { MillraceError } from '../engine/base/errors.ts';
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext } from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import type { Windowed } from '../engine/serde/windowed.ts';
import { closesAt } from '../engine/time/closed.ts';
import type { WindowSpec } from '../engine/time/windows/spec.ts';
import { decodeColumns, encodeColumns } from './cell-codec.ts';
import { byKeyId, OperatorTime } from './closing.ts';

export type SuppressOptions =
  | { readonly untilClosed: true }
  | {
      /** ms of stream time that a change waits for newer ones. */
      readonly timeLimitMs: number;
      /** How many changes may wait in a task. */
      readonly maxRecords?: number;
      /** 'emit': the oldest goes on early; 'stop': the task stops with SUPPRESS_FULL. */
      readonly whenFull?: 'emit' | 'stop';
    };

/** A change that waits. */
interface Held {
  /** When it goes on. */
  due: number;
  start: number;
  end: number;
  timestamp: number;
  value: unknown;
  old: unknown;
}

/** `start` of the rows of a table without windows. */
const noWindow = -1;

function suppressStore(
  name: string,
  key: Serde<unknown>,
  value: Serde<unknown>,
  resident: boolean,
): StoreSpec<unknown, Held[]> {
  return {
    name,
    kind: 'suppress',
    key,
    format: `held(${value.format})`,
    resident,
    due: (cell) =>
      cell.reduce((least, held) => Math.min(least, held.due), Number.POSITIVE_INFINITY),
    encode: (cell) => {
      const column = (of: (held: Held) => number) => cell.map(of);
      const present = [
        ...cell.map((held) => held.value ?? null),
        ...cell.map((held) => held.old ?? null),
      ];
      const absent = present.map((v) => (v === null ? 1 : 0));
      const head = encodeColumns(
        [
          column((h) => h.due),
          column((h) => h.start),
          column((h) => h.end),
          column((h) => h.timestamp),
          absent.slice(0, cell.length),
          absent.slice(cell.length),
        ],
        cell,
        nothing,
      );
      const length = Buffer.allocUnsafe(4);
      length.writeUInt32LE(head.byteLength);
      const values = present.filter((v) => v !== null);
      return Buffer.concat([length, head, encodeColumns([], values, value)]);
    },
    decode: (bytes, start, end) => {
      const split = start + 4 + bytes.readUInt32LE(start);
      const { columns } = decodeColumns(bytes, start + 4, split, 6, nothing);
      const { values } = decodeColumns(bytes, split, end, 0, value);
      const [due = [], starts = [], ends = [], timestamps = [], noValue = [], noOld = []] = columns;
      let next = 0;
      const read = (absent: readonly number[]) =>
        absent.map((flag) => (flag === 1 ? null : values[next++]));
      const held = read(noValue);
      const olds = read(noOld);
      return due.map((at, i) => ({
        due: at,
        start: starts[i] as number,
        end: ends[i] as number,
        timestamp: timestamps[i] as number,
        value: held[i],
        old: olds[i] ?? undefined,
      }));
    },
    rows: (cell, k) =>
      cell.map((held) => ({
        key: k,
        value: held.value,
        timestamp: held.timestamp,
        ...(held.start === noWindow ? {} : { window: { start: held.start, end: held.end } }),
      })),
  };
}

const nothing: Serde<unknown> = {
  format: 'nothing',
  encode: () => new Uint8Array(0),
  decode: () => undefined,
};

export function suppressStep(
  name: string,
  options: SuppressOptions,
  window: WindowSpec | undefined,
  key: Serde<unknown>,
  value: Serde<unknown>,
): Step {
  if ('untilClosed' in options && window === undefined) {
    const problem = 'only the table of a window aggregate can be held until its windows close';
    throw new MillraceError('CONFIG_INVALID', { field: `${name}.untilClosed`, problem });
  }
  if ('untilClosed' in options && window?.type === 'count') {
    const problem =
      "a count window closes by its key's records: aggregate with emit 'close' instead";
    throw new MillraceError('CONFIG_INVALID', { field: `${name}.untilClosed`, problem });
  }
  const bounded = 'maxRecords' in options && options.maxRecords !== undefined;
  const store = suppressStore(name, key, value, bounded);
  return {
    kind: 'suppress',
    name,
    detail: { ...options },
    stores: [store as StoreSpec<never, never>],
    build: (context) => {
      const suppress = new Suppress(name, options, window, store, context);
      context.onIdle((idleClock) => suppress.pass(idleClock));
      return [suppress];
    },
  };
}

class Suppress implements AnyReceiver {
  readonly #name: string;
  readonly #options: SuppressOptions;
  readonly #window: WindowSpec | undefined;
  readonly #store: StoreSpec<unknown, Held[]>;
  readonly #context: BuildContext;
  readonly #cells: Cells<Held[]>;
  readonly #time: OperatorTime;
  readonly #next: AnyReceiver;

  constructor(
    name: string,
    options: SuppressOptions,
    window: WindowSpec | undefined,
    store: StoreSpec<unknown, Held[]>,
    context: BuildContext,
  ) {
    this.#name = name;
    this.#options = options;
    this.#window = window;
    this.#store = store;
    this.#context = context;
    this.#cells = context.cells<Held[]>(store);
    this.#time = new OperatorTime(this.#cells as unknown as Cells<never>);
    this.#next = context.output(0);
  }

  receive(key: unknown, value: unknown, timestamp: number, old?: unknown): void {
    const streamTime = this.#time.advance(timestamp);
    const untilClosed = 'untilClosed' in this.#options;
    const { start, end } =
      this.#window === undefined ? { start: noWindow, end: noWindow } : (key as Windowed<unknown>);
    // A withdrawn session never becomes final; what waits of it must not either.
    if (untilClosed && value === null) this.#withdraw(start);
    else {
      const due = this.#dueOf(end, timestamp);
      this.#hold({ due, start, end, timestamp, value, old });
    }
    this.#release(streamTime);
    this.#makeRoom();
  }

  /** Time has passed without changes. */
  pass(idleClock: number): void {
    this.#release(this.#time.advance(idleClock));
  }

  #dueOf(end: number, timestamp: number): number {
    if ('untilClosed' in this.#options) return closesAt(this.#window as WindowSpec, end);
    return timestamp + this.#options.timeLimitMs;
  }

  #hold(held: Held): void {
    const cell = this.#cells.get() ?? [];
    const same = cell.find((other) => other.start === held.start && other.end === held.end);
    if (same === undefined) {
      cell.push(held);
      this.#count(1);
    } else {
      // The first change says when it goes on, and what was there before it.
      same.value = held.value;
      same.timestamp = held.timestamp;
    }
    this.#cells.put(cell);
  }

  #withdraw(start: number): void {
    const cell = this.#cells.get();
    const i = cell?.findIndex((held) => held.start === start) ?? -1;
    if (cell === undefined || i < 0) return;
    cell.splice(i, 1);
    this.#count(-1);
    if (cell.length === 0) this.#cells.remove();
    else this.#cells.put(cell);
  }

  #release(until: number): void {
    const released: { keyId: string; held: Held }[] = [];
    for (const keyId of this.#cells.nextDue() <= until ? this.#cells.dueKeys(until) : []) {
      this.#context.task.enterId(keyId, () => {
        const cell = this.#cells.get() ?? [];
        for (const held of cell) if (held.due <= until) released.push({ keyId, held });
        const left = cell.filter((held) => held.due > until);
        if (left.length === 0) this.#cells.remove();
        else this.#cells.put(left);
      });
    }
    this.#count(-released.length);
    released.sort(
      (a, b) => a.held.due - b.held.due || byKeyId(a, b) || a.held.start - b.held.start,
    );
    for (const { keyId, held } of released) this.#forward(keyId, held);
  }

  #makeRoom(): void {
    const options = this.#options;
    if ('untilClosed' in options || options.maxRecords === undefined) return;
    while (this.#waiting > options.maxRecords) {
      if (options.whenFull === 'stop') {
        throw new MillraceError('SUPPRESS_FULL', { step: this.#name, records: options.maxRecords });
      }
      this.#evictOldest();
    }
  }

  #evictOldest(): void {
    const keyId = this.#cells.dueKeys(this.#cells.nextDue())[0] ?? '';
    let oldest: Held | undefined;
    this.#context.task.enterId(keyId, () => {
      const cell = [...(this.#cells.get() ?? [])].sort(
        (a, b) => a.due - b.due || a.start - b.start,
      );
      oldest = cell.shift();
      if (cell.length === 0) this.#cells.remove();
      else this.#cells.put(cell);
    });
    this.#count(-1);
    if (oldest !== undefined) this.#forward(keyId, oldest);
  }

  #forward(keyId: string, { start, end, value, timestamp, old }: Held): void {
    this.#context.task.enter(keyId, this.#store as StoreSpec<unknown, never>, (key) => {
      const full = start === noWindow ? key : { key, start, end };
      this.#next.receive(full, value, timestamp, old);
    });
  }

  get #waiting(): number {
    return this.#cells.number('waiting') ?? 0;
  }

  #count(change: number): void {
    if (change !== 0) this.#cells.setNumber('waiting', this.#waiting + change);
  }
}
