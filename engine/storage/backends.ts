/** The state backends by name; the only place that chooses one. */
import type { BackendFactory } from './backend.ts';
import { loadRocksDb, rocksBackends } from './rocksdb.ts';
import { loadRocks5, rocks5Backends } from './rocksdb-5/rocksdb5-backend.ts';

interface NamedBackend {
  readonly factory: BackendFactory;
  /** Loads the binary. Throws BACKEND_MISSING. */
  load(): unknown;
}

const backends = {
  'rocksdb-native': { factory: rocksBackends, load: loadRocksDb },
  rocksdb: { factory: rocks5Backends, load: loadRocks5 },
} as const satisfies Record<string, NamedBackend>;

/** A value that crosses threads. */
export type BackendName = keyof typeof backends;

/** A name, or the path of a module whose default export is a BackendFactory. */
export type BackendChoice = BackendName | (string & {});

export function isBackendName(choice: BackendChoice): choice is BackendName {
  return Object.hasOwn(backends, choice);
}

export const backendNames = Object.keys(backends) as readonly BackendName[];
export const defaultBackend: BackendName = 'rocksdb-native';

export function backendsOf(name: BackendName): BackendFactory {
  return backends[name].factory;
}

/**
 * Keeps the binary loaded for the life of this thread. Node unloads it with the last thread that
 * has it, and a worker that loads it at that moment fails ("Module did not self-register"). So the
 * main thread holds it while workers start and stop.
 * @throws BACKEND_MISSING
 */
export function holdBackend(choice: BackendChoice): void {
  if (isBackendName(choice)) backends[choice].load();
}
