/** Watches a module and what it imports. esbuild follows the imports, also those that fail. */
import { relative } from 'node:path';
import { type BuildResult, context, formatMessages } from 'esbuild';

/** What an edit has made. */
export type Build =
  | {
      readonly kind: 'built';
      /** Hash of the code without comments and blanks; equal if an edit changes nothing. */
      readonly hash: string;
      /** Number of source files of the module, without packages. */
      readonly files: number;
    }
  | { readonly kind: 'failed'; readonly problems: string };

/**
 * Reports the module as it is now, and after each edit.
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
    // Node loads the imports; only their text matters here.
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

/** The path relative to the current folder. */
export function shortPath(path: string): string {
  return relative(process.cwd(), path) || path;
}
