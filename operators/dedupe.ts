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
import { columnLayout } from './cell-codec.ts';
import { OperatorTime } from './closing.ts';
import { type EntryLayout, EntryList, kept, removed } from './entry-list.ts';
import { type AnyList, listParts } from './list-parts.ts';

/** Ids of a key that have been seen, in their order. One column: the time of their first record. */
interface Seen {
  readonly ids: EntryList<string>;
}

/** As they are written while they are few: by time, ascending. */
type SeenPairs = readonly (readonly [time: number, id: string])[];

const nothing: Serde<unknown> = {
  format: 'nothing',
  encode: () => new Uint8Array(0),
  decode: () => undefined,
};
const columns = columnLayout<string, unknown>(true, 1, nothing);
const layout: EntryLayout<string> = {
  text: true,
  width: 1,
  write: (to, { keys, columns: [times = []] }, from, end) =>
    columns.write(to, { keys, columns: [times, keys as unknown[]] }, from, end),
  decode: (bytes, start, end) => {
    const { keys, columns: found } = columns.decode(bytes, start, end);
    return { keys, columns: found.slice(0, 1) };
  },
  wake: ({ columns: [times = []] }, i) => times[i] as number,
};

function pairsOf({ ids }: Seen): SeenPairs {
  const {
    keys,
    columns: [times = []],
  } = ids.joined();
  const pairs = keys.map((id, i) => [times[i] as number, id] as const);
  return pairs.sort((a, b) => a[0] - b[0]);
}

export function dedupeStep<K, V>(
  name: string,
  idOf: (value: V, key: K) => string,
  withinMs: number,
  key: Serde<K>,
): Step {
  checkSetting(`${name}.idOf`, idOf, aFunction);
  checkSetting(`${name}.withinMs`, withinMs, ms(0));
  const list = msgpack<SeenPairs>();
  const store: StoreSpec<K, Seen> = {
    name,
    kind: 'seen',
    key,
    format: 'seen',
    due: ({ ids }) => ids.wake + withinMs + 1,
    write: (seen, to) => encodeTo(list, pairsOf(seen), to),
    decode: (bytes, start, end) => {
      const pairs = [...list.decode(bytes, start, end)].sort((a, b) => byText(a[1], b[1]));
      const keys = pairs.map(([, id]) => id);
      return { ids: new EntryList(layout, { keys, columns: [pairs.map(([time]) => time)] }) };
    },
    parts: listParts<Seen>({
      lists: ({ ids }) => [ids as AnyList],
      empty: () => ({ ids: EntryList.inParts(layout) }),
    }),
    rows: (seen, k) => pairsOf(seen).map(([timestamp, id]) => ({ key: k, value: id, timestamp })),
  };
  return {
    kind: 'dedupe',
    name,
    detail: { withinMs },
    stores: [store],
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
    this.#time = new OperatorTime(this.#cells, context.task);
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
    const seen = this.#cells.get() ?? { ids: new EntryList(layout) };
    const known = seen.ids.find(id);
    const times = (known?.columns[0] ?? []) as number[];
    if (known !== undefined && (times[known.i] as number) + this.#withinMs >= streamTime) {
      task.drop(this.#name, 'duplicate');
      return;
    }
    if (known === undefined) seen.ids.insert(id, timestamp);
    else {
      // It is over, and not forgotten yet.
      times[known.i] = timestamp;
      seen.ids.change(known);
    }
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
        const seen = this.#cells.get();
        if (seen === undefined) return;
        const oldest = streamTime - this.#withinMs;
        seen.ids.scanWaking(oldest - 1, ({ columns: [times = []] }, i) =>
          (times[i] as number) < oldest ? removed : kept,
        );
        if (seen.ids.size === 0) this.#cells.remove();
        else this.#cells.put(seen);
      });
    }
  }
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
