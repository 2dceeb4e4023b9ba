/**
 * Reads the time marks of repartition records from their batch (record/marks.ts defines the
 * format).
 */
import type { PackedBatch } from '../record/batch.ts';
import {
  decodePromises,
  markedPlace,
  markedStand,
  type SourcePlace,
  standMarkLength,
} from '../record/marks.ts';

/** Offset of the headers of record `i`. */
function headersAt(batch: PackedBatch, i: number): number {
  return batch.valueStart(i) + Math.max(0, batch.valueLengths[i] as number);
}

/** Length of the stand mark before the headers of record `i`; 0 if there is none. */
export function standMarkIn(batch: PackedBatch, i: number): number {
  const at = headersAt(batch, i);
  const end = batch.starts[i + 1] as number;
  return at === end ? 0 : standMarkLength(batch.bytes, at, end);
}

/** The stand of record `i`, ms UTC; undefined if it is the record's timestamp. */
export function standIn(batch: PackedBatch, i: number): number | undefined {
  const at = headersAt(batch, i);
  const end = batch.starts[i + 1] as number;
  if (at === end || standMarkLength(batch.bytes, at, end) === 0) return undefined;
  return markedStand(batch.bytes, at);
}

/** Where record `i` was first read, if its mark has that. */
export function placeIn(batch: PackedBatch, i: number): SourcePlace | undefined {
  const length = standMarkIn(batch, i);
  return length === 0 ? undefined : markedPlace(batch.bytes, headersAt(batch, i), length);
}

/** The greatest promise, ms UTC, among `promise` and those in records from `from` on. */
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
