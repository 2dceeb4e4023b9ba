/**
 * suppress until the commit: for each row that changed between two commits, the newest change is
 * forwarded, with the row at the previous commit as its old value. Nothing is buffered across a
 * commit, so there is no store. It does what Kafka Streams' record cache does to the changes of a
 * table, but without a size limit: too much dirty state ends a cycle early.
 */
import { emptyBytes } from '../engine/base/bytes.ts';
import { checkSetting, isTrue, refuseSetting } from '../engine/base/settings.ts';
import type { Step } from '../engine/graph/node.ts';
import type { AnyReceiver, BuildContext } from '../engine/graph/processor.ts';
import type { Windowed } from '../engine/serde/windowed.ts';
import { present } from './present.ts';

/** The changes of a row since the last commit: the newest, and the value before the first. */
interface Change {
  readonly keyText: string;
  readonly key: unknown;
  readonly old: unknown;
  value: unknown;
  timestamp: number;
  headers: Uint8Array;
  /** Its stand, ms UTC. */
  stand: number;
}

/**
 * @param windowed true if rows belong to windows, so that a key has several
 * @throws CONFIG_INVALID for any other option
 */
export function untilCommitStep(name: string, options: object, windowed: boolean): Step {
  const other = Object.keys(options).find((field) => field !== 'untilCommit');
  if (other !== undefined) {
    const problem = 'goes with a window, a time or the wall clock, not with untilCommit';
    refuseSetting(`${name}.${other}`, problem);
  }
  checkSetting(`${name}.untilCommit`, (options as { untilCommit?: unknown }).untilCommit, isTrue);
  return {
    kind: 'suppress',
    name,
    detail: { untilCommit: true },
    stores: [],
    build: (context) => {
      const step = new UntilCommit(windowed, context);
      context.onCommit(() => step.release());
      return [step];
    },
  };
}

class UntilCommit implements AnyReceiver {
  readonly #windowed: boolean;
  readonly #task: BuildContext['task'];
  readonly #next: AnyReceiver;
  /** Changes by row, in the order of their first change. */
  readonly #changes = new Map<string, Change>();

  constructor(windowed: boolean, context: BuildContext) {
    this.#windowed = windowed;
    this.#task = context.task;
    this.#next = context.output(0);
  }

  receive(key: unknown, value: unknown, timestamp: number, old?: unknown): void {
    const { keyText } = this.#task;
    const row = this.#windowed ? rowOf(keyText, key as Windowed<unknown>) : keyText;
    const headers = this.#task.headerBytes();
    const { stand } = this.#task;
    const change = this.#changes.get(row);
    if (change === undefined) {
      this.#changes.set(row, { keyText, key, old, value, timestamp, headers, stand });
      if (this.#task.touch()) this.#noteNew(row);
      return;
    }
    if (this.#task.touch()) this.#noteBefore(change);
    change.value = value;
    change.timestamp = timestamp;
    change.headers = headers;
    change.stand = stand;
  }

  // A function with a closure allocates a context on each call, so these are separate.
  #noteNew(row: string): void {
    this.#task.onUndo(() => this.#changes.delete(row));
  }

  #noteBefore(change: Change): void {
    const { value, timestamp, headers, stand } = change;
    this.#task.onUndo(() => Object.assign(change, { value, timestamp, headers, stand }));
  }

  release(): void {
    for (const change of this.#changes.values()) {
      const { keyText, value, old } = change;
      // A row that was created and deleted since the last commit is unknown downstream.
      if (!present(value) && !present(old)) continue;
      this.#task.enterUndecoded(keyText, () => this.#forward(change));
    }
    this.#changes.clear();
  }

  #forward({ key, value, timestamp, old, headers, stand }: Change): void {
    this.#task.stand = stand;
    if (headers === emptyBytes) this.#next.receive(key, value, timestamp, old);
    else {
      this.#task.withHeaders(headers, () => this.#next.receive(key, value, timestamp, old));
    }
  }
}

function rowOf(keyText: string, { start, end }: Windowed<unknown>): string {
  return `${start} ${end} ${keyText}`;
}
