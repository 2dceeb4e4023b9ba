/** Replays dead letters, and puts rows through their mappings again. */

import { readMapping } from '../../topologies/app/mappings.ts';
import { events } from '../../topologies/event.ts';
import { type EventMap, eventMap } from '../../topologies/ingest/event-map.ts';
import { systemClock } from '../base/clock.ts';
import { MillraceError } from '../base/errors.ts';
import type { Topology } from '../graph/graph.ts';
import type { Sink } from '../graph/topic.ts';
import type { Log } from '../log/log.ts';
import type { OutsideRecord } from '../runtime/appender.ts';
import type { Letter } from '../runtime/replay/letters.ts';
import { type Remapped, type ReplayReport, replayLetters } from '../runtime/replay/replay.ts';
import type { Where } from '../runtime/replay/where.ts';
import { parseJson } from '../serde/faithful-json.ts';

/** What is asked of a replay, by the command line or over HTTP. */
export interface ReplayQuestion {
  readonly where: Where;
  readonly afterFix: boolean;
  readonly dryRun: boolean;
  /** Instead of the mappings that the letters name. */
  readonly mapping?: string;
}

/** @param of whose letters they are; rows go to `events` alone where the topology is not known */
export async function answerReplay(
  of: {
    readonly log: Log;
    readonly application: string;
    readonly topology: Topology | undefined;
  },
  { where, afterFix, dryRun, mapping }: ReplayQuestion,
  signal?: AbortSignal,
): Promise<ReplayReport> {
  const { log, application, topology } = of;
  // A wrong name is told before anything is written.
  if (mapping !== undefined) await readMapping(mapping);
  return replayLetters({
    ...{ log, application, where, afterFix, dryRun },
    ...{ remap: remapBy(topology, mapping), now: systemClock.now() },
    ...(signal === undefined ? {} : { signal }),
  });
}

/** Rows become events by the mapping that their letter names, or by another. */
function remapBy(topology: Topology | undefined, chosen: string | undefined) {
  const maps = new Map<string, Promise<EventMap | undefined>>();
  const mapOf = (name: string) => {
    const known =
      maps.get(name) ??
      readMapping(name).then(eventMap, (error: unknown) => {
        if (error instanceof MillraceError) return undefined;
        throw error;
      });
    maps.set(name, known);
    return known;
  };
  return async (letter: Letter): Promise<Remapped> => {
    const { headers, partition, offset } = letter;
    const name = chosen ?? headers['mapping'];
    const map = name === undefined ? undefined : await mapOf(name);
    if (map === undefined) return { skip: 'no mapping' };
    const to = topicOf(topology, headers['to']);
    if (to === undefined) return { skip: 'topic gone' };
    const row = rowOf(letter);
    if (row === undefined) return { skip: 'not a row' };
    const mapped = map(row, `letter-${partition}-${offset}`);
    if ('skip' in mapped) return { skip: 'not wanted' };
    if ('reject' in mapped) return { skip: 'refused again' };
    const records = 'records' in mapped ? mapped.records : [mapped];
    return {
      records: records.map(
        ({ key, value, timestamp }): OutsideRecord => ({ topic: to, key, value, timestamp }),
      ),
    };
  };
}

function topicOf(
  topology: Topology | undefined,
  name: string = events.name,
): Sink<never, never> | undefined {
  if (name === events.name) return events as never;
  const found = topology?.nodes.find((node) => node.type === 'source' && node.topic.name === name);
  return found?.type === 'source' ? (found.topic as never) : undefined;
}

function rowOf({ headers, value }: Letter): Readonly<Record<string, unknown>> | undefined {
  const parsed = parseJson(headers['row'] ?? value?.toString() ?? '');
  if (!('value' in parsed)) return undefined;
  const { value: row } = parsed;
  const isRow = typeof row === 'object' && row !== null && !Array.isArray(row);
  // The gateway writes so what could not be read.
  if (!isRow || Object.hasOwn(row, '(problem)')) return undefined;
  return row as Readonly<Record<string, unknown>>;
}
