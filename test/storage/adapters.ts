/** The adapters of StateBackend that tests run over: those whose package is installed here. */
import type { BackendFactory } from '../../engine/storage/backend.ts';
import { backendNames, backendsOf, holdBackend } from '../../engine/storage/backends.ts';

export const onDisk: [string, () => BackendFactory][] = backendNames
  .filter((name) => {
    try {
      holdBackend(name);
      return true;
    } catch {
      return false;
    }
  })
  .map((name) => [name, () => backendsOf(name)]);
