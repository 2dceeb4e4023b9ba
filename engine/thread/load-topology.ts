/** Loads a topology from its module, on the main thread and again in every worker. */
import { stat } from 'node:fs/promises';
import { isMillraceError, MillraceError, messageOf } from '../base/errors.ts';
import { isTopology, type Topology } from '../graph/graph.ts';
import { defaultExportOf } from './load-module.ts';

/** The origin of a topology; sent to workers, and stored beside the state. */
export interface TopologyReference {
  /**
   * Path of a .ts or .js module whose default export is a topology, or a function that creates one.
   */
  readonly module: string;
  /** Argument of the function; a JSON value. */
  readonly params?: unknown;
}

/**
 * Loads a topology.
 * @throws TOPOLOGY_MODULE if the module is missing, throws while loading, or exports no topology
 */
export async function loadTopology({ module, params }: TopologyReference): Promise<Topology> {
  const fail = (problem: string, cause?: unknown): never => {
    throw new MillraceError('TOPOLOGY_MODULE', { module, problem }, { cause });
  };
  await stat(module).catch((error) => fail(messageOf(error), error));
  let made: unknown;
  try {
    made = await defaultExportOf(module);
  } catch (error) {
    return isMillraceError(error) ? rethrow(error) : fail(messageOf(error), error);
  }
  if (isTopology(made)) return made;
  if (typeof made !== 'function') return fail('its default export is not a topology');
  const topology: unknown = made(params);
  return isTopology(topology) ? topology : fail('its default export makes no topology');
}

function rethrow(error: unknown): never {
  throw error;
}
