/** One run of the ready topology over a log, and what it left. */

import { environment, prepare } from '../../engine/embed/environment.ts';
import { execute } from '../../engine/embed/execute.ts';
import { personalisationModule } from '../../topologies/app/application.ts';
import { fileSource } from '../../topologies/app/mappings.ts';
import type { Mapping } from '../../topologies/ingest/mapping.ts';
import type { PersonalisationConfig } from '../../topologies/personalisation.ts';
import type { EngineResult } from '../../topologies/verify/compare.ts';
import { resultOf } from '../../topologies/verify/result.ts';

export async function runOver(options: {
  readonly directory: string;
  readonly mapping: Mapping;
  readonly config: PersonalisationConfig;
  readonly files: readonly string[];
  readonly threads: number;
  readonly partitions?: number;
}): Promise<EngineResult> {
  const { mapping, config, files, threads, partitions } = options;
  const env = environment(options.directory);
  await prepare(env, true);
  const reference = { module: personalisationModule, params: config };
  const sources = [fileSource(mapping, files)];
  const settings = partitions === undefined ? {} : { partitions };
  const execution = await execute({ env, reference, threads, sources, settings });
  try {
    const { runtime } = execution;
    await runtime.runUntilCaughtUp();
    const end = Math.max(...runtime.summary.sources.map((source) => source.eventTime));
    await runtime.advanceIdle(end);
    return await resultOf(execution, end);
  } finally {
    await execution.close();
  }
}
