/**
 * Orders the records behind a keyBy by time: each is buffered until the watermark has passed it,
 * and they are forwarded by (timestamp, source partition, offset), whatever order upstream tasks
 * wrote them in. So order-dependent aggregates have the same results with any number of partitions.
 * A record that was out of order in its own source is placed at its stand.
 */
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext, TimedStep } from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import type { Serde } from '../engine/serde/serde.ts';
import { decodeRecords, writeRecords } from './cell-codec.ts';
import { OperatorTime } from './kit/operator-time.ts';
import { releaseDue } from './kit/release.ts';

/** Waiting records of a key, in order of arrival, in columns. */
interface Waiting {
  readonly times: number[];
  readonly stands: number[];
  readonly partitions: number[];
  readonly offsets: number[];
  readonly values: unknown[];
  readonly headers: Uint8Array[];
}

const numbers = ['times', 'stands', 'partitions', 'offsets'] as const;
const columns = [...numbers, 'values', 'headers'] as const;

function emptyWaiting(): Waiting {
  return { times: [], stands: [], partitions: [], offsets: [], values: [], headers: [] };
}

/** When record `i` is forwarded, ms UTC. */
function turnOf({ times, stands }: Waiting, i: number): number {
  return Math.max(times[i] as number, stands[i] as number);
}

function orderStore(
  name: string,
  key: Serde<unknown>,
  value: Serde<unknown>,
): StoreSpec<unknown, Waiting> {
  return {
    name,
    kind: 'order-by-time',
    key,
    format: `ordered(${value.format})`,
    due: (cell) => {
      let due = Number.POSITIVE_INFINITY;
      for (let i = 0; i < cell.times.length; i++) due = Math.min(due, turnOf(cell, i));
      return due;
    },
    write: (cell, to) =>
      writeRecords(
        to,
        numbers.map((column) => cell[column]),
        cell.values,
        cell.headers,
        value,
      ),
    decode: (bytes, start, end) => {
      const found = decodeRecords(bytes, start, end, numbers.length, value);
      const [times = [], stands = [], partitions = [], offsets = []] = found.columns;
      const { values, headers } = found;
      return { times, stands, partitions, offsets, values, headers };
    },
    rows: ({ times, values }, k) =>
      times.map((timestamp, i) => ({ key: k, value: values[i], timestamp })),
  };
}

export function orderByTimeStep<K, V>(name: string, key: Serde<K>, value: Serde<V>): Step {
  const store = orderStore(name, key as Serde<unknown>, value as Serde<unknown>);
  return {
    kind: 'order-by-time',
    name,
    ordersByTime: true,
    stores: [store],
    build: (context) => {
      const order = new OrderByTime(store, context);
      context.onTime(order);
      return [order];
    },
  };
}

interface Released {
  readonly turn: number;
  readonly time: number;
  readonly stand: number;
  readonly partition: number;
  readonly offset: number;
  readonly value: unknown;
  readonly headers: Uint8Array;
}

class OrderByTime implements AnyReceiver, TimedStep {
  readonly holdsRecords = true;
  readonly #store: StoreSpec<unknown, Waiting>;
  readonly #context: BuildContext;
  readonly #cells: Cells<Waiting>;
  readonly #time: OperatorTime;
  readonly #next: AnyReceiver;

  constructor(store: StoreSpec<unknown, Waiting>, context: BuildContext) {
    this.#store = store;
    this.#context = context;
    this.#cells = context.cells<Waiting>(store);
    this.#time = new OperatorTime(this.#cells, context.task);
    this.#next = context.output(0);
  }

  receive(key: unknown, value: unknown, timestamp: number): void {
    const { task } = this.#context;
    const stand = Math.max(task.stand, timestamp);
    // In a part that follows its records, nothing would ever release it.
    if (!this.#time.bySource || stand < this.#time.now) {
      this.#next.receive(key, value, timestamp);
      return;
    }
    const cell = this.#cells.get() ?? emptyWaiting();
    const { partition, offset } = task.place ?? { partition: task.partition, offset: -1 };
    cell.times.push(timestamp);
    cell.stands.push(task.stand);
    cell.partitions.push(partition);
    cell.offsets.push(offset);
    cell.values.push(value);
    cell.headers.push(task.headerBytes());
    this.#cells.put(cell);
  }

  /** A record is forwarded when all records of its instant have arrived. */
  nextDue(): number {
    return this.#cells.nextDue() + 1;
  }

  pass(until: number): void {
    this.#release(this.#time.pass(until) - 1);
  }

  passIdle(until: number): void {
    this.#release(this.#time.pass(until));
  }

  end(): void {
    this.#release(Number.MAX_VALUE, false);
  }

  endUntil(until: number): void {
    this.#release(until - 1, false);
  }

  /** @param passes true if time has passed this far */
  #release(until: number, passes = true): void {
    if (this.#cells.nextDue() > until) return;
    if (passes) this.#time.keep();
    releaseDue(this.#context.task, this.#store, this.#cells, until, {
      take: (at) => this.#take(at),
      compare: inOrder,
      // No earlier promise has passed it.
      standOf: (one) => Math.max(one.stand, one.time),
      placeOf: (one) => one,
      headersOf: (one) => one.headers,
      forward: (key, one) => this.#next.receive(key, one.value, one.time),
    });
  }

  #take(until: number): readonly Released[] {
    const cell = this.#cells.get();
    if (cell === undefined) return [];
    const released: Released[] = [];
    const left = emptyWaiting();
    for (let i = 0; i < cell.times.length; i++) {
      const turn = turnOf(cell, i);
      if (turn > until) {
        for (const column of columns) (left[column] as unknown[]).push(cell[column][i]);
        continue;
      }
      released.push({
        turn,
        time: cell.times[i] as number,
        stand: cell.stands[i] as number,
        partition: cell.partitions[i] as number,
        offset: cell.offsets[i] as number,
        value: cell.values[i],
        headers: cell.headers[i] as Uint8Array,
      });
    }
    if (left.times.length === 0) this.#cells.remove();
    else this.#cells.put(left);
    return released;
  }
}

/**
 * Results of one source record stay in order: sorting is stable, and a key's records are in order
 * of arrival.
 */
function inOrder(a: Released, b: Released): number {
  return a.turn - b.turn || a.time - b.time || a.partition - b.partition || a.offset - b.offset;
}
