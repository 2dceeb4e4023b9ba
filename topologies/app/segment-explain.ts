/** `segment explain`: why a subject is in a segment or not at an instant, and what changes when. */
import { instant, type KeptOptions, print, printJson } from '../../engine/cli/index.ts';
import type { Explanation } from '../segments/explain.ts';
import { withState } from './kept-personalisation.ts';
import { explainSegment, type Place } from './questions/questions.ts';

export interface InstantOptions extends KeptOptions {
  /** ISO 8601; default: the subject's clock, i.e. its newest event or timer. */
  readonly at?: string;
}

type Places = Readonly<Record<string, Place>>;

export async function explain(
  subject: string,
  segment: string,
  options: InstantOptions,
): Promise<void> {
  const { json, at: asked } = options;
  const why = await withState(options, (kept) =>
    explainSegment(kept, { subject, segment, at: asked }),
  );
  if (json === true) return printJson(why);
  const { holds, at, witnesses, records } = why;
  print(`${subject} is ${holds ? 'in' : 'not in'} ${segment} at ${instant(at)}`);
  print(linesOf(why, records, 1).join('\n'));
  if (witnesses === undefined) return;
  print(
    `without ${witnesses.map((id) => placed(id, records)).join(', ')} the answer would be the opposite`,
  );
}

function linesOf(
  { condition, holds, changesAt, witnesses = [], parts, shared }: Explanation,
  records: Places,
  depth: number,
): string[] {
  const change = changesAt === undefined ? '' : `, may change at ${instant(changesAt)}`;
  const because = witnesses.length === 0 || parts.length > 0 ? '' : becauseOf(witnesses, records);
  const above = shared === true ? ', as above' : '';
  const own = `${'  '.repeat(depth)}${holds ? 'yes' : 'no '}  ${condition}${above}${change}${because}`;
  return [own, ...parts.flatMap((part) => linesOf(part, records, depth + 1))];
}

/** Witnesses of a condition that are shown; the JSON has all. */
const shown = 3;

function becauseOf(witnesses: readonly string[], records: Places): string {
  const some = witnesses.slice(0, shown).map((id) => placed(id, records));
  return `, by ${some.join(', ')}${witnesses.length > shown ? ', …' : ''}`;
}

/** An event by its id and where it lies in the log. */
function placed(id: string, records: Places): string {
  const place = records[id];
  if (place === undefined) return id;
  return `${id} (${place.topic}/${place.partition} offset ${place.offset})`;
}
