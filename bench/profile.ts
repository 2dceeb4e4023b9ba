/**
 * `npm run profile -- JOB`: one job of `path` under the CPU profiler; prints where the time goes,
 * by part of the engine and by function. The profile itself, for a viewer, stays in the folder it
 * names.
 */
import { spawnSync } from 'node:child_process';
import { mkdtemp, readdir, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { table } from '../engine/cli/output.ts';
import { jobs } from './jobs/page-views.ts';

interface Frame {
  readonly functionName: string;
  readonly url: string;
  readonly lineNumber: number;
}

interface CpuProfile {
  readonly nodes: readonly { readonly id: number; readonly callFrame: Frame }[];
  readonly samples: readonly number[];
  /** µs since the sample before. */
  readonly timeDeltas: readonly number[];
}

const root = join(import.meta.dirname, '..');
const functionsShown = 30;

/** The folder a frame is of, such as engine/state, or what V8 calls it: '(garbage collector)'. */
function partOf({ url, functionName }: Frame): string {
  if (url.startsWith('file:')) {
    const path = relative(root, new URL(url).pathname).split('/');
    const dependency = path.lastIndexOf('node_modules');
    if (dependency >= 0) return path.slice(dependency, dependency + 2).join('/');
    return path.slice(0, path[0] === 'engine' ? 2 : 1).join('/');
  }
  if (functionName.startsWith('(')) return functionName;
  return url.startsWith('node:') ? 'node' : 'native';
}

function nameOf({ url, functionName, lineNumber }: Frame): string {
  if (!url.startsWith('file:')) return functionName || '(anonymous)';
  const file = new URL(url).pathname.split('/').pop();
  return `${functionName || '(anonymous)'} ${file}:${lineNumber + 1}`;
}

/** Self time by name, ms, greatest first; V8's idle and bookkeeping samples are left out. */
function selfTimes(profile: CpuProfile, nameIt: (frame: Frame) => string): [string, number][] {
  const frames = new Map(profile.nodes.map(({ id, callFrame }) => [id, callFrame]));
  const times = new Map<string, number>();
  profile.samples.forEach((id, i) => {
    const frame = frames.get(id);
    if (frame === undefined || frame.functionName === '(idle)') return;
    const name = nameIt(frame);
    times.set(name, (times.get(name) ?? 0) + (profile.timeDeltas[i] as number) / 1_000);
  });
  return [...times].sort((a, b) => b[1] - a[1]);
}

function print(head: string, times: readonly [string, number][], shown: number): void {
  const total = times.reduce((sum, [, ms]) => sum + ms, 0);
  const rows = times
    .slice(0, shown)
    .map(([name, ms]) => [name, Math.round(ms), ((100 * ms) / total).toFixed(1)]);
  console.log(`${table([head, 'self ms', '%'], rows)}\n`);
}

const job = process.argv[2] ?? '';
if (!(job in jobs)) throw new Error(`usage: npm run profile -- ${Object.keys(jobs).join('|')}`);
const folder = await mkdtemp(join(tmpdir(), 'millrace-profile-'));
const { status, stderr } = spawnSync(
  process.execPath,
  [
    '--conditions=millrace-source',
    '--import=tsx',
    '--cpu-prof',
    `--cpu-prof-dir=${folder}`,
    join(import.meta.dirname, 'path.ts'),
    job,
  ],
  { encoding: 'utf8' },
);
if (status !== 0) throw new Error(`${job}: ${stderr}`);
// The loader of the sources has threads of its own; the job's profile is the largest.
let [largest, path] = ['', ''];
for (const name of await readdir(folder)) {
  const text = await readFile(join(folder, name), 'utf8');
  if (text.length > largest.length) [largest, path] = [text, join(folder, name)];
}
const profile = JSON.parse(largest) as CpuProfile;
print('part', selfTimes(profile, partOf), Number.POSITIVE_INFINITY);
print('function', selfTimes(profile, nameOf), functionsShown);
console.log(path);
