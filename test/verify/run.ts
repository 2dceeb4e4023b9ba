/**
 * `npm run verify -- --input FILE --mapping NAME`: runs the ready topology over a log, then
 * recomputes everything from the rows of the log apart from the engine; prints compared and
 * differing.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { inputFiles } from '../../engine/cli/input-files.ts';
import { report } from '../../engine/cli/output.ts';
import { readConfig } from '../../topologies/app/configuration.ts';
import { readMapping } from '../../topologies/app/mappings.ts';
import { mismatchesOf } from '../../topologies/app/verify.ts';
import type { PersonalisationConfig } from '../../topologies/personalisation.ts';
import { compareWithSql, textOfPart } from '../../topologies/verify/compare.ts';
import { runOver } from './engine-run.ts';
import { readEvents } from './events.ts';
import { shuffledFile } from './shuffle.ts';

interface VerifyOptions {
  readonly input: readonly string[];
  readonly mapping: string;
  readonly config?: string;
  readonly segments?: string;
  readonly threads: string;
  readonly partitions: string;
  readonly shuffle?: string;
}

/** Answers the number of differing values. */
async function verify(options: VerifyOptions): Promise<number> {
  let mapping = await readMapping(options.mapping);
  let config = await readConfig(options.config, mapping);
  if (options.segments !== undefined) {
    config = { ...config, ...(await segmentsIn(options.segments)) };
  }
  let files = (await inputFiles(options.input)) ?? [];
  const work = await mkdtemp(join(tmpdir(), 'millrace-verify-'));
  try {
    if (options.shuffle !== undefined) {
      const file = join(work, `shuffled.${mapping.format}`);
      await shuffledFile(mapping, files, Number(options.shuffle), file);
      // In shuffled order nothing may be late, or the accepted set would be another one.
      config = { ...config, engagement: { ...config.engagement, graceMs: 100 * 366 * 86_400_000 } };
      [mapping, files] = [{ ...mapping, order: 'file' }, [file]];
    }
    const result = await runOver({
      directory: join(work, 'data'),
      mapping,
      config,
      files,
      threads: Number(options.threads),
      partitions: Number(options.partitions),
    });
    const parts = await compareWithSql(config, await readEvents(mapping, files), result);
    process.stdout.write(`${parts.map(textOfPart).join('\n')}\n`);
    return mismatchesOf(parts);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** A file of segments: a list of them, or a configuration that has one. */
async function segmentsIn(file: string): Promise<Pick<PersonalisationConfig, 'segments'>> {
  const found: unknown = await readConfig(file);
  if (Array.isArray(found)) return { segments: found };
  const { segments = [] } = found as PersonalisationConfig;
  return { segments };
}

const program = new Command('verify')
  .requiredOption('--input <path...>', 'files or folders')
  .requiredOption('--mapping <name>', 'a shipped mapping, or the path of one')
  .option('--config <file>', 'JSON with engagement, machine, consent and segments')
  .option('--segments <file>', 'JSON with segments: a list, or an object that has one')
  .option('--threads <n>', 'worker threads', '2')
  .option('--partitions <n>', 'of each topic', '4')
  .option('--shuffle <seed>', 'bring the rows into a random order first');

try {
  const differing = await verify(program.parse().opts<VerifyOptions>());
  process.exitCode = differing === 0 ? 0 : 1;
} catch (error) {
  process.exitCode = report(error, false);
}
