/**
 * Builds the page of the console: one script, one style sheet, and one document that names both by
 * a hash of their content. It is used by `npm run build`, and in a source tree when the page is
 * first asked for.
 */
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { build } from 'esbuild';

const folder = import.meta.dirname;

/** The files by name. @throws Error of esbuild for a mistake in the sources */
export async function buildConsole(): Promise<ReadonlyMap<string, Uint8Array>> {
  const { outputFiles } = await build({
    absWorkingDir: folder,
    entryPoints: { app: 'main.tsx', style: 'style.css' },
    entryNames: '[name]-[hash]',
    outdir: 'out',
    bundle: true,
    minify: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: ['es2022', 'chrome109', 'firefox115', 'safari16'],
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'none',
    logLevel: 'warning',
  });
  const files = new Map<string, Uint8Array>();
  for (const { path, contents } of outputFiles) files.set(basename(path), contents);
  const named = (pattern: RegExp) => [...files.keys()].find((name) => pattern.test(name)) ?? '';
  const page = await readFile(join(folder, 'index.html'), 'utf8');
  const linked = page
    .replace('main.tsx', named(/^app-.*\.js$/))
    .replace('style.css', named(/^style-.*\.css$/));
  files.set('index.html', new TextEncoder().encode(linked));
  files.set('icon.svg', await readFile(join(folder, 'icon.svg')));
  return files;
}
