/** The laws of the SourceConnector port (engine/runtime/connector.ts), for every connector. */
import assert from 'node:assert/strict';
import { PackedBatch } from '../record/batch.ts';
import type { SourceChunk, SourceConnector } from '../runtime/connector.ts';
import type { Law } from './law.ts';

/** How the laws reach a connector. */
export interface ConnectorUnderTest {
  /**
   * Creates a connector over the same input each time; the input must be finite and must not
   * change.
   */
  make(): SourceConnector | Promise<SourceConnector>;
  /** Number of partitions of the topics that it writes, by name. Default: one each. */
  readonly partitionsOf?: Readonly<Record<string, number>>;
}

const deadLetterTopic = 'law-dead-letters';

/** The records of a chunk, one string per record. */
function recordsOf(chunk: SourceChunk): string[] {
  return chunk.outputs.flatMap(({ topic, partition, image }) => {
    const batch = new PackedBatch(image);
    return Array.from({ length: batch.count }, (_, i) => {
      const text = (bytes: Buffer | null) => bytes?.toString('latin1') ?? null;
      const headers = Buffer.from(batch.headerBytes(i)).toString('latin1');
      const [key, value] = [text(batch.key(i)), text(batch.value(i))];
      return JSON.stringify([topic, partition, key, value, batch.timestamps[i], headers]);
    });
  });
}

/** The cursor as a log stores it. */
const kept = (cursor: unknown): unknown =>
  cursor === undefined ? undefined : JSON.parse(JSON.stringify(cursor));

/** Opens the connector, and reads it from cursors. */
function readingOf(under: ConnectorUnderTest) {
  const open = async (cursor: unknown) => {
    const source = await under.make();
    const ones = source.topics.map(({ name }) => [name, 1] as const);
    const partitionsOf = { ...Object.fromEntries(ones), ...under.partitionsOf };
    await source.open({
      cursor: kept(cursor),
      partitionsOf: { ...partitionsOf, [deadLetterTopic]: 1 },
      deadLetterTopic,
    });
    return { source, partitionsOf };
  };
  /** All chunks from a cursor to the end, or to an empty chunk. */
  const chunksFrom = async (cursor: unknown, limit: number) => {
    const { source, partitionsOf } = await open(cursor);
    const chunks: SourceChunk[] = [];
    try {
      for (;;) {
        const chunk = await source.next(limit);
        chunks.push(chunk);
        if (chunk.done || (chunk.records === 0 && chunk.moved !== true)) break;
      }
    } finally {
      await source.close();
    }
    return { chunks, topics: source.topics.map(({ name }) => name), partitionsOf };
  };
  const everything = async (cursor: unknown, limit: number) =>
    (await chunksFrom(cursor, limit)).chunks.flatMap(recordsOf).sort();
  return { open, chunksFrom, everything };
}

type Reading = ReturnType<typeof readingOf>;

/**
 * The laws of a connector. Its input must have records, few enough to be read a few dozen times.
 */
export function connectorLaws(under: ConnectorUnderTest): readonly Law[] {
  const reading = readingOf(under);
  return [...cursorLaws(reading), ...contentLaws(reading)];
}

function cursorLaws({ chunksFrom, everything }: Reading): readonly Law[] {
  return [
    {
      name: 'the same cursor and limit give the same chunk',
      async check() {
        const [one, other] = [await chunksFrom(undefined, 3), await chunksFrom(undefined, 3)];
        assert.deepEqual(one.chunks.map(recordsOf), other.chunks.map(recordsOf));
        assert.deepEqual(
          one.chunks.map(({ cursor }) => kept(cursor)),
          other.chunks.map(({ cursor }) => kept(cursor)),
        );
        assert.ok(
          one.chunks.some(({ records }) => records > 0),
          'the input has no records',
        );
      },
    },
    {
      name: 'a chunk takes no more than its limit, and any limit gives the same records',
      async check() {
        const whole = await everything(undefined, 1_000_000);
        for (const limit of [1, 2, 7]) {
          const { chunks } = await chunksFrom(undefined, limit);
          for (const { records } of chunks) assert.ok(records <= limit, `${records} > ${limit}`);
          assert.deepEqual(chunks.flatMap(recordsOf).sort(), whole);
        }
      },
    },
    {
      name: 'a start from any cursor neither repeats nor loses a record',
      async check() {
        const { chunks } = await chunksFrom(undefined, 2);
        const whole = chunks.flatMap(recordsOf).sort();
        const before: string[] = [];
        for (const chunk of chunks) {
          before.push(...recordsOf(chunk));
          // A runtime commits a cursor only with records or `moved`.
          if (chunk.records === 0 && chunk.moved !== true) continue;
          const after = await everything(chunk.cursor, 3);
          assert.deepEqual([...before, ...after].sort(), whole);
        }
      },
    },
  ];
}

function contentLaws({ open, chunksFrom }: Reading): readonly Law[] {
  return [
    {
      name: 'records go to its topics and their partitions; refused ones are counted',
      async check() {
        const { chunks, topics, partitionsOf } = await chunksFrom(undefined, 5);
        let dead = 0;
        for (const { topic, partition, image } of chunks.flatMap(({ outputs }) => outputs)) {
          if (topic === deadLetterTopic) dead += new PackedBatch(image).count;
          else assert.ok(topics.includes(topic), `${topic} is none of its topics`);
          const partitions = topic === deadLetterTopic ? 1 : (partitionsOf[topic] ?? 0);
          assert.ok(partition >= 0 && partition < partitions, `${topic} has no ${partition}`);
        }
        const counted = chunks.reduce((sum, { deadLettered }) => sum + deadLettered, 0);
        assert.equal(dead, counted);
        const times = chunks.map(({ eventTime }) => eventTime);
        assert.deepEqual(
          times,
          [...times].sort((a, b) => a - b),
          'event time goes back',
        );
      },
    },
    {
      name: 'a closed connector takes nothing more',
      async check() {
        const { source } = await open(undefined);
        await source.next(1);
        await source.close();
        await source.next(1).then(
          ({ records }) => assert.equal(records, 0),
          () => {},
        );
      },
    },
  ];
}
