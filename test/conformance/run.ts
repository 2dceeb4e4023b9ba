/**
 * `npm run conformance -- DIR`: runs every case file of a folder and prints passed and failed by
 * name.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CaseFile, runCase, supportedKinds } from './case.ts';

async function main(directory: string): Promise<number> {
  const tally = { passed: 0, failed: 0, notYet: 0 };
  for (const name of readdirSync(directory).sort()) {
    if (!name.endsWith('.json')) continue;
    const file = JSON.parse(readFileSync(join(directory, name), 'utf8')) as CaseFile;
    if (!supportedKinds.includes(file.pipeline.kind)) {
      tally.notYet++;
      console.log(`not yet  ${name} (${file.pipeline.kind})`);
      continue;
    }
    const difference = await runCase(file).catch((error: unknown) => String(error));
    tally[difference === undefined ? 'passed' : 'failed']++;
    console.log(difference === undefined ? `passed   ${name}` : `failed   ${name}: ${difference}`);
  }
  console.log(`${tally.passed} passed, ${tally.failed} failed, ${tally.notYet} not yet`);
  if (tally.passed + tally.failed + tally.notYet === 0) {
    console.error(`no case files (*.json) in ${directory}`);
    return 2;
  }
  return tally.failed === 0 ? 0 : 1;
}

const [directory] = process.argv.slice(2);
if (directory === undefined) {
  console.error('usage: npm run conformance -- DIR');
  process.exitCode = 2;
} else process.exitCode = await main(directory);
