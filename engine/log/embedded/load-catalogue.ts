/**
 * Reads an embedded log's catalogue, and verifies that it is complete: the journal from its anchor
 * up to HEAD, the batches that it names, and the catalogue's digest. Writes nothing.
 */
import { contentOf } from '../../base/checksummed.ts';
import type { BackendEntry, StateBackend } from '../../storage/backend.ts';
import type { CommittedOffset, TopicDescription } from '../log.ts';
import { LogCatalogue, type TopicState } from '../topic-catalogue.ts';
import { corrupt } from './corrupt.ts';
import type { Heads } from './head.ts';
import { CatalogueSeals, type JournalPoint, type JournalRow, sealOf } from './journal.ts';
import type { KeptBatches } from './kept-batches.ts';
import {
  batchKey,
  parseOffsetKey,
  partitionId,
  prefixes,
  sequenceKey,
  sequenceOf,
} from './log-keys.ts';

export interface Loaded {
  readonly catalogue: LogCatalogue;
  readonly seals: CatalogueSeals;
  /** Batches of compacted partitions, by `partitionId`. */
  readonly kept: Map<string, KeptBatches>;
  /** The last commit. */
  readonly last: JournalPoint;
  /** Everything up to it is in tables. */
  readonly anchor: JournalPoint;
  /** The first remaining row of the journal; 0 if there is none. */
  readonly firstRow: number;
  /** The stored row; undefined for a new log. */
  readonly sequenceRow: Buffer | undefined;
}

const batchesPerRead = 64;

/** @throws LOG_CORRUPT with the place of damaged or missing data */
export async function loadLog(backend: StateBackend, heads: Heads): Promise<Loaded> {
  const loader = new Loader(backend, heads);
  return loader.load();
}

class Loader {
  readonly #backend: StateBackend;
  readonly #heads: Heads;
  readonly #catalogue = new LogCatalogue();
  readonly #seals = new CatalogueSeals();
  readonly #kept = new Map<string, KeptBatches>();
  readonly #byId = new Map<number, TopicState>();

  constructor(backend: StateBackend, heads: Heads) {
    this.#backend = backend;
    this.#heads = heads;
  }

  async load(): Promise<Loaded> {
    await this.#readCatalogue();
    const [stored] = await this.#backend.getMany([sequenceKey]);
    const sequence = stored === undefined ? 0 : parse<number>(sequenceKey, stored, '(commits)');
    const rows = await this.#journal();
    const { head, damaged } = this.#heads;
    if (head === undefined && (sequence > 1 || damaged)) {
      throw corrupt('(HEAD)', 0, 0, "HEAD is damaged or missing, so the log's end is not known");
    }
    const [firstRow = sequence + 1] = rows.keys();
    // Writes from before the journal existed have no rows.
    const hasJournal = rows.size > 0 || head?.version === 2;
    if (!hasJournal) {
      this.#compareEnds(sequence);
      const start = { sequence, seal: 0 };
      return { ...this.#loaded, ...{ last: start, anchor: start, firstRow }, sequenceRow: stored };
    }
    const anchor = head?.anchor ?? this.#anchorOf(rows, firstRow, sequence);
    const last = this.#follow(rows, anchor, sequence);
    const digest = rows.get(last.sequence)?.content.catalogue ?? head?.catalogue;
    const { rows: have, sum } = this.#seals.digest;
    if (digest !== undefined && (digest.rows !== have || digest.sum !== sum)) {
      this.#compareEnds(sequence);
      const problem = `rows of topics, ends or offsets are missing or old: ${have} of ${digest.rows}`;
      throw corrupt('(catalogue)', 0, 0, problem);
    }
    await this.#checkBatches(rows, anchor.sequence);
    return { ...this.#loaded, last, anchor, firstRow, sequenceRow: stored };
  }

  get #loaded() {
    return { catalogue: this.#catalogue, seals: this.#seals, kept: this.#kept };
  }

  async #readCatalogue(): Promise<void> {
    for (const [key, value] of await this.#all(prefixes.topics)) {
      const name = key.toString('utf8', 1);
      const topic = parse<{ id: number; description: TopicDescription }>(key, value, name);
      this.#byId.set(topic.id, this.#catalogue.add(topic.id, topic.description));
    }
    for (const [key, value] of await this.#all(prefixes.partitions)) {
      const { topic, partition } = this.#partitionOf(key);
      const state = topic?.partitions[partition];
      if (topic === undefined || state === undefined) continue;
      Object.assign(state, parse(key, value, topic.description.name, partition));
    }
    for (const [key, value] of await this.#all(prefixes.kept)) {
      const { topic, partition } = this.#partitionOf(key);
      if (topic === undefined) continue;
      const bases = parse<readonly number[]>(key, value, topic.description.name, partition);
      this.#kept.set(partitionId(topic.id, partition), { bases });
    }
    for (const [key, value] of await this.#all(prefixes.offsets)) {
      const { group, topic, partition } = parseOffsetKey(key);
      const committed = parse<CommittedOffset | number>(key, value, topic, partition);
      // A bare number is from before offsets had metadata.
      const known = typeof committed === 'number' ? { offset: committed } : committed;
      this.#catalogue.setOffsets(group, [{ topic, partition, ...known }]);
    }
    for (const [key, value] of await this.#all(prefixes.writers)) {
      this.#catalogue.commits.set(key.toString('utf8', 1), parse(key, value, '(writers)'));
    }
  }

  #partitionOf(key: Buffer): { topic: TopicState | undefined; partition: number } {
    return { topic: this.#byId.get(key.readUInt32BE(1)), partition: key.readUInt32BE(5) };
  }

  async #journal(): Promise<Map<number, { content: JournalRow; seal: number }>> {
    const rows = new Map<number, { content: JournalRow; seal: number }>();
    const range = {
      from: prefixes.journal,
      to: Buffer.from([(prefixes.journal[0] as number) + 1]),
    };
    for (const [key, value] of await this.#backend.range(range)) {
      const sequence = sequenceOf(key);
      const content = contentOf(value, key);
      if (content === undefined) {
        throw corrupt('(commits)', 0, sequence, 'CRC-32C of its row does not match');
      }
      const row = JSON.parse(content.toString()) as JournalRow;
      rows.set(sequence, { content: row, seal: sealOf(value) });
    }
    return rows;
  }

