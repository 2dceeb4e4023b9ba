/** What source files import from each other. */
import { dirname, relative, resolve } from 'node:path';

const statement = /^(?:import|export) (?!type )[^;']*?from '(\.[^']+)'/gm;

/**
 * Paths, from the root of the tree, of what a file imports for more than its types.
 * @param file its path from the root
 */
export function importsIn(text: string, file: string): string[] {
  return [...text.matchAll(statement)].map(([, to = '']) =>
    relative('.', resolve(dirname(file), to)),
  );
}
