/**
 * `npm run build` makes dist/, which is deployed. Modules are bundled, because each file costs Node
 * most of a millisecond at a start, on the main thread and on every worker. Modules that are loaded
 * by name keep their names; what several of them need is in dist/chunks once, so that a process has
 * one instance of each module. Dependencies stay packages.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { build } from 'esbuild';
import { buildConsole } from './console/build.ts';

const root = import.meta.dirname;

/** The exports of the package, its command, and what threads load. */
const loadedByName = [
  'topologies/app/main.ts',
  'topologies/app/questions/question-worker.ts',
  'topologies/app/serve-version.ts',
  'engine/index.ts',
  'engine/laws/index.ts',
  'engine/serde/schemas/index.ts',
  'engine/testing/driver.ts',
  'engine/thread/worker.ts',
  'operators/index.ts',
  'operators/kit/index.ts',
  'topologies/client.ts',
  'topologies/personalisation.ts',
  'topologies/public.ts',
];
const copied = ['topologies/ingest/mappings', 'topologies/segments/examples'];

/** @param more modules that are loaded by name, beside those of the package */
export async function bundle(more: readonly string[] = []): Promise<void> {
  await rm(join(root, 'dist', 'chunks'), { recursive: true, force: true });
  await build({
    absWorkingDir: root,
    entryPoints: [...loadedByName, ...more],
    outbase: '.',
    outdir: 'dist',
    chunkNames: 'chunks/[name]-[hash]',
    bundle: true,
    splitting: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    logLevel: 'warning',
  });
  for (const folder of copied) {
    await cp(join(root, folder), join(root, 'dist', folder), { recursive: true });
  }
}

if (process.argv[1] === import.meta.filename) {
  await rm(join(root, 'dist'), { recursive: true, force: true });
  const compiler = join(root, 'node_modules', '.bin', 'tsc');
  await promisify(execFile)(compiler, ['-p', join(root, 'tsconfig.build.json')]);
  await bundle();
  await mkdir(join(root, 'dist', 'console'), { recursive: true });
  for (const [name, bytes] of await buildConsole()) {
    await writeFile(join(root, 'dist', 'console', name), bytes);
  }
}
