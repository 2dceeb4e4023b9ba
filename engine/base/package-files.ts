/**
 * Where the package's own files lie: its sources as they are, or what was built of them in dist/,
 * where many share a file.
 */
const here = import.meta.url;

/** The sources run as they are, by tsx. */
export const runsSources = here.endsWith('.ts');
/** The folder of package.json. */
export const packageRoot = runsSources
  ? new URL('../../', here)
  : new URL(here.slice(0, here.lastIndexOf('/dist/') + 1));
/** The folder of what runs. */
export const codeRoot = runsSources ? packageRoot : new URL('dist/', packageRoot);

/**
 * A module that is loaded by its name, of those that keep theirs in dist/.
 * @param path without its ending
 */
export function moduleAt(path: string): URL {
  return new URL(`${path}${runsSources ? '.ts' : '.js'}`, codeRoot);
}
