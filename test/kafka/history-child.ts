/**
 * A member that runs the jobs of the history. Arguments: brokers, folder, prefix of the names,
 * instance, and 'ever' (until SIGTERM) or 'close' (until it has caught up; then it closes what is
 * open), transport.
 */

import { openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import {
  defaultKafkaSettings,
  type KafkaSettings,
} from '../../engine/log/kafka/settings/kafka-settings.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { rocksBackends } from '../../engine/storage/rocksdb.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { historyTopology } from '../time/history-module.ts';

const [brokers = '', folder = '', prefix = '', instance = '', until = '', by = ''] =
  process.argv.slice(2);
const transport = by as KafkaSettings['transport'];
const job = historyTopology(prefix);
const application = job.name;
const settings = { ...defaultKafkaSettings, brokers, instanceId: instance, transport };
const log = await openKafkaLog({
  settings: { ...settings, groupProtocol: 'consumer' },
  application,
});
const runtime = await Runtime.start({
  ...{ topology: job, application, log, stateDirectory: folder, recordsPerCycle: 50 },
  startHosts: async (config) => [new TaskHost(job, config, rocksBackends)],
  atEnd: 'close',
  observer: {
    on(name, event) {
      if (name === 'assignmentChanged') process.stderr.write(`${name} ${JSON.stringify(event)}\n`);
    },
  },
});
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
process.stderr.write('started\n');
if (until === 'close') await runtime.runUntilCaughtUp();
else await runtime.run(stop.signal);
const { drops, failures } = runtime.summary.counters;
process.stdout.write(JSON.stringify({ ...drops, ...failures }));
await runtime.close();
await log.close();
