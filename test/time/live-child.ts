/**
 * A live system: a thousand people are active, each once a second, until all quiet people have been
 * told of as absent. Rows with a time in 2098 come at the start, in the middle and at the end.
 * Arguments: folder, threads, and the ms UTC at which the quiet people were seen, where an earlier
 * process saw them. Prints what was told, as JSON.
 */
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { environment } from '../../engine/embed/environment.ts';
import { execute } from '../../engine/embed/execute.ts';
import type { Source } from '../../engine/graph/topic.ts';
import { Appender, type OutsideRecord, recordFor } from '../../engine/runtime/appender.ts';
import { goneBehind, goneDirect, views, visits } from './absence-module.ts';

const [folder = '', threads = '0', seenBefore] = process.argv.slice(2);
const giveUpMs = 100_000;
const quiet = ['quiet', 'alone'];

const execution = await execute({
  env: environment(folder),
  reference: { module: resolve(import.meta.dirname, 'absence-module.ts') },
  threads: Number(threads),
  settings: { partitions: 2, idleAfterMs: 300, maintainEveryMs: 1_000 },
});
const { log, runtime } = execution;
const { partitionsOf } = runtime.plan;
const appender = new Appender({ log, id: 'people', partitionsOf });
const stop = new AbortController();
const running = runtime.run(stop.signal);

const seen = (person: string, at: number): OutsideRecord[] =>
  [visits, views].map((topic) => recordFor(topic, person, person, at));
const wrongRow = () => appender.append(seen('wrong', Date.UTC(2098, 0, 1)));

let at = Number(seenBefore);
if (seenBefore === undefined) {
  await wrongRow();
  at = Date.now();
  await appender.append(quiet.flatMap((person) => seen(person, at)));
}

interface Told {
  readonly topic: string;
  readonly person: string;
  readonly at: number;
}

/** Everything told of quiet people so far. */
async function told(): Promise<Told[]> {
  const found: Told[] = [];
  for (const topic of [goneDirect, goneBehind] as Source<string, string>[]) {
    for (let from = 0; ; ) {
      const batch = await log.read({ topic: topic.name, partition: 0 }, from, { records: 10_000 });
      if (batch === undefined) break;
      for (let i = 0; i < batch.count; i++) {
        const person = batch.key(i)?.toString() ?? '';
        if (!quiet.includes(person)) continue;
        found.push({ topic: topic.name, person, at: batch.timestamps[i] as number });
      }
      from = batch.nextOffset;
    }
  }
  return found;
}

const begin = performance.now();
let next = 0;
let hasSaid = false;
let wrongRows = 0;
let all: Told[] = [];
const noticed = new Map<string, number>();
while (all.length < 2 * quiet.length && performance.now() - begin < giveUpMs) {
  const now = Date.now();
  const records = Array.from({ length: 10 }, () => seen(`active${next++ % 1_000}`, now)).flat();
  await appender.append(records);
  if (wrongRows === 0 && now > at + 1_500) {
    wrongRows++;
    await wrongRow();
  }
  if (!hasSaid && (await runtime.query('watch-behind')).some(({ key }) => key === 'alone')) {
    hasSaid = true;
    process.stderr.write(`seen ${at}\n`);
  }
  all = await told();
  for (const { topic, person } of all) {
    const name = `${topic} ${person}`;
    if (!noticed.has(name)) noticed.set(name, Date.now() - at - 3_000);
  }
  await sleep(10);
}
const isActive = next > 100;
await wrongRow();
while ((await runtime.lag()).some(({ records }) => records > 0)) await sleep(20);
stop.abort();
const { counters } = await running;
await appender.close();
await execution.close();
const { drops, failures } = counters;
const delays = Object.fromEntries(noticed);
process.stdout.write(JSON.stringify({ at, told: all, isActive, drops, failures, delays }));
