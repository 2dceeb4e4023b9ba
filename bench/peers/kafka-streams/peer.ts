/** Kafka Streams as a peer: built once by Maven, run tuned or with its defaults. */
import type { JobName } from '../../compare/jobs.ts';
import { drainedBy, type Peer } from '../../compare/peer.ts';
import { MavenPeer } from '../maven.ts';

const program = new MavenPeer(import.meta.dirname);

/** A share of the events, where its cost grows with the overlap: rates need no more of them. */
const shares: Partial<Record<JobName, number>> = {
  hopping60: 0.05,
  hopping360: 0.02,
  sliding: 0.02,
  session: 0.25,
};
/** Where it keeps events itself, or reads them on its Processor API, they are trees of JSON. */
const jsonOnly: readonly JobName[] = ['join-streams', 'engagement'];
/**
 * Event time in which it may leave closed windows alone, ms: it looks for them once a second of
 * wall clock.
 */
const slackMs = 600_000;

export function kafkaStreams(settings: 'tuned' | 'default', secondsAtMost: number): Peer {
  return {
    name: settings === 'tuned' ? 'kafka-streams' : 'kafka-streams-default',
    missing: async () => program.missing(),
    does: (job, format) => format === 'json' || !jsonOnly.includes(job),
    share: (job) => shares[job] ?? 1,
    // In `rekey` it is told to look with every record, so that what is missing there is lost.
    slackMs: (job) => (job === 'rekey' ? 0 : slackMs),
    run({ format = 'json', ...run }) {
      const { brokers, events, application, threads, guarantee, commitMs, job, input, output } =
        run;
      const given = [brokers, events, application, threads, guarantee, commitMs];
      const args = [...given, job, input, output, settings, secondsAtMost, format].map(String);
      // Where memory is limited, half of it is left for RocksDB and the page cache.
      const heap = run.memoryMiB === undefined ? '2g' : `${Math.floor(run.memoryMiB / 2)}m`;
      const java = [`-Xmx${heap}`, '-XX:+UseG1GC', '-cp', program.classPath, 'peer.Peer', ...args];
      return drainedBy(run, 'java', java);
    },
  };
}
