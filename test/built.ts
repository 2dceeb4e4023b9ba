/** The product as it is shipped, in dist/: built once before the tests run. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bundle } from '../build.ts';
import { buildConsole } from '../console/build.ts';

const dist = join(import.meta.dirname, '../dist');

/** A script that a test starts a hundred times, and the module that it loads. */
const crashChild = 'test/process/crash-child.ts';
const itsModule = 'test/process/job-module.ts';

/** The command line, for Node without any loader. */
export const builtCommandLine: string = join(dist, 'topologies/app/main.js');

/**
 * What was built of a script of the source tree, for Node without any loader; undefined of others.
 */
export function builtScript(script: string): string | undefined {
  if (script === 'topologies/app/main.ts') return builtCommandLine;
  return script === crashChild ? join(dist, 'test/process/crash-child.js') : undefined;
}

/** The module of the ready topology, as `run` names it and `start` keeps it. */
export const builtPersonalisation: string = join(dist, 'topologies/personalisation.js');

/** Vitest's global setup. */
export default async function setup(): Promise<void> {
  await bundle([crashChild, itsModule]);
  await mkdir(join(dist, 'console'), { recursive: true });
  for (const [name, bytes] of await buildConsole()) {
    await writeFile(join(dist, 'console', name), bytes);
  }
}
