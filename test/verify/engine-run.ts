/** One run of the ready topology over a log, and what it left: profiles and changes. */

import { environment, prepare } from '../../engine/cli/environment.ts';
import { execute } from '../../engine/cli/execution.ts';
import { fileSource, personalisationModule } from '../../engine/cli/start.ts';
import type { Log } from '../../engine/log/log.ts';
import { type SegmentChange, segmentChanges } from '../../topologies/event.ts';
import type { Mapping } from '../../topologies/ingest/mapping.ts';
import { type PersonalisationConfig, profileLogic } from '../../topologies/personalisation.ts';
import type { Profile } from '../../topologies/profile.ts';
import type { SqlScore } from './score-sql.ts';

export interface EngineRun {
  /** The greatest event time, to which the clock was advanced at the end; ms UTC. */
  readonly end: number;
  readonly subjects: readonly string[];
  readonly changes: readonly SegmentChange[];
  scoreOf(subject: string, at: number): SqlScore;
}

export async function runOver(options: {
  readonly directory: string;
  readonly mapping: Mapping;
  readonly config: PersonalisationConfig;
  readonly files: readonly string[];
  readonly threads: number;
}): Promise<EngineRun> {
  const { mapping, config, files, threads } = options;
  const env = environment(options.directory);
  await prepare(env, true);
  const reference = { module: personalisationModule, params: config };
  const sources = [fileSource(mapping, files)];
  const execution = await execute({ env, reference, threads, sources });
  try {
    const { runtime, log } = execution;
    await runtime.runUntilCaughtUp();
    const end = Math.max(...runtime.summary.sources.map((source) => source.eventTime));
    await runtime.advanceIdle(end);
    const logic = profileLogic(config);
    const rows = await runtime.query('profiles');
    const profiles = new Map(rows.map((row) => [String(row.key), row.value as Profile]));
    return {
      end,
      subjects: [...profiles.keys()],
      changes: await allChanges(log),
      scoreOf: (subject, at) => logic.scoreOf(profiles.get(subject) as Profile, at),
    };
  } finally {
    await execution.close();
  }
}

async function allChanges(log: Log): Promise<SegmentChange[]> {
  const { name, valueDecoder } = segmentChanges;
  const topic = (await log.topics()).find((known) => known.name === name);
  const changes: SegmentChange[] = [];
  for (let partition = 0; partition < (topic?.partitions ?? 0); partition++) {
    for (let from = 0; ; ) {
      const batch = await log.read({ topic: name, partition }, from, { records: 10_000 });
      if (batch === undefined) break;
      for (let i = 0; i < batch.count; i++) {
        const value = batch.value(i);
        if (value) changes.push(valueDecoder.decode(value, 0, value.byteLength));
      }
      from = batch.nextOffset;
    }
  }
  return changes;
}
