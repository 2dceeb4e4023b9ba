/**
 * A host of tasks by the code of another checkout of Millrace: on the main thread, state in memory,
 * no log.
 */
import { resolve } from 'node:path';
import type { Topology } from 'millrace';
import { systemWorld, type World } from '../engine/base/world.ts';
import type { HostPort } from '../engine/task/host-port.ts';

/** Loads a module of the checkout. @param file path in it */
export type FromCheckout = <M>(file: string) => Promise<M>;

/**
 * @param folder of the checkout
 * @param topologyOf made of the checkout's own modules
 * @param partitionsOf of the topics that are written
 */
export async function hostOf(
  folder: string,
  topologyOf: (from: FromCheckout) => Promise<Topology>,
  partitionsOf: (topology: Topology) => Readonly<Record<string, number>>,
  dirtyBytesMax: number,
  world: World = systemWorld,
): Promise<HostPort> {
  const from = <M>(file: string): Promise<M> => import(resolve(folder, file)) as Promise<M>;
  const { TaskHost } = await from<typeof import('../engine/task/task-host.ts')>(
    'engine/task/task-host.ts',
  );
  type Memory = typeof import('../engine/storage/memory-backend.ts');
  // Older checkouts have the file under its former name.
  const { MemoryBackends } = await from<Memory>('engine/storage/memory-backend.ts').catch(() =>
    from<Memory>('engine/storage/memory.ts'),
  );
  const { defaultErrorPolicy } = await from<typeof import('../engine/task/error-policy.ts')>(
    'engine/task/error-policy.ts',
  );
  const topology = await topologyOf(from);
  const config = {
    ...{ application: 'alone', stateDirectory: 'alone', partitionsOf: partitionsOf(topology) },
    ...{ cacheBytes: 2 ** 28, dirtyBytesMax, onError: defaultErrorPolicy },
  };
  return new TaskHost(topology, config, new MemoryBackends(), world);
}
