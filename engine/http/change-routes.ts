/** Subscriptions to changes of stores and tables of any topology. */
import { keyTextOf } from '../base/bytes.ts';
import { changelogTopic } from '../graph/topic-names.ts';
import { readableTable } from '../graph/view.ts';
import type { PackedBatch } from '../record/batch.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { askedKeyText, type TableQuestions } from '../runtime/table-questions.ts';
import { type Followed, placesOf, placeText, type TopicTails } from '../runtime/topic-tail.ts';
import { changelogRecord, recordOf } from '../state/changelog.ts';
import { needed, type ServerEvent, type StreamRoute } from './routes.ts';

export interface AskedChanges {
  readonly application: string;
  readonly runtime: Pick<Runtime, 'tasks'>;
  readonly tables: TableQuestions;
  readonly tails: TopicTails;
}

/** Interval of heartbeats, ms. */
export const quietMs = 15_000;

export function changeRoutes(asked: AskedChanges): readonly StreamRoute[] {
  return [
    {
      method: 'GET',
      path: '/v1/stores/:store/changes',
      about: {
        summary: 'Rows of keys that change, as server-sent events; of one key, or of all.',
        parameters: {
          store: { description: 'Name of a store or table.' },
          key: { description: 'Only this key.' },
        },
      },
      subscribe: async (query, lastId, signal) => {
        const name = needed(query, 'store');
        const { topology } = asked.runtime.tasks;
        const spec = asked.tables.specOf(name);
        const { store } = readableTable(topology, name);
        const text = query.get('key');
        const only = text === null ? undefined : askedKeyText(spec, text, 'key');
        const topic = spec.source?.topic ?? changelogTopic(asked.application, store);
        const keysOf = spec.source === undefined ? changedKeys : recordKeys;
        const partitions = await followedFrom(asked.tails, [{ topic }], lastId);
        const seen = followed(asked.tails, partitions, signal, (batch, from) =>
          keysOf(batch, from).filter((keyText) => only === undefined || keyText === only),
        );
        return rowsOf(asked.tables, name, seen, signal);
      },
    },
  ];
}

/** Yields the current rows of keys: each change triggers a read, so the row may be even newer. */
async function* rowsOf(
  tables: TableQuestions,
  name: string,
  seen: AsyncIterable<SeenEvent<string>>,
  signal: AbortSignal,
): AsyncGenerator<ServerEvent> {
  for await (const { event, id, of } of seen) {
    if (typeof of !== 'string') {
      yield of === undefined ? { event, id } : { event, id, data: of };
      continue;
    }
    const { rows, asOf } = await tables.row(name, of, {}, signal);
    const key = rows[0]?.key ?? Buffer.from(of, 'latin1').toString();
    yield { event: 'changed', id, data: { key, rows, asOf } };
  }
}

/** Events that a subscription derives from a record, or from a change of a partition. */
export interface SeenEvent<T> {
  readonly event: string;
  readonly id: string;
  readonly of: T | object | undefined;
}

/**
 * Events of some partitions: first the start position, then the events that `seenIn` derives from
 * the records from an offset on, each with the position after it.
 */
export async function* followed<T>(
  tails: TopicTails,
  partitions: readonly Followed[],
  signal: AbortSignal,
  seenIn: (batch: PackedBatch, from: number, at: Followed) => readonly T[],
): AsyncGenerator<SeenEvent<T>> {
  yield { event: 'open', id: placeText(partitions), of: { partitions: partitions.length } };
  for await (const tail of tails.follow(partitions, quietMs, signal)) {
    if (tail.kind === 'quiet') {
      yield { event: 'quiet', id: placeText(partitions), of: undefined };
      continue;
    }
    if (tail.kind === 'gap') {
      const { topic, partition, from, to } = tail;
      yield { event: 'gap', id: placeText(partitions), of: { topic, partition, from, to } };
      continue;
    }
    const { at, batch } = tail;
    const seen = seenIn(batch, at.offset, at);
    // Only the last event moves the reader's position after the batch; a reader that leaves earlier
    // receives the whole batch again.
    const before = placeText(partitions);
    const behind = placeText(
      partitions.map((one) => (one === at ? { ...one, offset: batch.nextOffset } : one)),
    );
    for (const [i, of] of seen.entries()) {
      yield { event: 'changed', id: i === seen.length - 1 ? behind : before, of };
    }
  }
}

/** The partitions of topics, at their ends or at the position of a subscriber. */
export async function followedFrom(
  tails: TopicTails,
  topics: readonly { readonly topic: string; readonly partitions?: readonly number[] }[],
  lastId: string | undefined,
): Promise<Followed[]> {
  const ends: Followed[] = [];
  for (const { topic, partitions } of topics) ends.push(...(await tails.ends(topic, partitions)));
  return lastId === undefined ? ends : placesOf(ends, lastId);
}

/** Ids of the keys in a batch of a changelog, each once. */
function changedKeys(batch: PackedBatch, from: number): string[] {
  const keys = new Set<string>();
  for (let i = 0; i < batch.count; i++) {
    if ((batch.offsets[i] as number) < from) continue;
    const record = changelogRecord(batch, i);
    if (record === undefined || record.kind === 'meta') continue;
    if (record.kind !== 'chunk') keys.add(record.keyText);
    else {
      const of = recordOf(Buffer.from(record.of, 'latin1'), null);
      if (of !== undefined && 'keyText' in of) keys.add(of.keyText);
    }
  }
  return [...keys];
}

/** For a topic that serves as a changelog. */
function recordKeys(batch: PackedBatch, from: number): string[] {
  const keys = new Set<string>();
  for (let i = 0; i < batch.count; i++) {
    const key = batch.key(i);
    if (key !== null && (batch.offsets[i] as number) >= from) keys.add(keyTextOf(key));
  }
  return [...keys];
}
