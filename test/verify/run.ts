/**
 * `npm run verify -- --input FILE --mapping NAME`: runs the ready topology over a log, then recomputes
 * scores in SQL and memberships by brute force, apart from the engine; prints compared and differing.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import { inputFiles } from '../../engine/cli/input-files.ts';
import { report } from '../../engine/cli/output.ts';
import { readConfig, readMapping } from '../../engine/cli/start.ts';
import { checkPersonalisation } from '../../topologies/personalisation.ts';
import { compareScores, compareSegments } from './compare.ts';
import { runOver } from './engine-run.ts';
import { acceptedOf, readEvents } from './events.ts';
import { shuffledFile } from './shuffle.ts';

interface VerifyOptions {
  readonly input: readonly string[];
  readonly mapping: string;
  readonly config?: string;
  readonly threads: string;
  readonly shuffle?: string;
}

/** Answers the number of differing values. */
async function verify(options: VerifyOptions): Promise<number> {
  let mapping = await readMapping(options.mapping);
  let config = await readConfig(options.config);
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
    const run = await runOver({
      directory: join(work, 'data'),
      mapping,
      config,
      files,
      threads: Number(options.threads),
    });
    const { engagement, segments } = checkPersonalisation(config);
    const accepted = acceptedOf(await readEvents(mapping, files), engagement.graceMs);
    const scores = compareScores(run, accepted, engagement);
    const members = compareSegments(run, accepted, segments, options.shuffle === undefined);
    for (const line of [...scores.lines, ...members.lines]) process.stdout.write(`${line}\n`);
    return scores.differing + members.differing;
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

const program = new Command('verify')
  .requiredOption('--input <path...>', 'files or folders')
  .requiredOption('--mapping <name>', 'a shipped mapping, or the path of one')
  .option('--config <file>', 'JSON with engagement and segments')
  .option('--threads <n>', 'worker threads', '2')
  .option('--shuffle <seed>', 'bring the rows into a random order first');

try {
  const differing = await verify(program.parse().opts<VerifyOptions>());
  process.exitCode = differing === 0 ? 0 : 1;
} catch (error) {
  process.exitCode = report(error, false);
}