  /** HEAD was not written yet, or has the earlier format: then the first row defines the anchor. */
  #anchorOf(
    rows: ReadonlyMap<number, { content: JournalRow }>,
    firstRow: number,
    sequence: number,
  ): JournalPoint {
    const first = rows.get(firstRow);
    const version1 = this.#heads.head?.sequence ?? 0;
    if (first === undefined) return { sequence, seal: 0 };
    if (firstRow > version1 + 1) {
      throw corrupt('(commits)', 0, version1 + 1, `commit ${version1 + 1} is missing`);
    }
    return { sequence: firstRow - 1, seal: first.content.previous };
  }

  /**
   * Checks that every row follows from the previous one, up to HEAD and beyond; returns the last
   * one.
   */
  #follow(
    rows: ReadonlyMap<number, { content: JournalRow; seal: number }>,
    anchor: JournalPoint,
    sequence: number,
  ): JournalPoint {
    const { head } = this.#heads;
    const end = Math.max(sequence, head?.sequence ?? 0, ...rows.keys());
    let before = anchor;
    for (let next = anchor.sequence + 1; next <= end; next++) {
      const row = rows.get(next);
      if (row === undefined || row.content.previous !== before.seal) {
        throw this.#missing(rows, row === undefined ? next : before.sequence, sequence);
      }
      before = { sequence: next, seal: row.seal };
      if (next === head?.sequence && head.seal !== undefined && head.seal !== row.seal) {
        throw corrupt('(commits)', 0, next, `commit ${next} is another one than HEAD names`);
      }
    }
    if (sequence !== end) throw this.#missing(rows, sequence + 1, sequence);
    return before;
  }

  /** The error for a missing or different commit. */
  #missing(
    rows: ReadonlyMap<number, { content: JournalRow }>,
    commit: number,
    sequence: number,
  ): unknown {
    try {
      this.#compareEnds(sequence);
    } catch (error) {
      return error;
    }
    const after = [...rows.keys()].find((known) => known > commit);
    const place = after === undefined ? undefined : rows.get(after)?.content.before;
    const problem = `commit ${commit} is missing`;
    if (place === undefined) return corrupt('(commits)', 0, commit, problem);
    return corrupt(place.topic, place.partition, place.offset, problem);
  }

  /** Throws if HEAD has more records than the catalogue. */
  #compareEnds(sequence: number): void {
    const { head } = this.#heads;
    if (head === undefined) return;
    for (const [name, end] of Object.entries(head.ends)) {
      const slash = name.lastIndexOf('/');
      const [topic, partition] = [name.slice(0, slash), Number(name.slice(slash + 1))];
      const have = this.#catalogue.topics.get(topic)?.partitions[partition]?.end ?? 0;
      if (have >= end) continue;
      const problem = `records ${have} to ${end - 1} were committed and are missing`;
      throw corrupt(topic, partition, have, problem);
    }
    if (sequence < head.sequence) {
      throw corrupt('(commits)', 0, sequence, `commit ${head.sequence} is missing`);
    }
  }

  /** Checks that the batches named by the journal exist and are unchanged. */
  async #checkBatches(
    rows: ReadonlyMap<number, { content: JournalRow }>,
    anchor: number,
  ): Promise<void> {
    const wanted = [...rows]
      .filter(([sequence]) => sequence > anchor)
      .flatMap(([, { content }]) => content.appends);
    for (let from = 0; from < wanted.length; from += batchesPerRead) {
      const some = wanted.slice(from, from + batchesPerRead);
      const keys = some.map(({ topic, partition, base }) => batchKey(topic, partition, base));
      const found = await this.#backend.getMany(keys);
      for (const [i, { topic: id, partition, base, next, checksum }] of some.entries()) {
        const topic = this.#byId.get(id);
        const state = topic?.partitions[partition];
        if (topic === undefined || state === undefined) {
          throw corrupt('(catalogue)', partition, base, `topic number ${id} is missing`);
        }
        // Batches deleted or compacted since are checked elsewhere.
        if (next <= state.start || base < state.cleaned) continue;
        const value = found[i];
        const { name } = topic.description;
        if (value === undefined) {
          const problem = `records ${base} to ${next - 1} were committed and are missing`;
          throw corrupt(name, partition, base, problem);
        }
        if (value.byteLength < 8 || value.readUInt32LE(4) !== checksum) {
          throw corrupt(name, partition, base, 'the batch is another one than was committed');
        }
      }
    }
  }

  async #all(prefix: Buffer): Promise<BackendEntry[]> {
    const to = Buffer.from([(prefix[0] as number) + 1]);
    const entries = await this.#backend.range({ from: prefix, to });
    for (const [key, value] of entries)
      if (value.byteLength >= 4) this.#seals.apply({ key, value });
    return entries;
  }
}

function parse<T>(key: Buffer, value: Buffer, topic: string, partition = 0): T {
  const content = contentOf(value, key);
  if (content === undefined) {
    throw corrupt(topic, partition, 0, 'CRC-32C of its entry does not match');
  }
  return JSON.parse(content.toString()) as T;
}
