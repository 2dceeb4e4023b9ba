/** Subscriptions to segments and subjects of the ready topology. */
import { utf8 } from 'millrace';
import type { PackedBatch, ServerEvent, StreamRoute } from 'millrace/engine';
import {
  type Decoder,
  followed,
  followedFrom,
  needed,
  partitionOf,
  type SeenEvent,
  type TopicTails,
} from '../../../engine/cli/index.ts';
import { scores, segmentChanges } from '../../event.ts';
import { segmentId, subjectId } from './people-schemas.ts';

export interface AskedPeopleChanges {
  readonly tails: TopicTails;
}

interface Seen {
  readonly event: string;
  readonly data: object;
}

/** @param checkSegment throws for an id that no segment has */
export function peopleChanges(
  asked: AskedPeopleChanges,
  checkSegment: (id: string) => void,
): readonly StreamRoute[] {
  return [
    {
      method: 'GET',
      path: '/v1/segments/:id/changes',
      byPost: null,
      about: {
        summary: 'Entries and exits of a segment as they are decided: server-sent events.',
        parameters: { id: segmentId },
      },
      subscribe: async (query, lastId, signal) => {
        const id = needed(query, 'id');
        checkSegment(id);
        const { tails } = asked;
        const partitions = await followedFrom(tails, [{ topic: segmentChanges.name }], lastId);
        const seen = followed(tails, partitions, signal, (batch, from) =>
          valuesIn(batch, from, segmentChanges.value)
            .filter(({ value }) => value?.segment === id)
            .map(({ value }): Seen => ({ event: String(value?.type), data: value as object })),
        );
        return shown(seen);
      },
    },
    {
      method: 'GET',
      path: '/v1/subjects/:id/changes',
      byPost: '/v1/subjects/changes',
      about: {
        summary: 'Score and segments of a subject as they change: server-sent events.',
        parameters: { id: subjectId },
      },
      subscribe: async (query, lastId, signal) => {
        const key = Buffer.from(utf8.encode(needed(query, 'id')));
        const { tails } = asked;
        const topics = await Promise.all(
          [segmentChanges.name, scores.name].map(async (topic) => ({
            topic,
            partitions: [partitionOf(key, await tails.width(topic))],
          })),
        );
        const partitions = await followedFrom(tails, topics, lastId);
        const seen = followed(tails, partitions, signal, (batch, from, { topic }) => {
          if (topic === scores.name) {
            return valuesIn(batch, from, scores.value, key).map(
              ({ value }): Seen =>
                value === null ? { event: 'gone', data: {} } : { event: 'score', data: value },
            );
          }
          return valuesIn(batch, from, segmentChanges.value, key).flatMap(({ value }): Seen[] =>
            value === null ? [] : [{ event: value.type, data: value }],
          );
        });
        return shown(seen);
      },
    },
  ];
}

async function* shown(seen: AsyncIterable<SeenEvent<Seen>>): AsyncGenerator<ServerEvent> {
  for await (const { event, id, of } of seen) {
    if (event === 'changed') yield { id, ...(of as Seen) };
    else yield of === undefined ? { event, id } : { event, id, data: of };
  }
}

/** Values of a batch from an offset on, of all keys or of one. */
function valuesIn<V>(
  batch: PackedBatch,
  from: number,
  decoder: Decoder<V>,
  only?: Buffer,
): { readonly value: V | null }[] {
  const values: { readonly value: V | null }[] = [];
  for (let i = 0; i < batch.count; i++) {
    if ((batch.offsets[i] as number) < from) continue;
    const [key, value] = [batch.key(i), batch.value(i)];
    if (key === null || (only !== undefined && !only.equals(key))) continue;
    values.push({ value: value && decoder.decode(value, 0, value.byteLength) });
  }
  return values;
}
