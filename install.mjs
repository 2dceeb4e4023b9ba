/**
 * Run by `npm install`: builds the native helpers where there is a compiler. It never fails the install: what a helper
 * does is done without it as well, only slower, and without node-rdkafka the embedded log works all the same. Only headers
 * are needed here, so it does not matter whether node-rdkafka itself is compiled before or after.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** The version of node-rdkafka; undefined where it is not installed. */
function rdkafkaVersion() {
  try {
    return createRequire(import.meta.url)('node-rdkafka/package.json').version;
  } catch {
    return undefined;
  }
}

/** What the binary depends on. */
function stampOf(folder, needed) {
  const sources = readdirSync(folder).filter((name) => /\.(cc?|h|gyp)$/.test(name));
  const lengths = sources.map((name) => `${name} ${readFileSync(join(folder, name)).length}`);
  return [`node ${process.versions.modules}`, ...needed, ...lengths].join(', ');
}

function compile(folder) {
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

/**
 * Builds the helper of a folder, unless it is there.
 * @param name of the binary
 * @param needed what else it depends on
 * @param without what becomes of its work where it cannot be built
 */
function build(path, name, needed, without) {
  const folder = join(import.meta.dirname, path);
  const built = join(folder, 'build', 'Release', `${name}.node`);
  const stampFile = join(folder, 'build', 'built-for.txt');
  const stamp = stampOf(folder, needed);
  if (existsSync(built) && existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) {
    return;
  }
  const problem = compile(folder);
  if (problem === undefined) writeFileSync(stampFile, stamp);
  else console.log(`millrace: ${without}, the helper "${name}" was not built: ${problem}`);
}

build('engine/state/native', 'cells', [], 'state will be restored by JavaScript');
const rdkafka = rdkafkaVersion();
if (rdkafka === undefined) {
  console.log('millrace: node-rdkafka is not installed; the embedded log works, Kafka does not');
} else {
  const needed = [`node-rdkafka ${rdkafka}`];
  build('engine/log/kafka/native', 'packed', needed, 'Kafka will be used by plain calls');
}
