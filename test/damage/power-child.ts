/**
 * Commits to an embedded log and says what is acknowledged, until it is killed. With `unsynced` the
 * backend forgets to sync, as a mutant of it would.
 * Arguments: folder, backend, 'synced' or 'unsynced'.
 */
import { SeededRandom } from '../../engine/base/random.ts';
import { append } from '../../engine/laws/index.ts';
import { openEmbeddedLog } from '../../engine/log/embedded/open-embedded-log.ts';
import type { BackendFactory } from '../../engine/storage/backend.ts';
import { type BackendName, backendsOf } from '../../engine/storage/backends.ts';

const [folder = '', name = '', sync = ''] = process.argv.slice(2);
const real = backendsOf(name as BackendName);
const mutant: BackendFactory = {
  ...real,
  async open(directory, options) {
    const backend = await real.open(directory, options);
    const write = backend.write.bind(backend);
    backend.write = (batch) => write(batch);
    return backend;
  },
};

const log = await openEmbeddedLog({
  directory: folder,
  application: 'power',
  backends: sync === 'synced' ? real : mutant,
  // Tables are made meanwhile.
  journal: { rows: 12, bytes: 200_000 },
});
await log.createTopics([{ name: 'a', partitions: 1, settings: {} }]);
const writer = await log.openWriter('w');
const random = new SeededRandom(3);
for (let commitId = 1; commitId <= 40; commitId++) {
  const value = `${commitId} ${'x'.repeat(Math.floor(random.next() * 20_000))}`;
  await writer.commit({
    appends: [append('a', 0, [['k', value]])],
    offsets: [{ topic: 'a', partition: 0, offset: commitId }],
    commitId,
  });
  process.stderr.write(`acknowledged ${commitId}\n`);
}
process.stderr.write('done\n');
setInterval(() => {}, 1_000);
