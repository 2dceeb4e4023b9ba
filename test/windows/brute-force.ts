/** Windows by their definition, over all records of a key at once; start -> joined values. */

export interface Arrived {
  readonly key: string;
  readonly value: string;
  readonly timestamp: number;
}

/**
 * Sliding windows [start, start + size]: one ends at each record, one begins right after each that
 * has a later one inside.
 */
export function slidingWindows(records: readonly Arrived[], size: number): Map<number, string[]> {
  const starts = new Set<number>();
  for (const { timestamp } of records) {
    starts.add(Math.max(0, timestamp - size));
    const next = timestamp + 1;
    if (records.some((r) => r.timestamp >= next && r.timestamp <= next + size)) starts.add(next);
  }
  return new Map(
    [...starts].map((start) => [start, inside(records, start, start + size + 1)] as const),
  );
}

/** Hopping windows [start, start + size) that hold a record. */
export function hoppingWindows(
  records: readonly Arrived[],
  size: number,
  advance: number,
): Map<number, string[]> {
  const windows = new Map<number, string[]>();
  const last = Math.max(...records.map((r) => r.timestamp));
  for (let start = 0; start <= last; start += advance) {
    const values = inside(records, start, start + size);
    if (values.length > 0) windows.set(start, values);
  }
  return windows;
}

/** Sessions: records at most `gap` apart, as 'start..end'. */
export function sessions(records: readonly Arrived[], gap: number): Map<string, string[]> {
  const sorted = [...records].sort((a, b) => a.timestamp - b.timestamp);
  const found = new Map<string, string[]>();
  let run: Arrived[] = [];
  const close = () => {
    if (run.length === 0) return;
    found.set(`${run[0]?.timestamp}..${run.at(-1)?.timestamp}`, run.map((r) => r.value).sort());
    run = [];
  };
  for (const record of sorted) {
    if (run.length > 0 && record.timestamp - (run.at(-1) as Arrived).timestamp > gap) close();
    run.push(record);
  }
  close();
  return found;
}

function inside(records: readonly Arrived[], from: number, to: number): string[] {
  return records
    .filter((r) => r.timestamp >= from && r.timestamp < to)
    .map((r) => r.value)
    .sort();
}
