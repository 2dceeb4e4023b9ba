/**
 * Millrace doing one job over a filled topic; prints one JSON line (peer.ts says what). Arguments:
 * brokers, events, application, threads, guarantee, commit interval in ms, state folder. The job
 * comes by the environment.
 */
import { resolve } from 'node:path';
import type { TelemetryEvents } from '../../engine/base/events.ts';
import { environment } from '../../engine/embed/environment.ts';
import { execute } from '../../engine/embed/execute.ts';
import {
  defaultKafkaSettings,
  type KafkaSettings,
} from '../../engine/log/kafka/settings/kafka-settings.ts';
import { peakMemoryMiB } from './peak-memory.ts';
import type { Drained } from './peer.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const [
  brokers = '',
  n = '0',
  application = '',
  threads = '1',
  guarantee = '',
  commit = '',
  folder = '',
] = process.argv.slice(2);
const events = Number(n);
/**
 * Each event of `rekey` is taken again behind its change of key, and results follow when time is
 * told.
 */
const [passes, quietMs] = process.env['BENCH_JOB'] === 'rekey' ? [2, 500] : [1, 0];
/** The rows of a table come first, and do not count. */
let seen = -Number(process.env['BENCH_BEFORE'] ?? 0);
let [quarterAt, doneAt] = [0, 0];
let quarterSeen = 0;
const stages: Record<string, number> = {};
const begin = performance.now();
const { runtime, close } = await execute({
  env: environment(folder),
  kafka: {
    ...defaultKafkaSettings,
    brokers,
    guarantee: guarantee as 'exactly-once' | 'at-least-once',
    commitIntervalMs: Number(commit),
    transport: process.env['BENCH_TRANSPORT'] as KafkaSettings['transport'],
  },
  reference: { module: resolve(import.meta.dirname, `job-module.${extension}`) },
  application,
  threads: Number(threads),
  settings: { commitIntervalMs: Number(commit), partitions: 4 },
  observer: {
    on(name, event) {
      if (name !== 'cycleCommitted') return;
      const cycle = event as TelemetryEvents['cycleCommitted'];
      seen += cycle.recordsIn / passes;
      for (const [stage, ms] of Object.entries(cycle.stages)) {
        stages[stage] = (stages[stage] ?? 0) + ms;
      }
      // A reader of committed records sees them then, whenever the tasks hear of it.
      const committedAt = performance.now() - cycle.toldMs;
      if (quarterAt === 0 && seen >= events / 4) [quarterAt, quarterSeen] = [committedAt, seen];
      if (seen >= events) doneAt = committedAt;
    },
  },
});
const stop = new AbortController();
const watch = setInterval(() => {
  if (doneAt > 0 && performance.now() - doneAt >= quietMs) stop.abort();
}, 20);
await runtime.run(stop.signal);
clearInterval(watch);
const cpu = process.cpuUsage();
const drops = Object.entries(runtime.summary.counters.drops);
// Few events may all come in one cycle: then there is nothing after the quarter.
const [fromAt, before] = quarterSeen < seen ? [quarterAt, quarterSeen] : [begin, 0];
const drained: Drained = {
  events: seen,
  eventsPerSecond: Math.round((seen - before) / ((doneAt - fromAt) / 1_000)),
  totalSeconds: (doneAt - begin) / 1_000,
  cpuSeconds: (cpu.user + cpu.system) / 1e6,
  rssMiB: peakMemoryMiB(),
  late: drops.reduce((sum, [place, n]) => sum + (place.endsWith('|late') ? n : 0), 0),
  stages,
};
await close();
console.log(JSON.stringify(drained));
process.exit(0);
