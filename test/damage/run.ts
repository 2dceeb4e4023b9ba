/**
 * `npm run damage`: random single faults over every file of log and state, write-ahead logs full.
 * Prints how often each outcome was met, by the kind of file, and each fault that came to no good;
 * fails when there is one.
 *   --faults 2000  --seed 1  --backend rocksdb-native
 */
import { parseArgs } from 'node:util';
import type { BackendName } from '../../engine/storage/backends.ts';
import { badOutcomes, damage } from './damage.ts';
import { placeOf } from './faults.ts';

const { values } = parseArgs({
  options: {
    faults: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    backend: { type: 'string', default: 'rocksdb-native' },
  },
});
const places = new Map<string, number>();
const counts = await damage({
  backend: values.backend as BackendName,
  faults: Number(values.faults),
  seed: Number(values.seed),
  met: (fault, outcome) => {
    const place = `${placeOf(fault).padEnd(20)} ${fault.kind.padEnd(9)} ${outcome}`;
    places.set(place, (places.get(place) ?? 0) + 1);
  },
  bad: (fault, outcome) => console.log(`${outcome}: ${JSON.stringify(fault)}`),
  progress: (done) => process.stderr.write(`\r${done} of ${values.faults}`),
});
process.stderr.write('\n');
for (const [outcome, times] of [...counts].sort((a, b) => b[1] - a[1])) {
  console.log(String(times).padStart(6), outcome);
}
for (const [place, times] of [...places].sort(([one], [other]) => (one < other ? -1 : 1))) {
  console.log(String(times).padStart(6), place);
}
process.exitCode = badOutcomes(counts).length === 0 ? 0 : 1;
