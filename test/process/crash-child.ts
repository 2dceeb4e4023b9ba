/**
 * A run that is killed: the simulation's job, or the ready topology over a file, with small cycles
 * so that a kill at any moment hits many different steps. Arguments: job, folder, threads, input
 * file.
 */

import { extname, resolve } from 'node:path';
import { environment } from '../../engine/embed/environment.ts';
import { execute } from '../../engine/embed/execute.ts';
import { personalisationModule } from '../../topologies/app/application.ts';
import { fileSource, readMapping } from '../../topologies/app/mappings.ts';

const [job = '', folder = '', threads = '0', input = ''] = process.argv.slice(2);
const engagement = job === 'engagement';
/** Sources, or what was built of them. */
const ending = extname(import.meta.filename);

const execution = await execute({
  env: environment(folder),
  reference: {
    module: engagement
      ? personalisationModule
      : resolve(import.meta.dirname, `job-module${ending}`),
  },
  threads: Number(threads),
  settings: { recordsPerCycle: 24, partitions: 2 },
  sources: engagement ? [fileSource(await readMapping('sample'), [input])] : [],
});
process.stderr.write('started\n');
await execution.runtime.runUntilCaughtUp();
await execution.runtime.advanceIdle(Date.UTC(2027, 0, 1));
await execution.close();
