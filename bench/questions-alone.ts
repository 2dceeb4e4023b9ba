/**
 * How long who asks about a subject waits for the thread that has it, in processor time: so it can
 * be told on a machine that others use as well. One task of the ready topology, state in memory, no
 * log, works cycle by cycle; a question is due at a fixed rate of that time, and waits from then on
 * (open loop), whether the thread lets messages in or not.
 * Arguments: folders of checkouts, which take turns. Prints a table; see README.md.
 */

import { join } from 'node:path';
import { systemClock } from '../engine/base/clock.ts';
import { commitIdOf } from '../engine/base/commit-id.ts';
import { systemWorld } from '../engine/base/world.ts';
import { table } from '../engine/cli/output.ts';
import { BatchBuilder } from '../engine/record/batch.ts';
import type { HostPort } from '../engine/task/host-port.ts';
import { events } from '../topologies/event.ts';
import { hostOf } from './other-checkout.ts';
import { day, segmentsOf, subjectClasses } from './segments.ts';

const [subjects, perCycle, cycles, warmCycles] = [5_000, 1_024, 40, 20];
/** From one question to the next, CPU ms. */
const everyMs = 2;
/**
 * From one cycle to the next by the clock of commits, ms: what changed is saved every five seconds.
 */
const cycleMs = 250;
const firstDay = 20_000;

interface Side {
  readonly folder: string;
  readonly host: HostPort;
  stores: readonly string[];
  /** CPU ms from each question to its answer. */
  readonly waits: number[];
  /** CPU ms of cycles with questions, and of those without. */
  readonly asked: number[];
  readonly alone: number[];
}

async function sideOf(folder: string): Promise<Side> {
  const host = await hostOf(
    folder,
    async (from) => {
      const { default: personalisation } = await from<
        typeof import('../topologies/personalisation.ts')
      >('topologies/personalisation.ts');
      return personalisation({ segments: segmentsOf(10) });
    },
    ({ nodes }) =>
      Object.fromEntries(
        nodes.flatMap((node) => (node.type === 'sink' ? [[node.topic.name, 1]] : [])),
      ),
    2 ** 27,
    // What the thread decides by time it decides by that of the processor, too.
    { ...systemWorld, clock: { now: systemClock.now, monotonic: cpuMs } },
  );
  const positions = [
    { topic: events.name, offset: 0 },
    { topic: 'identity-links', offset: 0 },
  ];
  const opened = await host.open({ taskId: '0_0', subTopology: 0, partition: 0, positions });
  const stores = opened.map(({ store }) => store);
  return { folder, host, stores, waits: [], asked: [], alone: [] };
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1_000;
}

function imageOf(cycle: number): ArrayBuffer {
  const builder = new BatchBuilder();
  for (let i = 0; i < perCycle; i++) {
    const n = cycle * perCycle + i;
    const event = {
      id: String(n),
      class: subjectClasses[n % subjectClasses.length] as string,
    };
    const key = events.key.encode(`s${(n * 7_919) % subjects}`);
    builder.append(key, events.value.encode(event), firstDay * day + n * 1_000);
  }
  return builder.finishAt(cycle * perCycle).image;
}

async function run(side: Side, cycle: number, asks: boolean): Promise<void> {
  const { host, waits } = side;
  let isDone = false;
  const begin = cpuMs();
  const done = host
    .process({
      taskId: '0_0',
      commitId: commitIdOf(cycle + 1),
      batches: [{ topic: events.name, image: imageOf(cycle) }],
      caughtUp: [events.name, 'identity-links'],
    })
    .then(async ({ counters, positions }) => {
      if (counters.in !== perCycle) throw new Error(`took ${counters.in} records`);
      const ends = side.stores.map((store) => ({ store, offset: positions[0]?.offset ?? 0 }));
      await host.commit('0_0', commitIdOf(cycle + 1), ends, cycleMs * cycle);
    })
    .finally(() => {
      isDone = true;
    });
  done.catch(() => {});
  const underWay: Promise<void>[] = [];
  const ask = async (i: number, due: number) => {
    const keyText = `s${(i * 104_729 + cycle) % subjects}`;
    await host.ask('0_0', { table: 'profiles', store: 'profiles', name: 'subjects', keyText });
    if (cycle >= warmCycles) waits.push(cpuMs() - due);
  };
  for (let [i, due] = [0, begin + everyMs]; asks && !isDone; ) {
    for (; due <= cpuMs(); due += everyMs) underWay.push(ask(i++, due));
    // As messages come to a thread.
    await new Promise((next) => setImmediate(next));
  }
  await Promise.all(underWay);
  await done;
  if (cycle >= warmCycles) (asks ? side.asked : side.alone).push(cpuMs() - begin);
}

const folders = process.argv.slice(2);
const sides: Side[] = [];
for (const folder of folders.length > 0 ? folders : [join(import.meta.dirname, '..')]) {
  sides.push(await sideOf(folder));
}
for (let cycle = 0; cycle < cycles + warmCycles; cycle++) {
  for (const side of sides) await run(side, cycle, cycle % 2 === 0);
}
const mean = (list: readonly number[]) => list.reduce((a, b) => a + b, 0) / list.length;
const rows = sides.map(({ folder, waits, asked, alone }) => {
  waits.sort((a, b) => a - b);
  const at = (share: number) => waits[Math.floor(share * (waits.length - 1))] as number;
  const numbers = [at(0.5), at(0.99), at(1), mean(asked), mean(alone)];
  return [folder, waits.length, ...numbers.map((value) => value.toFixed(1))];
});
console.log(
  table(['code', 'answers', 'p50 ms', 'p99', 'most', 'a cycle with questions', 'without'], rows),
);
