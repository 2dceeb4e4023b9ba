/** The results of a run of the ready topology, from its state and its topics. */
import { type Log, type Runtime, topicRecords } from 'millrace/engine';
import { activityLabels, segmentChanges } from '../event.ts';
import type { Profile } from '../subject/profile.ts';
import type { EngineResult } from './compare.ts';

/**
 * @param end the instant to which the clock was advanced, ms UTC
 * @param wanted whether a subject is to be compared; default: all
 */
export async function resultOf(
  { runtime, log }: { readonly runtime: Pick<Runtime, 'query'>; readonly log: Log },
  end: number,
  wanted: (subject: string) => boolean = () => true,
): Promise<EngineResult> {
  const rows = await runtime.query('profiles');
  const profiles = new Map(
    rows
      .filter((row) => wanted(String(row.key)))
      .map((row) => [String(row.key), row.value as Profile]),
  );
  return {
    end,
    profiles,
    changes: await valuesOf(topicRecords(log, segmentChanges), wanted),
    labels: await valuesOf(topicRecords(log, activityLabels), wanted),
  };
}

async function valuesOf<V>(
  records: AsyncGenerator<{ readonly key: string; readonly value: V }>,
  wanted: (subject: string) => boolean,
): Promise<V[]> {
  const values: V[] = [];
  for await (const { key, value } of records) if (wanted(key)) values.push(value);
  return values;
}
