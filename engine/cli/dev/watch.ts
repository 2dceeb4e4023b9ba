/** Watches a module and what it imports. esbuild follows the imports, also those that fail. */
import { relative } from 'node:path';
import { type BuildResult, context, formatMessages } from 'esbuild';

/** What an edit has made. */
export type Build =
  | {
      readonly kind: 'built';
      /** Of the code without comments and blanks: equal where an edit changes nothing. */
      readonly hash: string;
      /** Files of the module's own, without packages. */
      readonly files: number;
    }
  | { readonly kind: 'failed'; readonly problems: string };

/**
 * Tells of the module as it is, and after each edit.
 * @param module absolute path
 */
export async function watchModule(
  module: string,
  onBuild: (build: Build) => void,
): Promise<{ close(): Promise<void> }> {
  const watched = await context({
    entryPoints: [module],
    bundle: true,
    write: false,
    metafile: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    // What it imports is loaded by Node; here only the text counts.
    loader: { '.node': 'empty', '.wasm': 'empty' },
    logLevel: 'silent',
    plugins: [
      {
        name: 'tell',
        setup: (build) => build.onEnd(async (result) => onBuild(await buildOf(result))),
      },
    ],
  });
  await watched.watch();
  return { close: () => watched.dispose() };
}

async function buildOf(result: BuildResult): Promise<Build> {
  const [output] = result.outputFiles ?? [];
  if (result.errors.length === 0 && output !== undefined) {
    const files = Object.keys(result.metafile?.inputs ?? {}).length;
    return { kind: 'built', hash: output.hash, files };
  }
  const color = process.stderr.isTTY === true;
  const shown = await formatMessages(result.errors, { kind: 'error', color });
  return { kind: 'failed', problems: shown.join('').trimEnd() };
}

/** A path as a reader knows it. */
export function shortPath(path: string): string {
  return relative(process.cwd(), path) || path;
}
