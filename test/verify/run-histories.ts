/**
 * `npm run histories`: random histories against the definition, for every kind of node, read from
 * `segment-changes`. Prints compared and differing by kind; the exit code is 1 when any differs.
 */
import { Command } from 'commander';
import { compareHistories, kinds, type Mode, modes } from './output-histories.ts';

const program = new Command('histories')
  .option('--histories <n>', 'of each kind and mode', '100000')
  .option('--kind <name...>', `of ${Object.keys(kinds).join(', ')}; default all`)
  .option('--mode <name...>', `of ${modes.join(', ')}; default all`)
  .option('--seed <n>', 'the first; each run of 100 subjects has the next one', '1');

interface Options {
  readonly histories: string;
  readonly kind?: readonly string[];
  readonly mode?: readonly Mode[];
  readonly seed: string;
}

const subjects = 100;
const {
  histories,
  kind = Object.keys(kinds),
  mode = modes,
  seed,
} = program.parse().opts<Options>();
let failed = false;
for (const one of mode) {
  const rows = new Map(kind.map((name) => [name, { histories: 0, ends: 0, differing: 0 }]));
  for (let i = 0; i * subjects < Number(histories); i++) {
    const outcomes = await compareHistories(kind, one, subjects, Number(seed) + i);
    for (const [name, { ends, differing }] of outcomes) {
      const row = rows.get(name) as { histories: number; ends: number; differing: number };
      row.histories += subjects;
      row.ends += ends;
      row.differing += differing.length;
      if (differing.length === 0) continue;
      failed = true;
      const [first] = differing;
      if (row.differing === differing.length) console.log(JSON.stringify(first));
    }
  }
  for (const [name, row] of rows) {
    console.log(
      `${one}, ${name}: ${row.histories} histories, ${row.ends} ends, ${row.differing} differing`,
    );
  }
}
process.exitCode = failed ? 1 : 0;
