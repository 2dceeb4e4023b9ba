/**
 * What the records of a repartition topic say of time, read off their batch (record/marks.ts has
 * the form).
 */
import type { PackedBatch } from '../record/batch.ts';
import {
  decodePromises,
  markedPlace,
  markedStand,
  type SourcePlace,
  standMarkLength,
} from '../record/marks.ts';

/** Where the headers of record `i` begin. */
function headersAt(batch: PackedBatch, i: number): number {
  return batch.valueStart(i) + Math.max(0, batch.valueLengths[i] as number);
}

/** Bytes of the stand's mark before the headers of record `i`; 0 where there is none. */
export function standMarkIn(batch: PackedBatch, i: number): number {
  const at = headersAt(batch, i);
  const end = batch.starts[i + 1] as number;
  return at === end ? 0 : standMarkLength(batch.bytes, at, end);
}

/**
 * How far the source partition of record `i` stood, ms UTC; undefined where that is the record's
 * timestamp.
 */
export function standIn(batch: PackedBatch, i: number): number | undefined {
  const at = headersAt(batch, i);
  const end = batch.starts[i + 1] as number;
  if (at === end || standMarkLength(batch.bytes, at, end) === 0) return undefined;
  return markedStand(batch.bytes, at);
}

/** Where record `i` was read first, if it says so. */
export function placeIn(batch: PackedBatch, i: number): SourcePlace | undefined {
  const length = standMarkIn(batch, i);
  return length === 0 ? undefined : markedPlace(batch.bytes, headersAt(batch, i), length);
}

/** The greatest promise, ms UTC, among `promise` and those that records from `from` on tell. */
export function toldAhead(batch: PackedBatch, from: number, promise: number): number {
  let greatest = promise;
  for (let i = from; i < batch.count; i++) {
    if (batch.keyLengths[i] !== -1) continue;
    for (const told of decodePromises(batch.headerBytes(i)) ?? []) {
      if (told.promise > greatest && Number.isFinite(told.promise)) greatest = told.promise;
    }
  }
  return greatest;
}
