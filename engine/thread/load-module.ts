/** Imports a user module, .ts or .js, on the main thread and in workers. */
import { pathToFileURL } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { runsSources } from '../base/package-files.ts';

/** The default export of a module at an absolute path; rejects with its loading error. */
export async function defaultExportOf(module: string): Promise<unknown> {
  await readTypeScript(module);
  const loaded: { default?: unknown } = await import(pathToFileURL(module).href);
  // In a package without "type": "module", a TypeScript file is CommonJS, and its exports are
  // the default export.
  const inner = loaded.default as { readonly __esModule?: true; readonly default?: unknown };
  return inner?.__esModule === true ? inner.default : inner;
}

/** Enables tsx for a TypeScript module; in a source tree it is already on in the main thread. */
async function readTypeScript(module: string): Promise<void> {
  if (!/\.[cm]?tsx?$/.test(module)) return;
  if (runsSources && isMainThread) return;
  const [esm, commonJs] = await Promise.all([import('tsx/esm/api'), import('tsx/cjs/api')]);
  esm.register();
  commonJs.register();
}
