/**
 * Writes the tasks' promises for downstream tasks: after all records of a commit, one record in
 * each partition of a repartition topic, with the promises of all tasks of this process. Only if
 * they have changed.
 */
import type { Append } from '../log/log.ts';
import { BatchBuilder } from '../record/batch.ts';
import { encodePromises, type ToldPromise } from '../record/marks.ts';
import type { TaskResult } from '../task/host-port.ts';
import type { ToldTopic } from './start-plan.ts';
import type { RunningTask } from './task-opener.ts';

interface Telling {
  readonly topic: ToldTopic;
  readonly told: ToldPromise[];
}

export function promiseAppends(
  results: readonly {
    readonly task: RunningTask;
    readonly result: Pick<TaskResult, 'promises'>;
  }[],
): Append[] {
  const tellings = new Map<string, Telling>();
  for (const { task, result } of results) {
    if (result.promises.length === 0) continue;
    for (const topic of task.planned.tells) {
      const own = result.promises.filter(({ level }) => level === topic.level);
      if (own.length === 0) continue;
      const telling = tellings.get(topic.name) ?? { topic, told: [] };
      tellings.set(topic.name, telling);
      for (const { promise } of own) telling.told.push({ task: task.planned.partition, promise });
    }
  }
  return [...tellings.values()].flatMap(({ topic, told }) => {
    const headers = encodePromises(told);
    return Array.from({ length: topic.partitions }, (_, partition): Append => {
      const builder = new BatchBuilder(1, headers.byteLength);
      // The timestamp has no meaning; a log that limits timestamps accepts this one.
      builder.append(null, null, 0, headers);
      return { topic: topic.name, partition, batch: builder.finishAt(0) };
    });
  });
}
