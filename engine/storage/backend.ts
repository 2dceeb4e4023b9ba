/**
 * StateBackend: an ordered store of bytes, under the state of a task and under the embedded log.
 *
 * Laws: keys are ordered as unsigned bytes. `write` is atomic: after a crash all of it is there or
 * none; with `sync` it is durable once the promise resolves. `getMany` keeps the order of its keys
 * and returns undefined for an absent one. A read sees every write that resolved before the read
 * began. `close` waits for operations in progress; later calls reject. Damage that the store
 * detects is an error, never an absent value. But if a backend's write-ahead log is damaged, it may
 * silently lose writes, even in the middle. Users that must detect this number their writes
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
  /** Maximal number of entries; default: all. */
  readonly limit?: number;
}

export type BackendEntry = readonly [key: Buffer, value: Buffer];

export interface StateBackend {
  getMany(keys: readonly Uint8Array[]): Promise<(Buffer | undefined)[]>;
  range(options: RangeOptions): Promise<BackendEntry[]>;
  write(batch: readonly BackendWrite[], options?: { readonly sync?: boolean }): Promise<void>;
  /**
   * Moves every resolved write to synced tables, so that it no longer needs the write-ahead log.
   */
  flush(): Promise<void>;
  /** Known memory use of the backend, bytes. */
  memory(): number;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Changes nothing on disk; writes reject. The store must exist. */
  readonly readOnly?: boolean;
  /** False: the store must exist, a missing one is STORE_CORRUPT. Default true. */
  readonly create?: boolean;
  /** Bytes of writes kept in memory before they become a table. */
  readonly writeBufferBytes?: number;
}

/** Opens stores by directory. */
export interface BackendFactory {
  /**
   * Opens or creates the store of a directory.
   * @throws STORE_CORRUPT, DISK_FULL or STATE_UNAVAILABLE; for a store that is open elsewhere,
   * STATE_UNAVAILABLE with 'lock' in the problem
   */
  open(directory: string, options?: OpenOptions): Promise<StateBackend>;
  /** Deletes the store of a directory, if there is one. */
  destroy(directory: string): Promise<void>;
}
