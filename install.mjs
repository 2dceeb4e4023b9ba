/**
 * Run by `npm install`: builds the native helpers where there is a compiler, and deletes what the
 * packages leave behind and nobody needs. It never fails the install: what a helper does is done
 * without it as well, only slower, and without node-rdkafka the embedded log works all the same.
 * Only headers are needed here, so it does not matter whether node-rdkafka itself is compiled
 * before or after.
 */
import { spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);

/** The folder of a package; undefined where it is not installed. */
function folderOf(name) {
  try {
    return dirname(require.resolve(`${name}/package.json`));
  } catch {
    // Some packages export no package.json.
    const paths = require.resolve.paths(name) ?? [];
    return paths.map((path) => join(path, name)).find((path) => existsSync(path));
  }
}

/** The version of node-rdkafka; undefined where it is not installed. */
function rdkafkaVersion() {
  const folder = folderOf('node-rdkafka');
  if (folder === undefined) return undefined;
  return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')).version;
}

/** ELF, and Mach-O of one or several architectures. */
const binaryMagic = new Set(['7f454c46', 'cffaedfe', 'cafebabe']);

function isBinary(path) {
  const file = openSync(path, 'r');
  try {
    const start = Buffer.alloc(4);
    readSync(file, start, 0, 4, 0);
    return binaryMagic.has(start.toString('hex'));
  } finally {
    closeSync(file);
  }
}

/** Deletes the files of a folder, and of those in it, for which `isWaste` is true. */
function sweep(folder, isWaste) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath ?? entry.path, entry.name);
    if (entry.isFile() && isWaste(entry.name, path)) rmSync(path, { force: true });
  }
}

/**
 * node-rdkafka leaves half a gigabyte of objects and examples. Its sources and what it loads stay, so
 * that `npm rebuild` works. While it is still being compiled nothing is touched.
 */
function sweepRdkafka(folder) {
  if (!existsSync(join(folder, 'build', 'Release', 'node-librdkafka.node'))) return;
  const isObject = (name) => /\.(o|lo|d|a)$/.test(name);
  sweep(join(folder, 'deps'), (name, path) => isObject(name) || isBinary(path));
  sweep(join(folder, 'build'), isObject);
  rmSync(join(folder, 'build', 'Release', 'obj.target'), { recursive: true, force: true });
}

/** rocksdb-native brings the binaries of thirteen platforms: this one's stay, and those of Linux, for containers. */
function sweepRocksDb(folder) {
  const prebuilds = join(folder, 'prebuilds');
  if (!existsSync(prebuilds)) return;
  const kept = [`${process.platform}-${process.arch}`, 'linux-x64', 'linux-arm64'];
  for (const name of readdirSync(prebuilds)) {
    if (!kept.includes(name)) rmSync(join(prebuilds, name), { recursive: true, force: true });
  }
  sweep(prebuilds, (name) => name.endsWith('.bare'));
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

for (const [name, sweepIt] of [
  ['node-rdkafka', sweepRdkafka],
  ['rocksdb-native', sweepRocksDb],
]) {
  const folder = folderOf(name);
  try {
    if (folder !== undefined) sweepIt(folder);
  } catch (error) {
    console.log(`millrace: ${name} takes more space than it needs: ${error.message}`);
  }
}
