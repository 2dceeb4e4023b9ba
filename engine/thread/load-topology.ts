/** Loads a topology from its module, on the main thread and again in every worker. */
import { stat } from 'node:fs/promises';
import { pathToFileURL } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { isMillraceError, MillraceError, messageOf } from '../base/errors.ts';
import { runsSources } from '../base/package-files.ts';
import { isTopology, type Topology } from '../graph/graph.ts';

/** Where a topology comes from: sent to workers, and kept beside the state. */
export interface TopologyReference {
  /** Path of a .ts or .js module whose default export is a topology, or a function that makes one. */
  readonly module: string;
  /** Given to the function; a JSON value. */
  readonly params?: unknown;
}

/** Throws TOPOLOGY_MODULE when the module is missing, throws while loading, or exports no topology. */
export async function loadTopology({ module, params }: TopologyReference): Promise<Topology> {
  const fail = (problem: string, cause?: unknown): never => {
    throw new MillraceError('TOPOLOGY_MODULE', { module, problem }, { cause });
  };
  await stat(module).catch((error) => fail(messageOf(error), error));
  await readTypeScript(module);
  let loaded: { default?: unknown };
  try {
    loaded = await import(pathToFileURL(module).href);
  } catch (error) {
    return isMillraceError(error) ? rethrow(error) : fail(messageOf(error), error);
  }
  const made = defaultExport(loaded);
  if (isTopology(made)) return made;
  if (typeof made !== 'function') return fail('its default export is not a topology');
  const topology: unknown = made(params);
  return isTopology(topology) ? topology : fail('its default export makes no topology');
}

/** A TypeScript module runs through tsx; on the main thread of a source tree that is on already. */
async function readTypeScript(module: string): Promise<void> {
  if (!/\.[cm]?tsx?$/.test(module)) return;
  if (runsSources && isMainThread) return;
  const [esm, commonJs] = await Promise.all([import('tsx/esm/api'), import('tsx/cjs/api')]);
  esm.register();
  commonJs.register();
}

/** In a package without "type": "module" a TypeScript file is CommonJS: its exports are the default. */
function defaultExport(loaded: { default?: unknown }): unknown {
  const inner = loaded.default as { readonly __esModule?: true; readonly default?: unknown };
  return inner?.__esModule === true ? inner.default : inner;
}

function rethrow(error: unknown): never {
  throw error;
}
