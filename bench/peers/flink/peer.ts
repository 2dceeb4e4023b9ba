/**
 * Flink as a peer: built once by Maven, all of it in one process; what is set, and why, is told in
 * bench/README.md.
 */
import type { JobName } from '../../compare/jobs.ts';
import { drainedBy, type Peer } from '../../compare/peer.ts';
import { MavenPeer } from '../maven.ts';

const program = new MavenPeer(import.meta.dirname);

/** Windows of whole minutes, which its SQL has as well. */
const sqlJobs: readonly JobName[] = ['tumbling', 'hopping10', 'hopping60', 'hopping360', 'rekey'];
/** What Flink can do as it is defined; bench/README.md says why it cannot do the others. */
const jobs: readonly JobName[] = [
  ...sqlJobs,
  'map',
  'map-project',
  'count',
  'session',
  'join-streams',
];
/** A share of the events, where its cost grows with the overlap, and its memory. */
const shares: Partial<Record<JobName, number>> = { hopping60: 0.1, hopping360: 0.01 };
/** What Flink opens by reflection; its own scripts say the same. */
const opened = [
  'java.lang',
  'java.lang.invoke',
  'java.net',
  'java.nio',
  'java.text',
  'java.time',
  'java.util',
  'java.util.concurrent',
  'java.util.concurrent.atomic',
  'sun.nio.ch',
].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`);

export interface FlinkSettings {
  readonly state: 'heap' | 'rocksdb';
  /** From one checkpoint to the next. Default: as often as the others commit. */
  readonly checkpointMs?: number;
  /**
   * How windows of whole minutes are written; those that hop share slices in SQL. Default:
   * DataStream.
   */
  readonly windows?: 'datastream' | 'sql';
}

/** By the names that `--peers` takes. */
export const flinkPeers: Readonly<Record<string, FlinkSettings>> = {
  flink: { state: 'heap' },
  'flink-1s': { state: 'heap', checkpointMs: 1_000 },
  'flink-rocksdb': { state: 'rocksdb' },
  'flink-rocksdb-1s': { state: 'rocksdb', checkpointMs: 1_000 },
  'flink-sql': { state: 'heap', windows: 'sql' },
  'flink-sql-1s': { state: 'heap', checkpointMs: 1_000, windows: 'sql' },
};

export function flink(name: string, settings: FlinkSettings, secondsAtMost: number): Peer {
  const { state, windows = 'datastream' } = settings;
  const done = windows === 'sql' ? sqlJobs : jobs;
  return {
    name,
    missing: async () => program.missing(),
    does: (job, format) => format === 'json' && done.includes(job),
    share: (job) => (windows === 'sql' ? 1 : (shares[job] ?? 1)),
    timeIsLeast: true,
    run(run) {
      const { brokers, events, application, threads, guarantee, job, input, output } = run;
      const { checkpointMs = run.commitMs } = settings;
      const given = [brokers, events, application, threads, guarantee, checkpointMs];
      const args = [...given, job, input, output, state, secondsAtMost, windows].map(String);
      // Where memory is limited, half of it is left for what lies beside the heap.
      const heap = run.memoryMiB === undefined ? '3g' : `${Math.floor(run.memoryMiB / 2)}m`;
      const java = [`-Xmx${heap}`, '-XX:+UseG1GC', ...opened, '-cp', program.classPath];
      return drainedBy(run, 'java', [...java, 'peer.Peer', ...args]);
    },
  };
}
