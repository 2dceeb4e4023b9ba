/**
 * Global tables: the newest value of every key of a topic, from all partitions, in the memory of
 * each host. They are rebuilt from the topic.
 */
import { must } from '../base/assert.ts';
import { keyTextOf } from '../base/bytes.ts';
import type { GlobalRow } from '../graph/processor.ts';
import type { Source } from '../graph/topic.ts';
import type { PackedBatch } from '../record/batch.ts';
import { decodeAll } from '../serde/serde.ts';

interface GlobalTable {
  readonly source: Source<unknown, unknown>;
  readonly rows: Map<string, GlobalRow>;
}

export class GlobalTables {
  readonly #tables: ReadonlyMap<string, GlobalTable>;

  constructor(sources: readonly Source<unknown, unknown>[]) {
    this.#tables = new Map(sources.map((source) => [source.name, { source, rows: new Map() }]));
  }

  /**
   * Applies records of one partition, in offset order. A null value deletes; a null key is ignored.
   */
  apply(topic: string, batch: PackedBatch): void {
    const { source, rows } = this.#table(topic);
    for (let i = 0; i < batch.count; i++) {
      const [key, bytes] = [batch.key(i), batch.value(i)];
      if (key === null) continue;
      const value = bytes === null ? null : decodeAll(source.valueDecoder, bytes);
      // A value that decodes to null or undefined is no row either.
      if (value === null || value === undefined) rows.delete(keyTextOf(key));
      else rows.set(keyTextOf(key), { value, timestamp: batch.timestamps[i] as number });
    }
  }

  row(topic: string, keyText: string): GlobalRow | undefined {
    return this.#table(topic).rows.get(keyText);
  }

  #table(topic: string): GlobalTable {
    return must(this.#tables.get(topic), () => `there is no global table of ${topic}`);
  }
}
