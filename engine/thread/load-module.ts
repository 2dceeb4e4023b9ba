/** Imports a module of the user's, .ts or .js, on the main thread and in workers. */
import { pathToFileURL } from 'node:url';
import { isMainThread } from 'node:worker_threads';
import { runsSources } from '../base/package-files.ts';

/** The default export of a module at an absolute path; rejects with what its loading throws. */
export async function defaultExportOf(module: string): Promise<unknown> {
  await readTypeScript(module);
  const loaded: { default?: unknown } = await import(pathToFileURL(module).href);
  // In a package without "type": "module" a TypeScript file is CommonJS: its exports are the
  // default.
  const inner = loaded.default as { readonly __esModule?: true; readonly default?: unknown };
  return inner?.__esModule === true ? inner.default : inner;
}

/** A TypeScript module runs through tsx; on the main thread of a source tree that is on already. */
async function readTypeScript(module: string): Promise<void> {
  if (!/\.[cm]?tsx?$/.test(module)) return;
  if (runsSources && isMainThread) return;
  const [esm, commonJs] = await Promise.all([import('tsx/esm/api'), import('tsx/cjs/api')]);
  esm.register();
  commonJs.register();
}
