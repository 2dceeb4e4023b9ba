/**
 * Opens the state of a task. State that is damaged, or belongs to another task, is wiped, because
 * the changelog has all of it.
 */
import { isMillraceError, messageOf } from '../base/errors.ts';
import type { StoreSpec } from '../graph/store-spec.ts';
import type { MemoryBudget } from '../state/memory-budget.ts';
import { TaskState } from '../state/task-state.ts';
import type { BackendFactory } from '../storage/backend.ts';
import { NumberedBackend } from '../storage/numbered-backend.ts';
import type { HostConfig, TaskAssignment, Wiped } from './host-port.ts';

export interface OpenedState {
  readonly state: TaskState;
  /** Why the old state was wiped, if it was. */
  readonly wiped: Wiped | undefined;
}

export async function openState(
  { taskId, resets = 0 }: TaskAssignment,
  directory: string,
  specs: readonly StoreSpec<unknown, unknown>[],
  { application, cacheBytes, saving }: HostConfig,
  memory: MemoryBudget,
  backends: BackendFactory,
): Promise<OpenedState> {
  const options = saving === undefined ? { cacheBytes } : { cacheBytes, saving };
  let wiped: Wiped | undefined;
  for (;;) {
    let backend: NumberedBackend | undefined;
    try {
      const owner = `${application} ${taskId}${resets === 0 ? '' : ` ${resets}`}`;
      const { writeBufferBytes } = memory;
      backend = await NumberedBackend.open(backends, directory, owner, {
        writeBufferBytes,
      });
      const given = { task: taskId, directory, specs, backend, ...options };
      const state = await TaskState.open({ ...given, memory });
      return { state, wiped };
    } catch (error) {
      await backend?.close().catch(() => {});
      const isForeign = isMillraceError(error, 'STATE_FOREIGN');
      if (wiped !== undefined || !(isForeign || isDamage(error))) throw error;
      wiped = { problem: messageOf(error), isForeign };
      await backends.destroy(directory);
    }
  }
}

/** True if the error reports damaged state. */
export function isDamage(error: unknown): boolean {
  return isMillraceError(error, 'STORE_CORRUPT') || isMillraceError(error, 'STATE_CORRUPT');
}
