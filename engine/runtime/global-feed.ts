/**
 * Feeds the global tables of all hosts: at the start up to the committed offsets (at the first
 * start, up to the end of the topics), then new records once a cycle. The offsets are committed
 * with the cycle, so that after a crash every record sees the same rows again. Members of a group
 * read at their own pace; there, every start reads to the end of the topics.
 */

import type { GroupOffset, Log } from '../log/log.ts';
import type { Member } from '../log/member.ts';
import type { PackedBatch } from '../record/batch.ts';
import type { HostPort } from '../task/host-port.ts';
import { commitModelOf } from './commit-model.ts';

const recordsPerRead = 8_192;

export class GlobalFeed {
  readonly #log: Log;
  readonly #member: Member;
  readonly #group: string;
  readonly #topics: readonly { readonly topic: string; readonly partitions: number }[];
  #offsets: GroupOffset[] = [];

  /** @param group group whose committed offsets are used */
  constructor(
    log: Log,
    member: Member,
    group: string,
    topics: readonly { readonly topic: string; readonly partitions: number }[],
  ) {
    this.#log = log;
    this.#member = member;
    this.#group = group;
    this.#topics = topics;
  }

  /** Positions of the tables, to be committed. */
  get offsets(): readonly GroupOffset[] {
    return commitModelOf(this.#member).commitsGlobals ? this.#offsets : [];
  }

  async load(hosts: readonly HostPort[]): Promise<void> {
    this.#offsets = [];
    for (const { topic, partitions } of this.#topics) {
      for (let partition = 0; partition < partitions; partition++) {
        const at = { topic, partition };
        const committed = commitModelOf(this.#member).commitsGlobals
          ? await this.#log.committed(this.#group, at)
          : undefined;
        const end = committed?.offset ?? (await this.#log.endOffset(at));
        let offset = await this.#log.startOffset(at);
        while (offset < end) {
          const batch = await this.#log.read(at, offset, { records: end - offset });
          if (batch === undefined) break;
          offset = batch.nextOffset;
          await apply(hosts, topic, batch);
        }
        this.#offsets.push({ ...at, offset });
      }
    }
  }

  /** Feeds new records; returns their number. */
  async next(hosts: readonly HostPort[]): Promise<number> {
    let records = 0;
    for (const [i, at] of this.#offsets.entries()) {
      const { batches } = await this.#member.fetch(at, at.offset, { records: recordsPerRead });
      for (const batch of batches) {
        records += batch.count;
        this.#offsets[i] = { ...at, offset: batch.nextOffset };
        await apply(hosts, at.topic, batch);
      }
    }
    return records;
  }
}

async function apply(hosts: readonly HostPort[], topic: string, batch: PackedBatch): Promise<void> {
  // Each host gets its own copy, because an image is transferred.
  for (const host of hosts) await host.applyGlobal(topic, batch.image.slice(0));
}
