/** A state backend from outside: ours, which notes in the store's folder that it came this way. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type BackendFactory, rocksBackends } from 'millrace/engine';

const backends: BackendFactory = {
  open: async (directory, options) => {
    const store = await rocksBackends.open(directory, options);
    await writeFile(join(directory, 'from-outside'), '');
    return store;
  },
  destroy: (directory) => rocksBackends.destroy(directory),
};
export default backends;
