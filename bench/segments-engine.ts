/**
 * `npm run bench -- segments-engine`: the ready topology whole, with log, RocksDB state, changelogs
 * and exactly-once commits: 100 segments over many subjects, then a night in which everybody leaves
 * a segment.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { table } from '../engine/cli/output.ts';
import { environment, openLog } from '../engine/embed/environment.ts';
import { execute } from '../engine/embed/execute.ts';
import type { Log } from '../engine/log/log.ts';
import { topicRecords } from '../engine/log/topic-records.ts';
import { BatchBuilder } from '../engine/record/batch.ts';
import { partitionOf } from '../engine/record/partitioner.ts';
import { personalisationModule } from '../topologies/app/application.ts';
import { type Event, events, segmentChanges } from '../topologies/event.ts';
import { day, segmentsOf, subjectClasses } from './segments.ts';

const partitions = 4;
const eventsPerSubject = 5;
const firstDay = 1_000;
/** Every subject's last event lies in the day before this one. */
const silentFrom = firstDay + 3 * eventsPerSubject - 2;
/** Everybody is in it from the first event on, and leaves seven days after the last. */
const active = {
  id: 'active-7d',
  version: 1,
  when: { count: { event: subjectClasses, op: 'ge', n: 1, within: '7d' } },
};

/**
 * Five events a subject, three days apart, each subject at an instant of the day of its own.
 * @param begin days since 1970
 */
export async function fill(log: Log, subjects: number, begin = firstDay): Promise<void> {
  await log.createTopics([{ name: events.name, partitions, settings: events.settings }]);
  const writer = await log.openWriter('filler');
  for (let i = 0; i < eventsPerSubject; i++) {
    const builders = Array.from({ length: partitions }, () => new BatchBuilder());
    for (let s = 0; s < subjects; s++) {
      // In the order of time, as a topic is filled; 7 919 has no factor in common with a day.
      const inDay = Math.floor((s * day) / subjects);
      const event: Event = {
        id: `${s}-${i}`,
        class: subjectClasses[(s + i * 3) % subjectClasses.length] as string,
      };
      const key = events.key.encode(`s${s}`);
      builders[partitionOf(key, partitions)]?.append(
        key,
        events.value.encode(event),
        (begin + 3 * i) * day + inDay,
      );
    }
    const appends = builders.map((builder, partition) => ({
      topic: events.name,
      partition,
      batch: builder.finishAt(0),
    }));
    await writer.commit({ appends, offsets: [], commitId: i + 1 });
  }
  await writer.close();
}

interface Figures {
  readonly what: string;
  readonly count: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly changes: number;
}

async function measure(subjects: number, segments: number, threads: number): Promise<Figures[]> {
  const folder = await mkdtemp(join(tmpdir(), 'millrace-bench-'));
  const env = environment(folder);
  try {
    const filled = await openLog(env, 'personalisation');
    await fill(filled, subjects);
    await filled.close();
    const params = { segments: [...segmentsOf(segments - 1), active] };
    const reference = { module: personalisationModule, params };
    const execution = await execute({ env, reference, threads, settings: { partitions } });
    const { runtime, log } = execution;
    const timed = async (work: () => Promise<unknown>) => {
      const [begin, cpu] = [performance.now(), process.cpuUsage()];
      await work();
      const seconds = (performance.now() - begin) / 1_000;
      const { user, system } = process.cpuUsage(cpu);
      return { seconds, cpuSeconds: (user + system) / 1e6 };
    };
    /** Changes from an instant on, and of these the exits from `active`. */
    const changesFrom = async (at: number) => {
      let [changes, exits] = [0, 0];
      for await (const { value } of topicRecords(log, segmentChanges)) {
        if (value.effectiveAt < at) continue;
        changes++;
        if (value.segment === active.id && value.type === 'exited') exits++;
      }
      return { changes, exits };
    };
    try {
      const count = subjects * eventsPerSubject;
      const run = await timed(() => runtime.runUntilCaughtUp());
      if (runtime.summary.counters.processed < count) throw new Error('events are missing');
      const { changes } = await changesFrom(0);
      const dusk = (silentFrom + 6) * day;
      await runtime.advanceIdle(dusk);
      const night = await timed(() => runtime.advanceIdle(dusk + day));
      const told = await changesFrom(dusk);
      if (told.exits !== subjects)
        throw new Error(`${told.exits} of ${subjects} left ${active.id}`);
      return [
        { what: 'events', count, ...run, changes },
        { what: 'exits of a night', count: subjects, ...night, changes: told.changes },
      ];
    } finally {
      await execution.close();
    }
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Prints events and exits a second; MILLRACE_BENCH_SUBJECTS, default 100 000. */
export async function segmentsEngineBench(threads: number): Promise<void> {
  const subjects = Number(process.env['MILLRACE_BENCH_SUBJECTS'] ?? 100_000);
  const rows: (string | number)[][] = [];
  for (const segments of [1, 100]) {
    for (const { what, count, seconds, cpuSeconds, changes } of await measure(
      subjects,
      segments,
      threads,
    )) {
      const [rate, cost] = [Math.round(count / seconds), ((cpuSeconds * 1e6) / count).toFixed(1)];
      const each = Math.round(changes / seconds);
      process.stderr.write(`${segments} segments, ${what}: ${rate} a second\n`);
      rows.push([segments, subjects, what, count, seconds.toFixed(1), rate, cost, changes, each]);
    }
  }
  const header = ['segments', 'subjects', 'what', 'count', 's', 'a second', 'CPU us each'];
  console.log(table([...header, 'changes', 'changes/s'], rows));
}
