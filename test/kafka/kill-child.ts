/**
 * A member that ends itself by SIGKILL at a step of a commit or a hand-over. Arguments: brokers,
 * folder, input topic, application, instance, step and the how manieth time; then the guarantee, if
 * another than exactly-once, and the group protocol, if another than consumer. 'none': it runs
 * until it has caught up; 'ever': until SIGTERM.
 */
import { isPassing } from '../../engine/base/errors.ts';
import { openKafkaLog } from '../../engine/log/kafka/adapter/kafka-log.ts';
import {
  defaultKafkaSettings,
  type KafkaSettings,
} from '../../engine/log/kafka/settings/kafka-settings.ts';
import { Runtime } from '../../engine/runtime/runtime.ts';
import { rocksBackends } from '../../engine/storage/rocksdb.ts';
import { TaskHost } from '../../engine/task/task-host.ts';
import { countingJob } from './counting-job.ts';

const [
  brokers = '',
  folder = '',
  input = '',
  application = '',
  instance = '',
  step = '',
  nth = '0',
  guarantee = defaultKafkaSettings.guarantee,
  groupProtocol = 'consumer',
] = process.argv.slice(2);
const job = countingJob(input, application);
const settings = {
  ...defaultKafkaSettings,
  brokers,
  instanceId: instance,
  guarantee: guarantee as KafkaSettings['guarantee'],
  groupProtocol: groupProtocol as KafkaSettings['groupProtocol'],
  // As long as the test broker's sessions of the other protocol.
  options:
    groupProtocol === 'classic' ? { 'session.timeout.ms': '6000' } : defaultKafkaSettings.options,
};
const log = await patiently(() => openKafkaLog({ settings, application }));
let times = 0;
/** As the command line does it: brokers that do not answer now are asked again. */
async function patiently<T>(start: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await start();
    } catch (error) {
      if (!isPassing(error)) throw error;
      process.stderr.write(`${error.message}; trying again\n`);
    }
  }
}
const runtime = await patiently(() =>
  Runtime.start({
    topology: job,
    application,
    log,
    stateDirectory: folder,
    partitions: 6,
    recordsPerCycle: 10,
    startHosts: async (config) => [new TaskHost(job, config, rocksBackends)],
    observer: {
      on(name, event) {
        if (name === 'commitDoubtful' || name === 'assignmentChanged') {
          process.stderr.write(`${name} ${JSON.stringify(event)}\n`);
        }
      },
    },
    at: (here) => {
      if (here !== step) return;
      times++;
      if (times === Number(nth)) process.kill(process.pid, 'SIGKILL');
    },
  }),
);
const stop = new AbortController();
process.once('SIGTERM', () => stop.abort());
process.stderr.write('started\n');
if (step === 'none') await runtime.runUntilCaughtUp();
else await runtime.run(stop.signal);
await runtime.close();
await log.close();
