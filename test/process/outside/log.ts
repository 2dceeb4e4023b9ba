/** A log from outside: ours, in a folder of its own. */
import { join } from 'node:path';
import { type LogFactory, openEmbeddedLog, rocksBackends } from 'millrace/engine';

const logs: LogFactory = {
  open: ({ application, directory }) =>
    openEmbeddedLog({
      directory: join(directory, '..', 'own-log'),
      application,
      backends: rocksBackends,
    }),
};
export default logs;
