/** Kafka Streams as a peer: built once by Maven, run tuned or with its defaults. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { drainedBy, type Peer } from '../../compare/peer.ts';

const folder = import.meta.dirname;
const target = join(folder, 'target');
const jars = join(target, 'jars');

export function kafkaStreams(settings: 'tuned' | 'default', secondsAtMost: number): Peer {
  return {
    name: settings === 'tuned' ? 'kafka-streams' : 'kafka-streams-default',
    missing: async () => {
      if (spawnSync('java', ['-version']).status !== 0) return 'Java is not installed';
      if (spawnSync('mvn', ['-v']).status !== 0) return 'Maven is not installed';
      build();
      return undefined;
    },
    // Where it keeps events itself, or reads them on its Processor API, they are trees of JSON.
    does: (job, format) => format === 'json' || !['join-streams', 'engagement'].includes(job),
    run({ format = 'json', ...run }) {
      const { brokers, events, application, threads, guarantee, commitMs, job, input, output } =
        run;
      const given = [brokers, events, application, threads, guarantee, commitMs];
      const args = [...given, job, input, output, settings, secondsAtMost, format].map(String);
      const path = `${join(target, 'classes')}:${jars}/*`;
      // Where memory is limited, half of it is left for RocksDB and the page cache.
      const heap = run.memoryMiB === undefined ? '2g' : `${Math.floor(run.memoryMiB / 2)}m`;
      const java = [`-Xmx${heap}`, '-XX:+UseG1GC', '-cp', path, 'peer.Peer', ...args];
      return drainedBy(run, 'java', java);
    },
  };
}

/** Whether it was built of the sources as they are. */
function isBuilt(): boolean {
  const main = join(target, 'classes', 'peer', 'Peer.class');
  if (!existsSync(main) || !existsSync(jars)) return false;
  const sources = join(folder, 'src', 'main', 'java', 'peer');
  const files = [
    join(folder, 'pom.xml'),
    ...readdirSync(sources).map((name) => join(sources, name)),
  ];
  return files.every((file) => statSync(file).mtimeMs <= statSync(main).mtimeMs);
}

function build(): void {
  if (isBuilt()) return;
  const goals = [
    '-q',
    '-B',
    'clean',
    'compile',
    'dependency:copy-dependencies',
    `-DoutputDirectory=${jars}`,
  ];
  const { status, stdout, stderr } = spawnSync('mvn', goals, { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`the Kafka Streams peer cannot be built: ${stdout}${stderr}`);
}
