/**
 * Rows of a request become events by a mapping and are appended; rows that do not fit are reported.
 */
import { createHash } from 'node:crypto';
import type { Headers, OutsideBytes, OutsideRecord, RequestMetrics } from 'millrace/engine';
import { events } from '../event.ts';
import type { Catalogue } from '../field-catalogue.ts';
import { type EventMap, eventMap, type MappedRecord } from '../ingest/event-map.ts';
import type { Mapping } from '../ingest/mapping.ts';
import { isObject, type Row } from '../ingest/row-fields.ts';
import { unpacker } from '../ingest/unpack.ts';

/** Appends records durably; see Appender. */
export type Append = (
  records: readonly OutsideRecord[],
  bytes?: readonly OutsideBytes[],
) => Promise<void>;

export interface Rejection {
  /** Index of the event in the request, from 0. */
  readonly index: number;
  readonly problem: string;
}

export interface Taken {
  readonly accepted: number;
  /** Rows that the mapping skips. */
  readonly skipped: number;
  readonly rejected: readonly Rejection[];
}

export interface IntakeOptions {
  readonly append: Append;
  /** Why a record cannot be written; called when an append has failed. */
  readonly problemOf: (record: OutsideRecord) => string | undefined;
  readonly deadLetterTopic: string;
  /** A shipped mapping by name, or the path of one. */
  readonly readMapping: (name: string) => Promise<Mapping>;
  readonly now: () => number;
  /** The declared fields: other fields are dropped, and mappings that read others are refused. */
  readonly catalogue?: Catalogue | undefined;
  /** Called when the events of a request are durable. */
  readonly taken?: RequestMetrics['taken'];
}

export interface Batch {
  readonly mapping: string;
  readonly rows: readonly unknown[];
  /** Events without an id get one from this key and their index; default: from their content. */
  readonly idempotencyKey?: string | undefined;
  /** Whether refused rows become dead letters, for senders that cannot correct them. */
  readonly deadLetters: boolean;
  /** Named in dead letters. */
  readonly source: string;
  /** Headers of the records, by which a trace of the request goes on. */
  readonly trace?: Headers | undefined;
}

interface Refused extends Rejection {
  readonly row: unknown;
}

/** The records of a row that fits. */
interface Mapped {
  readonly index: number;
  readonly row: unknown;
  readonly records: readonly OutsideRecord[];
}

interface Reader {
  readonly name: string;
  readonly unpack: (value: unknown) => unknown[];
  readonly map: EventMap;
}

export class Intake {
  readonly #options: IntakeOptions;
  readonly #readers = new Map<string, Promise<Reader>>();

  constructor(options: IntakeOptions) {
    this.#options = options;
  }

  /** Reads a mapping, so that a wrong name fails at the start. @throws MAPPING_INVALID */
  async prepare(mapping: string): Promise<void> {
    await this.#reader(mapping);
  }

