/** The job of the simulation: every kind of state, a repartition topic, timers and late records. */
import { count, hopping, joinWindow, session, sliding, sum, topic, topology, utf8 } from 'millrace';
import { randomBelow, type SeededRandom } from '../../engine/base/random.ts';
import type { Log } from '../../engine/log/log.ts';
import { BatchBuilder, type PackedBatch } from '../../engine/record/batch.ts';

export const partitions = 2;
const input = topic<string, string>('input', { value: utf8, partitions });
const timed = topic<string, string>('timed', { value: utf8, partitions });
const counts = topic<string, number>('counts', { partitions });
const joined = topic<string, string>('joined', { value: utf8, partitions });
const joinedRows = topic<string, string>('joined-rows', { value: utf8, partitions });

const pair = (left: unknown, right: unknown) => `${left ?? '-'}+${right ?? '-'}`;

export const job = topology('job', (t) => {
  const stream = t.stream(input);
  stream
    .process<number, string>('silence', {
      record: (context, value, timestamp) => {
        context.state = (context.state ?? 0) + 1;
        context.emit(`${value}#${context.state}`);
        context.setTimer('silence', timestamp + 25);
      },
      timer: (context, _, at) => {
        context.emit(`silent at ${at}`, at);
        if (context.state === 3) context.state = undefined;
      },
    })
    .to(timed);
  const grouped = stream.keyBy('by-value', (value) => value.slice(0, 1));
  const totals = grouped.count('totals');
  totals.to(counts);
  const lengths = grouped.map((value) => value.length);
  grouped
    .outerJoin('pairs', lengths, joinWindow({ before: 3, after: 8, grace: 12 }), pair)
    .map((text) => `pair ${text}`)
    .to(joined);
  const longest = grouped.reduce('longest', (a, b) => (a.length < b.length ? b : a));
  longest
    .leftJoin(totals, (text, n) => `${text}${n}`)
    .leftJoinForeign('by-size', totals, (text) => 'abcd'[text.length % 4], pair)
    .to(joinedRows);
  longest.groupBy('of-length', (text) => [String(text.length), text]).count('lengths');
  grouped
    .window(hopping({ size: 40, advance: 10, grace: 20 }))
    .aggregate('hops', count(), { emit: 'close' });
  grouped.window(sliding({ size: 15, grace: 10 })).aggregate('slides', count());
  grouped
    .window(session({ gap: 12, grace: 10 }))
    .aggregate(
      'sessions',
      sum((value: string) => value.length),
    )
    .suppress('final-sessions', { untilClosed: true, early: { everyRecords: 2, everyMs: 9 } });
  return {};
});

const keys = ['', 'k', 'k1', 'k2', 'k3'];

/**
 * Writes the seeded input: times mostly rise, some records come late, some keys are missing or
 * empty.
 */
export async function writeInput(log: Log, random: SeededRandom, records: number): Promise<void> {
  await log.createTopics([{ name: input.name, partitions, settings: input.settings }]);
  const writer = await log.openWriter('feeder');
  const builders = Array.from({ length: partitions }, () => new BatchBuilder());
  let now = 100;
  for (let i = 0; i < records; i++) {
    now += randomBelow(random, 9);
    const late = randomBelow(random, 5) === 0 ? randomBelow(random, 60) : 0;
    const key =
      randomBelow(random, 12) === 0 ? null : Buffer.from(keys[randomBelow(random, 5)] as string);
    const value = Buffer.from('abcd'.slice(randomBelow(random, 5)));
    builders[randomBelow(random, partitions)]?.append(key, value, Math.max(0, now - late));
  }
  const appends = builders.map((builder, partition) => ({
    topic: input.name,
    partition,
    batch: builder.finishAt(0),
  }));
  await writer.commit({ appends, offsets: [], commitId: 1 });
}

/** Everything in a log, record by record, as text. */
export async function contentOf(log: Log): Promise<string> {
  const lines: string[] = [];
  for (const { name: topicName, partitions: n } of await log.topics()) {
    for (let partition = 0; partition < n; partition++) {
      const at = { topic: topicName, partition };
      const batch = await log.read(at, await log.startOffset(at), { records: 1_000_000 });
      for (let i = 0; i < (batch?.count ?? 0); i++) lines.push(lineOf(batch as PackedBatch, i, at));
    }
  }
  return lines.join('\n');
}

function lineOf(batch: PackedBatch, i: number, at: { topic: string; partition: number }): string {
  const [key, value] = [batch.key(i), batch.value(i)].map(
    (bytes) => bytes?.toString('hex') ?? 'null',
  );
  const headers = batch.headerBytes(i).toString('hex');
  return `${at.topic}/${at.partition}@${batch.offsets[i]} ${batch.timestamps[i]} ${key} ${value} ${headers}`;
}
