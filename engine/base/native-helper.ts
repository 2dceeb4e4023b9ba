import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { packageRoot } from './package-files.ts';

const require = createRequire(import.meta.url);

/**
 * Loads a native helper, which `npm install` builds (install.mjs) if there is a compiler. Throws if
 * it is missing.
 * @param folder folder of its sources, relative to the package's root
 * @typeParam Helper what it exports
 */
export function nativeHelper<Helper>(folder: string, name: string): Helper {
  const file = new URL(`${folder}/build/Release/${name}.node`, packageRoot);
  return require(fileURLToPath(file)) as Helper;
}
