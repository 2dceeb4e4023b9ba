/** StateBackend in memory, for the test driver, the simulation and threads without a disk. */
import { assert } from '../base/assert.ts';
import { bytesOfKeyText, keyTextOf } from '../base/bytes.ts';
import type {
  BackendEntry,
  BackendFactory,
  BackendWrite,
  RangeOptions,
  StateBackend,
} from './backend.ts';

/** The bytes of one store; outlives an open backend, like a directory. */
export class MemoryStore {
  readonly values = new Map<string, Buffer>();
  /** Sorted keys; undefined after a change of the key set. */
  #sorted: string[] | undefined;

  sorted(): readonly string[] {
    this.#sorted ??= [...this.values.keys()].sort();
    return this.#sorted;
  }

  apply(batch: readonly BackendWrite[]): void {
    for (const { key, value } of batch) {
      const id = keyTextOf(key);
      if (value === undefined ? this.values.delete(id) : !this.values.has(id))
        this.#sorted = undefined;
      if (value !== undefined) this.values.set(id, Buffer.from(value));
    }
  }
}

export class MemoryBackend implements StateBackend {
  readonly #store: MemoryStore;
  #closed = false;

  constructor(store = new MemoryStore()) {
    this.#store = store;
  }

  async getMany(keys: readonly Uint8Array[]): Promise<(Buffer | undefined)[]> {
    this.#check();
    return keys.map((key) => this.#store.values.get(keyTextOf(key)));
  }

  async range(options: RangeOptions): Promise<BackendEntry[]> {
    this.#check();
    const keys = this.#store.sorted();
    const from = lowerBound(keys, keyTextOf(options.from));
    const to = options.to ? lowerBound(keys, keyTextOf(options.to)) : keys.length;
    const inside = keys.slice(from, Math.max(from, to));
    if (options.reverse) inside.reverse();
    return inside
      .slice(0, options.limit)
      .map((id) => [bytesOfKeyText(id), this.#store.values.get(id) as Buffer]);
  }

  async write(batch: readonly BackendWrite[]): Promise<void> {
    this.#check();
    this.#store.apply(batch);
  }

  async flush(): Promise<void> {
    this.#check();
  }

  memory(): number {
    return 0;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #check(): void {
    assert(!this.#closed, 'the backend is closed');
  }
}

/** Keeps opened stores by directory name, so that reopening one finds its content. */
export class MemoryBackends implements BackendFactory {
  readonly stores = new Map<string, MemoryStore>();

  async open(directory: string): Promise<StateBackend> {
    let store = this.stores.get(directory);
    if (store === undefined) {
      store = new MemoryStore();
      this.stores.set(directory, store);
    }
    return new MemoryBackend(store);
  }

  async destroy(directory: string): Promise<void> {
    this.stores.delete(directory);
  }
}

function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((keys[middle] as string) < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
