/** Replays dead letters and maps rows again. */
import { systemClock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import type { RowMapping, RowMappings } from '../connect/row-mapping.ts';
import type { Topology } from '../graph/graph.ts';
import type { Sink } from '../graph/topic.ts';
import type { Log } from '../log/log.ts';
import type { Letter } from '../runtime/replay/letter-topic.ts';
import { type Remapped, type ReplayReport, replayLetters } from '../runtime/replay/replay.ts';
import type { Where } from '../runtime/replay/where.ts';
import { parseJson } from '../serde/faithful-json.ts';

/** The options of a replay, from the command line or HTTP. */
export interface ReplayQuestion {
  readonly where: Where;
  readonly afterFix: boolean;
  readonly dryRun: boolean;
  /** Replaces the mappings named in the letters. */
  readonly mapping?: string;
}

/**
 * @param of the application of the letters; without its topology, rows go only to the topic of the
 * mappings, and without mappings they are skipped
 */
export async function answerReplay(
  of: {
    readonly log: Log;
    readonly application: string;
    readonly topology: Topology | undefined;
    readonly mappings: RowMappings | undefined;
  },
  { where, afterFix, dryRun, mapping }: ReplayQuestion,
  signal?: AbortSignal,
): Promise<ReplayReport> {
  const { log, application, topology, mappings } = of;
  // Report a wrong name before anything is written.
  if (mapping !== undefined) await named(mappings, mapping);
  return replayLetters({
    ...{ log, application, where, afterFix, dryRun },
    ...{ remap: remapBy(topology, mappings, mapping), now: systemClock.now() },
    ...(signal === undefined ? {} : { signal }),
  });
}

function named(mappings: RowMappings | undefined, mapping: string): Promise<RowMapping> {
  if (mappings !== undefined) return mappings.read(mapping);
  const problem = `${mapping} is not known: this program has no mappings`;
  throw new MillraceError('CONFIG_INVALID', { field: 'mapping', problem });
}

/** Maps rows by the mapping named in their letter, or by another. */
function remapBy(
  topology: Topology | undefined,
  mappings: RowMappings | undefined,
  chosen: string | undefined,
) {
  const known = new Map<string, Promise<RowMapping | undefined>>();
  const mappingOf = (name: string) => {
    const mapping =
      known.get(name) ??
      mappings?.read(name).catch((error: unknown) => {
        if (error instanceof MillraceError) return undefined;
        throw error;
      });
    if (mapping !== undefined) known.set(name, mapping);
    return mapping;
  };
  return async (letter: Letter): Promise<Remapped> => {
    const { headers, partition, offset } = letter;
    const name = chosen ?? headers['mapping'];
    const mapping = name === undefined ? undefined : await mappingOf(name);
    if (mapping === undefined || mappings === undefined) return { skip: 'no mapping' };
    const to = topicOf(topology, mappings, headers['to']);
    if (to === undefined) return { skip: 'topic gone' };
    const row = rowOf(letter);
    if (row === undefined) return { skip: 'not a row' };
    const mapped = mapping.map(row, `letter-${partition}-${offset}`);
    if (mapped === 'skip' || 'skip' in mapped) return { skip: 'not wanted' };
    if ('reject' in mapped) return { skip: 'refused again' };
    const records = 'records' in mapped ? mapped.records : [mapped];
    return {
      records: records.map(({ key, value, timestamp }) => ({ topic: to, key, value, timestamp })),
    };
  };
}

function topicOf(
  topology: Topology | undefined,
  { topic: usual }: RowMappings,
  name: string = usual.name,
): Sink<never, never> | undefined {
  if (name === usual.name) return usual as never;
  const found = topology?.nodes.find((node) => node.type === 'source' && node.topic.name === name);
  return found?.type === 'source' ? (found.topic as never) : undefined;
}

function rowOf({ headers, value }: Letter): Readonly<Record<string, unknown>> | undefined {
  const parsed = parseJson(headers['row'] ?? value?.toString() ?? '');
  if (!('value' in parsed)) return undefined;
  const { value: row } = parsed;
  const isRow = typeof row === 'object' && row !== null && !Array.isArray(row);
  // The gateway writes unreadable rows in this form.
  if (!isRow || Object.hasOwn(row, '(problem)')) return undefined;
  return row as Readonly<Record<string, unknown>>;
}
