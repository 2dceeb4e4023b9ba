/**
 * How a job's rate and memory go with the number of keys and of threads: comparisons that differ in
 * one number.
 */
import { table } from '../../engine/cli/output.ts';
import { type CompareOptions, compare, type Line } from './compare.ts';
import { cpuOf } from './peer.ts';

export interface ScaleOptions extends CompareOptions {
  /** Distinct keys, with the threads of `threads`. */
  readonly keysOf: readonly number[];
  /** Threads, with the keys of `keys`. */
  readonly threadsOf: readonly number[];
}

export interface ScaleLine extends Line {
  readonly keys: number;
  readonly threads: number;
}

export async function measureScale(options: ScaleOptions): Promise<ScaleLine[]> {
  const { keys, threads, keysOf, threadsOf, say } = options;
  const settings = [
    ...keysOf.map((k) => ({ keys: k, threads })),
    ...threadsOf.filter((n) => n !== threads).map((n) => ({ keys, threads: n })),
  ];
  const lines: ScaleLine[] = [];
  for (const setting of settings) {
    say(`${setting.keys} keys, ${setting.threads} threads`);
    const { lines: some } = await compare({ ...options, ...setting });
    lines.push(...some.map((line) => ({ ...line, ...setting })));
  }
  return lines;
}

export function scaleTable(lines: readonly ScaleLine[]): string {
  const head = [
    'job',
    'keys',
    'threads',
    'who',
    'events/s',
    'CPU s/M',
    'RSS MiB',
    'state MiB',
    'oracle',
  ];
  return table(
    head,
    lines.map(({ job, keys, threads, peer, drained, verdict }) => [
      job,
      keys,
      threads,
      peer,
      drained.eventsPerSecond,
      cpuOf(drained).toFixed(2),
      drained.rssMiB,
      ((drained.stateBytes ?? 0) / 2 ** 20).toFixed(0),
      verdict.green ? 'green' : `VOID: ${verdict.problem}`,
    ]),
  );
}
