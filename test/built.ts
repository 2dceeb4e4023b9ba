/** The product as it is shipped, in dist/: built once before the tests run. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundle } from '../build.ts';
import { buildConsole } from '../console/build.ts';

const dist = join(import.meta.dirname, '../dist');

/** The command line, for Node without any loader. */
export const builtCommandLine: string = join(dist, 'engine/cli/main.js');

/** The module of the ready topology, as `run` names it and `start` keeps it. */
export const builtPersonalisation: string = join(dist, 'topologies/personalisation.js');

/** Vitest's global setup. */
export default async function setup(): Promise<void> {
  await bundle();
  await mkdir(join(dist, 'console'), { recursive: true });
  for (const [name, bytes] of await buildConsole()) {
    await writeFile(join(dist, 'console', name), bytes);
  }
}
