/** node-rdkafka and a Map, for the jobs that can be done so. */
import { join } from 'node:path';
import type { JobName } from '../../compare/jobs.ts';
import { lastLine, type Peer } from '../../compare/peer.ts';

const jobs: readonly JobName[] = ['map', 'map-project', 'count', 'tumbling'];

export const byHand: Peer = {
  name: 'by-hand',
  missing: async () => undefined,
  does: (job, format) => format === 'json' && jobs.includes(job),
  run({ brokers, events, application, commitMs, job, input, output }) {
    const args = [brokers, events, application, commitMs, job, input, output].map(String);
    const script = join(import.meta.dirname, 'main.ts');
    return lastLine(process.execPath, ['--import=tsx', script, ...args]);
  },
};
