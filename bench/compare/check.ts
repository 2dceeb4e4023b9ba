/**
 * Holds what a run wrote against the oracle: the last value of each key and window, what is
 * missing, and, of `rekey`, how many records were lost.
 */
import { sessionWindowed, timeWindowed, utf8, type Windowed } from 'millrace';
import type { Log } from '../../engine/log/log.ts';
import type { Change } from './engagement.ts';
import { partitions } from './events.ts';
import { type JobName, type Joined, type Totals, totalsSerde, windows } from './jobs.ts';
import { type Expected, isSummed } from './oracle.ts';
import { batchesOf } from './topics.ts';

const tolerance = 1e-9;

export interface Verdict {
  readonly green: boolean;
  readonly results: number;
  /** Windows that were due and did not come. */
  readonly missing: number;
  /** Of `rekey`: records that no result counts, though by the definition one does. */
  readonly lost?: number;
  /** The first difference, in words. */
  readonly problem?: string;
}

export interface RunFacts {
  /** Records that the engine says came too late for every window, when it says so. */
  readonly late?: number;
  /** Of ours nothing may be lost. */
  readonly isOurs: boolean;
  /** What was due in the last so many ms of event time may be missing. */
  readonly slackMs: number;
  /** What is due is due by the least time of all partitions. */
  readonly timeIsLeast: boolean;
}

export async function check(
  job: JobName,
  expected: Expected,
  log: Log,
  output: string,
  facts: RunFacts,
): Promise<Verdict> {
  if (expected.changes !== undefined) return checkChanges(expected.changes, log, output);
  const last = new Map<string, Totals>();
  const mapped = { count: 0, sum: 0 };
  const idOf = keyReader(job);
  for await (const { key, value } of recordsOf(log, output)) {
    if (expected.mapped !== undefined) {
      mapped.count++;
      mapped.sum += (JSON.parse(String(value)) as Joined).value;
    } else if (value === null) last.delete(idOf(key));
    else last.set(idOf(key), totalsSerde.decode(value, 0, value.byteLength));
  }
  if (expected.mapped !== undefined) {
    const { count, sum } = expected.mapped;
    const isRight = mapped.count === count && near(mapped.sum, sum);
    const problem = `${mapped.count} results of sum ${mapped.sum}, not ${count} of ${sum}`;
    return verdictOf(mapped.count, count - mapped.count, isRight ? undefined : problem);
  }
  if (job === 'rekey') return lossOf(expected, last, facts);
  const { late } = facts;
  const verdict = compare(expected, last, facts);
  if (!verdict.green || late === undefined || expected.late === undefined) return verdict;
  const counted = `${late} records counted as late, not ${expected.late}`;
  return verdictOf(verdict.results, 0, late === expected.late ? undefined : counted);
}

/** Green without a problem. */
function verdictOf(results: number, missing: number, problem: string | undefined): Verdict {
  return problem === undefined
    ? { green: true, results, missing }
    : { green: false, results, missing, problem };
}

/** Each user's changes, in their order. */
async function checkChanges(
  expected: ReadonlyMap<string, readonly Change[]>,
  log: Log,
  output: string,
): Promise<Verdict> {
  const seen = new Map<string, number>();
  let [results, due] = [0, 0];
  let problem: string | undefined;
  for (const changes of expected.values()) due += changes.length;
  for await (const { value } of recordsOf(log, output)) {
    const change = JSON.parse(String(value)) as Change;
    const n = seen.get(change.userId) ?? 0;
    seen.set(change.userId, n + 1);
    results++;
    const wanted = expected.get(change.userId)?.[n];
    const same =
      wanted !== undefined &&
      (['segment', 'enter', 'ts'] as const).every((field) => change[field] === wanted[field]) &&
      near(change.score, wanted.score);
    if (!same) problem ??= `${JSON.stringify(change)}, expected ${JSON.stringify(wanted)}`;
  }
  const missing = due - results;
  if (missing !== 0) problem ??= `${results} changes, not ${due}`;
  return verdictOf(results, missing, problem);
}

async function* recordsOf(
  log: Log,
  topic: string,
): AsyncGenerator<{ key: Buffer; value: Buffer | null }> {
  for await (const batch of batchesOf(log, topic, partitions)) {
    for (let i = 0; i < batch.count; i++) {
      yield { key: batch.key(i) as Buffer, value: batch.value(i) };
    }
  }
}

function compare(expected: Expected, last: ReadonlyMap<string, Totals>, facts: RunFacts): Verdict {
  let missing = 0;
  let problem: string | undefined;
  for (const [id, actual] of last) {
    const wanted = expected.totals.get(id);
    if (wanted === undefined || !isSame(wanted, actual)) problem ??= difference(id, actual, wanted);
  }
  for (const [id, { dueBy }] of dueOf(expected, facts)) {
    if (last.has(id)) continue;
    missing++;
    problem ??= `${id} was due at ${dueBy} and is missing`;
  }
  return verdictOf(last.size, missing, problem);
}

/** The same where records may be lost: what is left of a window must be a part of it. */
function lossOf(expected: Expected, last: ReadonlyMap<string, Totals>, facts: RunFacts): Verdict {
  let [missing, lost] = [0, 0];
  let problem: string | undefined;
  for (const [id, actual] of last) {
    const wanted = expected.totals.get(id);
    const isPart =
      wanted !== undefined &&
      (isSame(wanted, actual) ||
        (actual.count < wanted.count &&
          actual.sum <= wanted.sum * (1 + tolerance) &&
          (actual.max ?? 0) <= (wanted.max ?? 0)));
    if (!isPart) problem ??= difference(id, actual, wanted);
    else lost += wanted.count - actual.count;
  }
  for (const [id, { count }] of dueOf(expected, facts)) {
    if (last.has(id)) continue;
    missing++;
    lost += count;
  }
  if (facts.isOurs && lost > 0) problem ??= `${lost} records are lost`;
  return { ...verdictOf(last.size, missing, problem), lost };
}

type Due = Expected['totals'] extends ReadonlyMap<string, infer V> ? V : never;

/** What must be there. */
function* dueOf(
  { totals, streamTimes }: Expected,
  { slackMs, timeIsLeast }: RunFacts,
): Generator<readonly [string, Due]> {
  const least = Math.min(...streamTimes);
  for (const one of totals) {
    const { dueBy, partition } = one[1];
    const time = timeIsLeast ? least : (streamTimes[partition] ?? 0);
    if (dueBy <= time - slackMs) yield one;
  }
}

function isSame(a: Totals, b: Totals): boolean {
  return a.count === b.count && a.max === b.max && near(a.sum, b.sum);
}

function difference(id: string, actual: Totals, wanted: Totals | undefined): string {
  return `${id}: ${JSON.stringify(actual)}, expected ${JSON.stringify(wanted)}`;
}

function near(a: number, b: number): boolean {
  return Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(a), Math.abs(b));
}

function keyReader(job: JobName): (key: Buffer) => string {
  if (job === 'count' || isSummed(job)) return String;
  const spec = windows[job as keyof typeof windows];
  const serde = spec.type === 'session' ? sessionWindowed(utf8) : timeWindowed(utf8, spec.sizeMs);
  return (bytes) => {
    const { key, start, end } = serde.decode(bytes, 0, bytes.byteLength) as Windowed<string>;
    return `${key}|${start}|${end}`;
  };
}
