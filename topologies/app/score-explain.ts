/** `score explain`: the parts of a subject's score at an instant. */
import { instant, print, printJson, table } from '../../engine/cli/index.ts';
import type { HourShare, ScoreExplanation } from '../engagement/explain-score.ts';
import { withState } from './kept-personalisation.ts';
import { explainScore } from './questions/questions.ts';
import type { InstantOptions } from './segment-explain.ts';

/** Items of an hour that are shown; the JSON has all. */
const itemsShown = 3;

export async function scoreExplain(subject: string, options: InstantOptions): Promise<void> {
  const { json, at } = options;
  const why = await withState(options, (kept) => explainScore(kept, { subject, at }));
  if (json === true) return printJson(why);
  print(`${subject} has ${why.score} of 99 (${why.band}) at ${instant(why.at)}`);
  print(`${conditionsOf(why).join('\n')}\n`);
  print(table(['channel', 'sub-score', 'share', 'points left', 'half at'], channelRows(why)));
  const rows = why.channels.flatMap(({ hours }) => hours.map(hourRow));
  if (rows.length === 0) return;
  print('');
  print(table(['hour', 'class', 'items', 'counted', 'points', 'left', 'which'], rows));
}

function conditionsOf(why: ScoreExplanation): string[] {
  const { gateIsShut, gateChangesAt, opensCountNothing, changesAt } = why;
  const gate = gateChangesAt === undefined ? '' : `, until ${instant(gateChangesAt)}`;
  return [
    ...(gateIsShut ? [`the e-mail gate is shut${gate}: that channel does not count`] : []),
    ...(opensCountNothing ? ['too many opens are a machine’s: opens do not count'] : []),
    changesAt === undefined
      ? 'without events it does not change'
      : `without events it changes at ${instant(changesAt)}`,
  ];
}

function channelRows({ channels }: ScoreExplanation): (string | number)[][] {
  return channels.map(({ channel, sub, share, left, saturation }) => [
    channel,
    sub,
    share,
    points(left),
    points(saturation),
  ]);
}

function hourRow(share: HourShare): (string | number)[] {
  const { hour, items, counted, which = [] } = share;
  const more = which.length > itemsShown ? ', …' : '';
  const shown = which.slice(0, itemsShown).map((item) => item.replaceAll('\n', ' '));
  const left = points(Math.round(share.left));
  const names = `${shown.join(', ')}${more}`;
  return [instant(hour), share.class, items, counted, points(share.points), left, names];
}

/** Thousandths as points. */
function points(thousandths: number): string {
  return (thousandths / 1_000).toFixed(3);
}
