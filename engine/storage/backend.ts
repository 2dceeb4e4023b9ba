/**
 * StateBackend: an ordered store of bytes, under the state of a task and under the embedded log.
 *
 * Laws: keys are ordered as unsigned bytes. `write` is atomic: after a crash all of it is there or
 * none, and with `sync` it is there once the promise resolves. `getMany` keeps the order of its
 * keys and answers undefined for an absent one. A read sees every write that resolved before it
 * began. `close` waits for what is under way; later calls reject. Damage found by the store is an
 * error, never an absent value; but a backend may lose writes of its write-ahead log without a word
 * when that is damaged, also some in the middle. Who needs to know numbers the writes
 * (numbered-backend.ts, log/embedded/journal.ts).
 */
export interface BackendWrite {
  readonly key: Uint8Array;
  /** undefined deletes the key. */
  readonly value: Uint8Array | undefined;
}

export interface RangeOptions {
  /** First key, inclusive. */
  readonly from: Uint8Array;
  /** End, exclusive; absent = to the last key. */
  readonly to?: Uint8Array | null;
  readonly reverse?: boolean;
  /** Most entries to answer; default: all. */
  readonly limit?: number;
}

export type BackendEntry = readonly [key: Buffer, value: Buffer];

export interface StateBackend {
  getMany(keys: readonly Uint8Array[]): Promise<(Buffer | undefined)[]>;
  range(options: RangeOptions): Promise<BackendEntry[]>;
  write(batch: readonly BackendWrite[], options?: { readonly sync?: boolean }): Promise<void>;
  /**
   * Every write that resolved before lies in tables, synced: no write-ahead log is needed for it.
   */
  flush(): Promise<void>;
  /** Bytes of memory that the backend holds now, as far as it knows. */
  memory(): number;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Nothing on disk changes; writes reject. The store must exist. */
  readonly readOnly?: boolean;
  /** False: the store must exist, a missing one is STORE_CORRUPT. Default true. */
  readonly create?: boolean;
  /** Bytes of writes that are kept in memory before they become a table. */
  readonly writeBufferBytes?: number;
}

/** Opens stores by directory; the only way to one. */
export interface BackendFactory {
  /**
   * Opens or creates the store of a directory. Rejects with STORE_CORRUPT, DISK_FULL or
   * STATE_UNAVAILABLE; a store that is open elsewhere is STATE_UNAVAILABLE and the problem says
   * 'lock'.
   */
  open(directory: string, options?: OpenOptions): Promise<StateBackend>;
  /** Deletes the store of a directory; nothing happens when there is none. */
  destroy(directory: string): Promise<void>;
}