  /** Resolves when the accepted events are durable. @throws errors of the log, and APPEND_FULL */
  async take(batch: Batch): Promise<Taken> {
    const { name, unpack, map } = await this.#reader(batch.mapping);
    const { catalogue } = this.#options;
    const rejected: Refused[] = [];
    const fitting: Mapped[] = [];
    let skipped = 0;
    let undeclared = 0;
    // From the whole row: events that differ in a dropped field are two events.
    let [whole, index, part]: [unknown, number, number] = [undefined, 0, 0];
    const id = () => idOf(batch, whole, index, part);
    for (index = 0; index < batch.rows.length; index++) {
      const parts = unpack(batch.rows[index]);
      for (part = 0; part < parts.length; part++) {
        whole = parts[part];
        let row = whole;
        if (catalogue !== undefined && isPlain(whole)) {
          const declared = catalogue.declared(name, whole);
          row = declared.row;
          undeclared += declared.dropped;
        }
        const mapped = mappedRow(map, row, id);
        if ('skip' in mapped) skipped++;
        else if ('reject' in mapped) rejected.push({ index, problem: mapped.reject, row });
        else {
          const records = 'records' in mapped ? mapped.records : [mapped];
          const { trace } = batch;
          fitting.push({ index, row, records: records.map((one) => recordOf(one, trace)) });
        }
      }
    }
    const accepted = await this.#append(batch, fitting, rejected);
    const deadLettered = batch.deadLetters ? rejected.length : 0;
    this.#options.taken?.({
      ...{ source: batch.source, accepted, skipped },
      ...{ rejected: rejected.length, deadLettered, undeclared },
    });
    return {
      accepted,
      skipped,
      rejected: rejected
        .sort((a, b) => a.index - b.index)
        .map(({ index, problem }) => ({ index, problem })),
    };
  }

  /**
   * Appends what fits, and dead letters for the rest; returns the number of records. A row that
   * cannot be written, such as one with half of a surrogate pair, is refused too: the sender could
   * never correct it by sending it again.
   */
  async #append(batch: Batch, fitting: readonly Mapped[], rejected: Refused[]): Promise<number> {
    const { append, problemOf } = this.#options;
    const records = fitting.flatMap((one) => one.records);
    const letters = batch.deadLetters ? rejected.map((one) => this.#deadLetter(batch, one)) : [];
    try {
      await append(records, letters);
      return records.length;
    } catch (error) {
      const writable: Mapped[] = [];
      for (const one of fitting) {
        const problem = one.records.map(problemOf).find((found) => found !== undefined);
        if (problem === undefined) writable.push(one);
        else {
          const { index, row } = one;
          rejected.push({ index, problem: `it cannot be written: ${problem}`, row });
        }
      }
      if (writable.length === fitting.length) throw error;
      return this.#append(batch, writable, rejected);
    }
  }

  #reader(name: string): Promise<Reader> {
    let reader = this.#readers.get(name);
    if (reader === undefined) {
      reader = this.#options.readMapping(name).then((mapping) => {
        this.#options.catalogue?.checkMapping(mapping);
        return { name: mapping.name, unpack: unpacker(mapping), map: eventMap(mapping) };
      });
      this.#readers.set(name, reader);
      reader.catch(() => this.#readers.delete(name));
    }
    return reader;
  }

  #deadLetter({ source, mapping }: Batch, { index, problem, row }: Refused) {
    const now = this.#options.now();
    return {
      topic: this.#options.deadLetterTopic,
      value: Buffer.from(JSON.stringify(row) ?? 'null'),
      timestamp: now,
      headers: {
        stage: 'source',
        step: source,
        reason: problem,
        callSite: 'mapping',
        topic: source,
        partition: '0',
        offset: String(index),
        timestamp: String(now),
        // A replay puts the row through the mapping again by these.
        ...{ mapping, to: events.name },
      },
    };
  }
}

/** Whether it is a row, and not the placeholder for a wrong one. */
function isPlain(row: unknown): row is Row {
  return isObject(row) && !Array.isArray(row) && typeof row['(problem)'] !== 'string';
}

function mappedRow(map: EventMap, row: unknown, id: () => string): ReturnType<EventMap> {
  if (!isObject(row) || Array.isArray(row)) return { reject: 'is not an object' };
  const problem = row['(problem)'];
  return typeof problem === 'string' ? { reject: problem } : map(row as Row, id);
}

function recordOf(
  { key, value, timestamp }: MappedRecord,
  trace: Headers | undefined,
): OutsideRecord {
  const record = { topic: events as never, key, value, timestamp };
  return trace === undefined ? record : { ...record, headers: trace };
}

/** A request that is sent again gets the same ids, so that its events count once. */
function idOf({ idempotencyKey }: Batch, row: unknown, index: number, part: number): string {
  if (idempotencyKey !== undefined) return `${idempotencyKey}/${index}/${part}`;
  return createHash('sha256')
    .update(JSON.stringify(row) ?? 'null')
    .digest('hex')
    .slice(0, 32);
}
