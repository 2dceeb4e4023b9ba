/** Many single faults over every file of log and state, and what comes of each. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SeededRandom } from '../../engine/base/random.ts';
import type { BackendName } from '../../engine/storage/backends.ts';
import { launch } from '../process/millrace.ts';
import { type Fault, filesOf, randomFault } from './faults.ts';
import { write } from './job.ts';

export interface DamageOptions {
  readonly backend: BackendName;
  readonly seed: number;
  readonly faults: number;
  /** Told of each fault that came to no good. */
  readonly bad?: (fault: Fault, outcome: string) => void;
  /** Told of each fault. */
  readonly met?: (fault: Fault, outcome: string) => void;
  readonly progress?: (done: number) => void;
}

/** Right results, state that was wiped and restored, or the log refused: nothing is silent. */
const good = /^(unharmed|restored|LOG_CORRUPT|aborted)$/;
const faultsPerChild = 100;

const isOfLog = ({ path }: { readonly path: string }) => path.startsWith('log');

/** How often each outcome was met. */
export async function damage(options: DamageOptions): Promise<Map<string, number>> {
  const { backend, seed, faults, bad, met, progress } = options;
  const work = await mkdtemp(join(tmpdir(), 'millrace-damage-'));
  try {
    const folder = join(work, 'data');
    await write(folder, backend);
    const random = new SeededRandom(seed);
    // Which files a database has depends on when it compacted: log and state take turns.
    const files = await filesOf(folder);
    const [log, rest] = [files.filter(isOfLog), files.filter((file) => !isOfLog(file))];
    const all = Array.from({ length: faults }, (_, i) => randomFault(random, i % 2 ? rest : log));
    const counts = new Map<string, number>();
    let done = 0;
    const count = (outcome: string) => {
      counts.set(outcome, (counts.get(outcome) ?? 0) + 1);
      const fault = all[done++] as Fault;
      met?.(fault, outcome);
      if (!good.test(outcome)) bad?.(fault, outcome);
    };
    while (done < faults) {
      const list = all.slice(done, done + faultsPerChild);
      const args = [backend, folder, join(work, 'copy'), JSON.stringify(list)];
      const { code, signal, stdout, stderr } = await launch('test/damage/child.ts', args).ended;
      for (const line of stdout.split('\n').slice(0, -1)) count(JSON.parse(line) as string);
      // The database checks some of its own numbers by assertion: loud, and nothing is changed.
      if (signal !== null) count('aborted');
      else if (code !== 0) count(`child failed: ${stderr.slice(-500)}`);
      progress?.(done);
    }
    return counts;
  } finally {
    await rm(work, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Outcomes that must not be. */
export function badOutcomes(counts: ReadonlyMap<string, number>): string[] {
  return [...counts.keys()].filter((outcome) => !good.test(outcome));
}
