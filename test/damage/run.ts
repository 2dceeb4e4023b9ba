/**
 * `npm run damage`: random single faults over every file of log and state, write-ahead logs full.
 * Prints how often each outcome was met, and each fault that came to no good; fails when there is
 * one.
 *   --faults 2000  --seed 1  --backend rocksdb-native
 */
import { parseArgs } from 'node:util';
import type { BackendName } from '../../engine/storage/backends.ts';
import { badOutcomes, damage } from './damage.ts';

const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    backend: { type: 'string', default: 'rocksdb-native' },
  },
});
const counts = await damage({
  backend: values.backend as BackendName,
  faults: Number(values.faults),
  seed: Number(values.seed),
  bad: (fault, outcome) => console.log(`${outcome}: ${JSON.stringify(fault)}`),
  progress: (done) => process.stderr.write(`\r${done} of ${values.faults}`),
});
process.stderr.write('\n');
for (const [outcome, times] of [...counts].sort((a, b) => b[1] - a[1])) {
  console.log(String(times).padStart(6), outcome);
}
process.exitCode = badOutcomes(counts).length === 0 ? 0 : 1;
