/**
 * dedupe: lets the first record of an id through and drops its repetitions, for as long as stream time
 * has not passed the first one by more than `withinMs`. What is older than that is late: nobody can
 * say any more whether it was there.
 */
import { synchronous } from '../engine/base/promises.ts';
import { aFunction, checkSetting, ms } from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext, TimedStep } from '../engine/graph/processor.ts';
import type { Cells, StoreSpec } from '../engine/graph/store-spec.ts';
import { msgpack } from '../engine/serde/msgpack.ts';
import { encodeTo, type Serde } from '../engine/serde/serde.ts';
import { OperatorTime } from './closing.ts';

/** Ids of a key that have been seen, by the time of their first record, ascending. */
type Seen = (readonly [time: number, id: string])[];

export function dedupeStep<K, V>(
  name: string,
  idOf: (value: V, key: K) => string,
  withinMs: number,
  key: Serde<K>,
): Step {
  checkSetting(`${name}.idOf`, idOf, aFunction);
  checkSetting(`${name}.withinMs`, withinMs, ms(0));
  const list = msgpack<Seen>();
  const store: StoreSpec<K, Seen> = {
    name,
    kind: 'seen',
    key,
    format: 'seen',
    due: (seen) => (seen[0]?.[0] ?? Number.POSITIVE_INFINITY) + withinMs + 1,
    write: (seen, to) => encodeTo(list, seen, to),
    decode: (bytes, start, end) => list.decode(bytes, start, end),
    rows: (seen, k) => seen.map(([timestamp, id]) => ({ key: k, value: id, timestamp })),
  };
  return {
    kind: 'dedupe',
    name,
    detail: { withinMs },
    stores: [store as StoreSpec<never, never>],
    build: (context) => {
      const dedupe = new Dedupe(name, idOf as never, withinMs, store as never, context);
      context.onTime(dedupe);
      return [dedupe];
    },
  };
}

class Dedupe implements AnyReceiver, TimedStep {
  readonly #name: string;
  readonly #idOf: (value: unknown, key: unknown) => string;
  readonly #withinMs: number;
  readonly #context: BuildContext;
  readonly #cells: Cells<Seen>;
  readonly #time: OperatorTime;
  readonly #next: AnyReceiver;

  constructor(
    name: string,
    idOf: (value: unknown, key: unknown) => string,
    withinMs: number,
    store: StoreSpec<unknown, Seen>,
    context: BuildContext,
  ) {
    this.#name = name;
    this.#idOf = synchronous(idOf, "dedupe's function");
    this.#withinMs = withinMs;
    this.#context = context;
    this.#cells = context.cells<Seen>(store);
    this.#time = new OperatorTime(this.#cells as unknown as Cells<never>, context.task);
    this.#next = context.output(0);
  }

  receive(key: unknown, value: unknown, timestamp: number): void {
    const { task } = this.#context;
    if (key === null) {
      task.drop(this.#name, 'null_key');
      return;
    }
    const streamTime = this.#time.advance(timestamp);
    if (!this.#time.bySource) this.#forget(streamTime);
    if (timestamp + this.#withinMs < streamTime) {
      task.drop(this.#name, 'late');
      return;
    }
    const id = this.#idOf(value, key);
    const seen = this.#cells.get() ?? [];
    const isOpen = (time: number) => time + this.#withinMs >= streamTime;
    if (seen.some(([time, known]) => known === id && isOpen(time))) {
      task.drop(this.#name, 'duplicate');
      return;
    }
    const at = seen.findIndex(([time]) => time > timestamp);
    seen.splice(at < 0 ? seen.length : at, 0, [timestamp, id]);
    this.#cells.put(seen);
    this.#next.receive(key, value, timestamp);
  }

  nextDue(): number {
    return this.#cells.nextDue();
  }

  pass(until: number): void {
    this.#forget(this.#time.pass(until));
  }

  /** The next input may repeat an id of this one. */
  end(): void {}

  #forget(streamTime: number): void {
    if (this.#cells.nextDue() > streamTime) return;
    this.#time.keep();
    for (const keyId of this.#cells.dueKeys(streamTime)) {
      this.#context.task.enterId(keyId, () => {
        const seen = this.#cells.get() ?? [];
        const left = seen.filter(([time]) => time + this.#withinMs >= streamTime);
        if (left.length === 0) this.#cells.remove();
        else this.#cells.put(left);
      });
    }
  }
}
