/** The lines of a comparison as a table, as ratios, and as a plot. */
import { cpus, totalmem } from 'node:os';
import { table } from '../../engine/cli/output.ts';
import type { Line } from './compare.ts';
import { cpuOf } from './peer.ts';

export interface Ratio {
  readonly job: string;
  readonly peer: string;
  /** Median rate of Millrace over the peer's. */
  readonly ratio: number;
  readonly ours: number;
  readonly theirs: number;
  /** Of the ratios of the single rounds, the smallest and the greatest. */
  readonly least: number;
  readonly greatest: number;
  readonly green: boolean;
  /**
   * Of the events, that no result of the peer counts, 0 to 1; undefined where a job cannot lose
   * any.
   */
  readonly lost?: number;
}

export function machine(): Record<string, string | number> {
  const [cpu] = cpus();
  return {
    node: process.version,
    cores: cpus().length,
    cpu: cpu?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
  };
}

export function linesTable(lines: readonly Line[]): string {
  const rows = lines.map(({ job, peer, round, events, drained, verdict, changelogs }) => [
    job,
    peer,
    round + 1,
    events,
    drained.eventsPerSecond,
    cpuOf(drained).toFixed(2),
    drained.rssMiB,
    drained.stateBytes === undefined ? '' : (drained.stateBytes / 2 ** 20).toFixed(0),
    (changelogs.records / events).toFixed(2),
    (changelogs.bytes / events).toFixed(0),
    lossText(verdict.lost, events),
    verdict.green ? 'green' : `VOID: ${verdict.problem}`,
  ]);
  const measured = ['events/s', 'CPU s/M events', 'RSS MiB', 'state MiB'];
  const changelog = ['logged an event', 'bytes'];
  const head = ['job', 'who', 'round', 'events', ...measured, ...changelog, 'lost', 'oracle'];
  return table(head, rows);
}

/** Records that no result counts, where a job may lose any. */
function lossText(lost: number | undefined, events: number): string {
  if (lost === undefined) return '';
  return lost === 0 ? '0' : `${lost} (${((lost * 100) / events).toFixed(1)} %)`;
}

export function ratios(lines: readonly Line[]): Ratio[] {
  const result: Ratio[] = [];
  for (const job of new Set(lines.map((line) => line.job))) {
    const of = (peer: string) => lines.filter((line) => line.job === job && line.peer === peer);
    const ours = of('millrace');
    for (const peer of new Set(lines.map((line) => line.peer))) {
      const theirs = of(peer);
      if (peer === 'millrace' || theirs.length === 0 || ours.length === 0) continue;
      const single = ours.flatMap(({ round, drained }) => {
        const other = theirs.find((line) => line.round === round);
        return other === undefined ? [] : drained.eventsPerSecond / other.drained.eventsPerSecond;
      });
      const [a, b] = [median(ours.map(rate)), median(theirs.map(rate))];
      const losses = theirs.flatMap(({ verdict: { lost }, events }) =>
        lost === undefined ? [] : [lost / events],
      );
      result.push({
        job,
        peer,
        ours: a,
        theirs: b,
        ratio: a / b,
        least: Math.min(...single),
        greatest: Math.max(...single),
        green: [...ours, ...theirs].every(({ verdict }) => verdict.green),
        ...(losses.length === 0 ? {} : { lost: median(losses) }),
      });
    }
  }
  return result;
}

export function ratiosTable(list: readonly Ratio[]): string {
  const rows = list.map(({ job, peer, ours, theirs, ratio, least, greatest, green }) => [
    job,
    peer,
    ours,
    theirs,
    green ? ratio.toFixed(2) : 'void',
    `${least.toFixed(2)}-${greatest.toFixed(2)}`,
  ]);
  return table(['job', 'peer', 'Millrace events/s', 'peer events/s', 'ratio', 'by round'], rows);
}

/**
 * What each engine's bars are filled with, by the beginning of its peers' names; others have the
 * last.
 */
const fills = [
  ['kafka-streams', '#2a7f62', 'Kafka Streams'],
  ['flink', '#3b6ea8', 'Flink'],
  ['', '#8a8a8a', 'others'],
] as const;
const slower = '#b5482f';

/** Bars of the ratios on a logarithmic scale; a line where both are as fast. */
export function ratiosSvg(list: readonly Ratio[]): string {
  const [width, row, left] = [760, 28, 280];
  const engineOf = (peer: string) => fills.find(([name]) => peer.startsWith(name)) ?? fills[2];
  const engines = new Set(list.map(({ peer }) => engineOf(peer)));
  const legend = engines.size > 1 ? 24 : 0;
  const height = list.length * row + 40 + legend;
  const most = Math.max(10, ...list.map(({ ratio }) => ratio));
  const least = Math.min(0.5, ...list.map(({ ratio }) => ratio));
  const x = (ratio: number) =>
    left +
    ((Math.log(ratio) - Math.log(least)) / (Math.log(most) - Math.log(least))) *
      (width - left - 140);
  const bars = list.map(({ job, peer, ratio, lost = 0 }, i) => {
    const [y, from, to] = [
      20 + legend + i * row,
      Math.min(x(1), x(ratio)),
      Math.max(x(1), x(ratio)),
    ];
    const fill = ratio >= 1 ? engineOf(peer)[1] : slower;
    const loss = lost === 0 ? '' : `, ${(lost * 100).toFixed(1)} % lost`;
    return (
      `<text x="${left - 10}" y="${y + 15}" text-anchor="end">${job} / ${peer}</text>` +
      `<rect x="${from.toFixed(1)}" y="${y}" width="${Math.max(1, to - from).toFixed(1)}" height="18" fill="${fill}"/>` +
      `<text x="${(to + 6).toFixed(1)}" y="${y + 14}">${ratio.toFixed(1)}x${loss}</text>`
    );
  });
  const names = [...engines].map(([, fill, name], i) => {
    const at = left + i * 140;
    return (
      `<rect x="${at}" y="12" width="12" height="12" fill="${fill}"/>` +
      `<text x="${at + 18}" y="22">over ${name}</text>`
    );
  });
  const top = 10 + legend;
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="sans-serif" font-size="13">` +
    `<rect width="100%" height="100%" fill="white"/>${legend > 0 ? names.join('') : ''}${bars.join('')}` +
    `<line x1="${x(1).toFixed(1)}" x2="${x(1).toFixed(1)}" y1="${top}" y2="${height - 20}" stroke="#333"/></svg>\n`
  );
}

function rate({ drained }: Line): number {
  return drained.eventsPerSecond;
}

export function median(values: readonly number[]): number {
  const order = [...values].sort((a, b) => a - b);
  const middle = order.length >> 1;
  const high = order[middle] ?? Number.NaN;
  return order.length % 2 === 1 ? high : ((order[middle - 1] as number) + high) / 2;
}
