/**
 * Locations of the package's own files: its sources, or the bundles in dist/.
 */
const here = import.meta.url;

/** True if the sources run directly, with tsx. */
export const runsSources = here.endsWith('.ts');
/** The folder of package.json. */
export const packageRoot = runsSources
  ? new URL('../../', here)
  : new URL(here.slice(0, here.lastIndexOf('/dist/') + 1));
/** The folder of the running code. */
export const codeRoot = runsSources ? packageRoot : new URL('dist/', packageRoot);

/**
 * URL of a module that is loaded by name and not bundled.
 * @param path path without extension
 */
export function moduleAt(path: string): URL {
  return new URL(`${path}${runsSources ? '.ts' : '.js'}`, codeRoot);
}
