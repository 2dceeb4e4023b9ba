/**
 * `npm run torture -- --kills N --seed S`: prints every fault and what Kafka's own reader found.
 */
import { Command, InvalidArgumentError, Option } from 'commander';
import { type Fault, torture } from './torture.ts';

function whole(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw new InvalidArgumentError('It must be a whole number.');
  return Number(text);
}

const { kills, seed, faults, keep, protocol } = new Command('torture')
  .description('two processes share a job on a real Kafka broker and are killed, again and again')
  .option('--kills <n>', 'processes killed', whole, 20)
  .option('--seed <n>', 'of the faults', whole, Math.floor(Math.random() * 2 ** 31))
  .option(
    '--faults <list>',
    'these instead of drawn ones: kill, freeze, broker, separated by commas',
  )
  .addOption(
    new Option('--protocol <name>', 'of the group')
      .choices(['classic', 'consumer'])
      .default('classic'),
  )
  .option('--keep <folder>', 'keep data and what the processes said')
  .parse()
  .opts<{
    kills: number;
    seed: number;
    faults?: string;
    keep?: string;
    protocol: 'classic' | 'consumer';
  }>();

const begin = Date.now();
const report = await torture({
  kills,
  seed,
  protocol,
  say: (line) => console.log(line),
  ...(faults === undefined ? {} : { faults: faults.split(',') as Fault[] }),
  ...(keep === undefined ? {} : { keep }),
});
const { events, expected, lost, doubled, lostOf, problems, stops } = report;
for (const stop of stops) console.log(`stopped ${stop}`);
if (lost > 0) console.log(`lost ${JSON.stringify(lostOf)}`);
for (const problem of problems) console.log(`PROBLEM ${problem}`);
const minutes = ((Date.now() - begin) / 60_000).toFixed(1);
console.log(
  `seed ${seed}: ${kills} kills in ${minutes} minutes, ${events} events, ${expected} results: ${lost} lost, ${doubled} doubled`,
);
process.exitCode = problems.length === 0 && lost + doubled === 0 ? 0 : 1;
