/** All records of a topic, decoded, partition by partition in the order of their offsets. */
import type { Source } from '../../graph/topic.ts';
import type { Log } from '../../log/log.ts';

export async function* recordsOf<K, V>(
  log: Log,
  { name, keyDecoder, valueDecoder }: Source<K, V>,
): AsyncGenerator<{ readonly key: K; readonly value: V; readonly timestamp: number }> {
  const topic = (await log.topics()).find((known) => known.name === name);
  for (let partition = 0; partition < (topic?.partitions ?? 0); partition++) {
    const at = { topic: name, partition };
    for (let from = await log.startOffset(at); ; ) {
      const batch = await log.read(at, from, { records: 10_000 });
      if (batch === undefined) break;
      for (let i = 0; i < batch.count; i++) {
        const [key, value] = [batch.key(i), batch.value(i)];
        if (key === null || value === null) continue;
        yield {
          key: keyDecoder.decode(key, 0, key.byteLength),
          value: valueDecoder.decode(value, 0, value.byteLength),
          timestamp: batch.timestamps[i] as number,
        };
      }
      from = batch.nextOffset;
    }
  }
}
