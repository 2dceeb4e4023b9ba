/**
 * A store of a task: its state in memory, its keys in the backend, and the writes from one to the
 * other.
 */
import { emptyBytes } from '../base/bytes.ts';
import { checksummed } from '../base/checksummed.ts';
import type { BackendWrite, StateBackend } from '../storage/backend.ts';
import type { StoreKeys } from './key-layout.ts';
import type { StoreState } from './store-state.ts';

export interface Store {
  readonly state: StoreState;
  readonly keys: StoreKeys;
}

/**
 * The backend writes of a cell or its deletion, and of its entry in the due index.
 * @param value sealed
 */
export function cellWrites(
  writes: BackendWrite[],
  { keys }: Store,
  keyText: string,
  value: Buffer | undefined,
  oldDue: number,
  newDue: number,
): void {
  writes.push({ key: keys.cell(keyText), value });
  if (oldDue === newDue) return;
  if (oldDue !== Number.POSITIVE_INFINITY) {
    writes.push({ key: keys.due(oldDue, keyText), value: undefined });
  }
  if (newDue !== Number.POSITIVE_INFINITY) {
    writes.push({ key: keys.due(newDue, keyText), value: emptyBytes });
  }
}

export function metaWrite({ state, keys }: Store): BackendWrite {
  return { key: keys.meta, value: checksummed(Buffer.from(JSON.stringify(state.meta))) };
}

const keysPerDelete = 10_000;

/** Deletes everything a store holds on disk. */
export async function deleteStored(backend: StateBackend, { keys }: Store): Promise<void> {
  for (;;) {
    const entries = await backend.range({ ...keys.content, limit: keysPerDelete });
    if (entries.length === 0) break;
    await backend.write(entries.map(([key]) => ({ key, value: undefined })));
  }
  // The position is deleted last: a start that finds it repeats the deletion.
  await backend.write([{ key: keys.meta, value: undefined }]);
}
