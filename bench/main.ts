/** `npm run bench [-- path|micro]`: see README.md. */
import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';
import { table } from '../engine/cli/output.ts';
import { jobs } from './jobs/page-views.ts';
import { micro } from './micro.ts';
import type { PathResult } from './path.ts';

const loader = ['--conditions=millrace-source', '--import=tsx'];

/** Each job in a process of its own, so that none warms up, or litters, for the next. */
function path(): void {
  const rows = Object.keys(jobs).map((job) => {
    const script = `${import.meta.dirname}/path.ts`;
    const { status, stdout, stderr } = spawnSync(process.execPath, [...loader, script, job], {
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`${job}: ${stderr}`);
    const result = JSON.parse(stdout) as PathResult;
    const { events, seconds, cpuSeconds, written, rssMiB } = result;
    const rate = Math.round(events / seconds);
    return [job, events, rate, ((cpuSeconds * 1e6) / events).toFixed(2), written, rssMiB];
  });
  console.log(table(['job', 'events', 'events/s', 'CPU us/event', 'written', 'RSS MiB'], rows));
}

const [which = 'all'] = process.argv.slice(2);
if (!['all', 'path', 'micro'].includes(which))
  throw new Error('usage: npm run bench [-- path|micro]');
console.log(`Node ${process.version}, ${cpus().length} cores, ${cpus()[0]?.model ?? 'unknown'}\n`);
if (which !== 'micro') path();
if (which !== 'path') {
  const rows = micro().map(({ piece, nanoseconds, spread }) => [
    piece,
    nanoseconds.toFixed(1),
    `+-${spread.toFixed(1)} %`,
  ]);
  console.log(`\n${table(['piece', 'ns', 'spread'], rows)}`);
}
