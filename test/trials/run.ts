/** `npm run trials -- DIR`: runs every trial of a folder and prints passed and failed by name. */
import { runTrial } from './run-trial.ts';
import { type Trial, trialsIn } from './trial.ts';

async function main(directory: string, name: string | undefined): Promise<number> {
  const trials = trialsIn(directory).filter((trial) => name === undefined || trial.name === name);
  if (trials.length === 0) {
    const which = name === undefined ? 'no trial' : `no trial named ${name}`;
    console.error(`${which} (trial.json, *.trial.json) below ${directory}`);
    return 2;
  }
  let failed = 0;
  for (const trial of trials) if (!(await passes(trial))) failed++;
  console.log(`${trials.length - failed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

async function passes(trial: Trial): Promise<boolean> {
  const problem = await runTrial(trial).catch((error: unknown) => String(error));
  if (problem === undefined) console.log(`passed   ${trial.name}: ${trial.title}`);
  else console.log(`failed   ${trial.name}: ${trial.title}\n         ${problem}`);
  return problem === undefined;
}

const [directory, name] = process.argv.slice(2);
if (directory === undefined) {
  console.error('usage: npm run trials -- DIR [NAME]');
  process.exitCode = 2;
} else process.exitCode = await main(directory, name);
