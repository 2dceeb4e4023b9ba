/** node-rdkafka and a Map, for the jobs that can be done so. */
import { join } from 'node:path';
import type { JobName } from '../../compare/jobs.ts';
import { drainedBy, type Peer } from '../../compare/peer.ts';

const jobs: readonly JobName[] = ['map', 'map-project', 'count', 'tumbling'];

export const byHand: Peer = {
  name: 'by-hand',
  missing: async () => undefined,
  does: (job, format) => format === 'json' && jobs.includes(job),
  run(run) {
    const { brokers, events, application, commitMs, job, input, output } = run;
    const args = [brokers, events, application, commitMs, job, input, output].map(String);
    const script = join(import.meta.dirname, 'main.ts');
    return drainedBy(run, process.execPath, ['--import=tsx', script, ...args]);
  },
};
