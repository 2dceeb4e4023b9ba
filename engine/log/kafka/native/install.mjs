/**
 * Run by `npm install`: builds the packed helper where node-rdkafka and a compiler are. It never fails the
 * install: without the helper Kafka is used by plain calls, and without node-rdkafka the embedded log
 * works all the same. Only headers are needed here, so it does not matter whether node-rdkafka itself is
 * compiled before or after.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const folder = import.meta.dirname;
const built = join(folder, 'build', 'Release', 'packed.node');
const stampFile = join(folder, 'build', 'built-for.txt');

function rdkafkaVersion() {
  try {
    return createRequire(import.meta.url)('node-rdkafka/package.json').version;
  } catch {
    return undefined;
  }
}

/** What the binary depends on. */
function stampOf(rdkafka) {
  const sources = readdirSync(folder).filter((name) => /\.(cc?|h|gyp)$/.test(name));
  const lengths = sources.map((name) => `${name} ${readFileSync(join(folder, name)).length}`);
  return `node ${process.versions.modules}, node-rdkafka ${rdkafka}, ${lengths.join(', ')}`;
}

function build() {
  const gyp = process.env.npm_config_node_gyp;
  if (gyp === undefined) return 'run it by npm: `npm rebuild`';
  const { status, stderr } = spawnSync(process.execPath, [gyp, 'rebuild', '--directory', folder], {
    encoding: 'utf8',
    // Its makefiles do not bear a number of jobs from outside.
    env: { ...process.env, JOBS: undefined },
  });
  if (status === 0) return undefined;
  const lines = (stderr ?? '').split('\n').filter((line) => /error|not found/i.test(line));
  return lines[0] ?? 'node-gyp failed';
}

const rdkafka = rdkafkaVersion();
if (rdkafka === undefined) {
  console.log('millrace: node-rdkafka is not installed; the embedded log works, Kafka does not');
} else {
  const stamp = stampOf(rdkafka);
  const done =
    existsSync(built) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp;
  const problem = done ? undefined : build();
  if (problem !== undefined) {
    console.log(
      `millrace: Kafka will be used by plain calls, the packed helper was not built: ${problem}`,
    );
  } else if (!done) writeFileSync(stampFile, stamp);
}
